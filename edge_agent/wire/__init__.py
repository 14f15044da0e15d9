"""Messages that device and cloud exchange. Needs msgspec and the standard library, nothing else.

Fields are only ever added, with defaults; `tests/edge_agent/wire/golden/` pins every version.
"""

WIRE_VERSION = 1
