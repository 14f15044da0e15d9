"""One machine on the demo's floor: enrols itself once, then becomes the agent."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from hybridai.demo.factory import DeviceFolders, device_folders

LOOK_EVERY_S = 0.5
TRY_LATER = 75
"""What `edge_agent enrol` exits with while the cloud cannot be reached."""


def main(name: str, cloud_url: str, data_dir: Path) -> None:
    folders = device_folders(data_dir, name)
    _wait_for(folders.config)
    if not (folders.agent_data / "device.json").exists():
        _enrol(folders, cloud_url)
    os.execv(sys.executable, [*_agent(), "run", "--config", str(folders.config)])  # noqa: S606  our own program


def _enrol(folders: DeviceFolders, cloud_url: str) -> None:
    _wait_for(folders.code)
    code = folders.code.read_text().strip()
    where = ["--cloud", cloud_url, "--data", str(folders.agent_data)]
    status = subprocess.run([*_agent(), "enrol", "--code", code, *where], check=False).returncode
    if status != TRY_LATER:
        # Used up or refused: either way the plant hands out another one if the device is still expected.
        folders.code.unlink()
    if status:
        sys.exit(status)


def _agent() -> list[str]:
    return [sys.executable, "-m", "edge_agent"]


def _wait_for(file: Path) -> None:
    never = threading.Event()
    while not file.exists():
        never.wait(LOOK_EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
