"""The demo's two plants and their three devices, and where their folders lie. Django-free: the devices read it too."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoDevice:
    name: str
    line: str
    site: str
    lot: str


SITES = {"Plant North": "Europe/Berlin", "Plant South": "America/Phoenix"}
PRODUCT = "Solar cell"
DEVICES = (
    DemoDevice(name="north-a1", line="Line A1", site="Plant North", lot="N-1041"),
    DemoDevice(name="north-a2", line="Line A2", site="Plant North", lot="N-1042"),
    DemoDevice(name="south-b1", line="Line B1", site="Plant South", lot="S-0377"),
)


@dataclass(frozen=True, slots=True)
class DeviceFolders:
    """What stands for one machine on the floor: its disk, its camera's pictures, its settings."""

    root: Path

    @property
    def agent_data(self) -> Path:
        return self.root / "agent"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def config(self) -> Path:
        return self.root / "agent.toml"

    @property
    def code(self) -> Path:
        """The one-time enrolment code, as somebody would type it in at the machine."""
        return self.root / "enrolment-code"


def device_folders(data_dir: Path, name: str) -> DeviceFolders:
    return DeviceFolders(data_dir / "demo" / "devices" / name)


def diary_file(data_dir: Path) -> Path:
    """What happened in the demo, a line each; the console follows it."""
    return data_dir / "demo" / "diary.txt"


def accounts_file(data_dir: Path) -> Path:
    return data_dir / "demo" / "accounts.txt"
