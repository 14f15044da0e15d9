"""Files that are whole or not there, also after a power cut."""

import os
from pathlib import Path


def write_durably(file: Path, content: bytes) -> None:
    """Replace `file` in one step; on return it survives a power cut. Raises OSError with the old file in place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
