"""Tiny wheels that look like the agent's."""

import base64
import hashlib
import io
import zipfile

GOOD = {"edge_agent/__init__.py": b"__version__ = '9.9'\n", "edge_agent/__main__.py": b"", "edge_agent/agent.py": b""}
INFO = "hybridai_edge_agent-9.9.dist-info"


def wheel_bytes(files=GOOD, *, info=INFO, pure=True, record=None):
    """record: what RECORD says of a file instead of the truth, by name."""
    tag = b"Wheel-Version: 1.0\nRoot-Is-Purelib: " + (b"true" if pure else b"false") + b"\nTag: py3-none-any\n"
    contents = {**files, f"{info}/WHEEL": tag, f"{info}/METADATA": b"Name: hybridai-edge-agent\nVersion: 9.9\n"}
    lines = [
        f"{name},{(record or {}).get(name) or digest(content)},{len(content)}" for name, content in contents.items()
    ]
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
