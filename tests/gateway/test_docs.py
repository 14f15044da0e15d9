import re
from pathlib import Path

from apps.core import files
from apps.devices import services
from apps.gateway import asgi

CODE = re.compile(r'(?:Refused\(\s*\d+,\s*|code\s*=\s*)"([a-z_]+)"')
NOT_FOR_DEVICES = {
    "arguments_too_long",
    "device_not_enrolled",
    "line_unknown",
    "name_taken",
    "site_unknown",
    "unknown_time_zone",
}
"""What the same services answer to people."""


def test_every_refusal_that_a_device_may_hear_is_in_the_table():
    sources = [*Path(asgi.__file__).parent.glob("*.py"), Path(services.__file__), Path(files.__file__)]
    codes = {code for source in sources for code in CODE.findall(source.read_text())}
    page = Path("docs/protocol.md").read_text()
    assert {code for code in codes - NOT_FOR_DEVICES if f"`{code}`" not in page} == set()
