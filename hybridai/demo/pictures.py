"""What the demo's cameras see: the replay split, shared out among the devices. The model never learned from it."""

from pathlib import Path

from apps.core import files
from apps.datasets import selectors as datasets
from hybridai.demo.factory import DEVICES, device_folders


def pictures_lay_out(*, dataset_version_id: int, data_dir: Path) -> int:
    """Give each device its share, and take away images that a person has reviewed. Returns how many are shown."""
    pool = [image.sha256 for image in datasets.replay_pool(dataset_version_id)]
    for index, device in enumerate(DEVICES):
        share = {sha256 for sha256 in pool if _place(sha256) == index}
        _fill(device_folders(data_dir, device.name).pictures, share)
    return len(pool)


def _place(sha256: str) -> int:
    """By content, so that an image stays at its device when others leave the pool."""
    return int(sha256[:8], 16) % len(DEVICES)


def _fill(folder: Path, wanted: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    here = {file.stem for file in folder.glob("*.png")}
    for sha256 in here - wanted:
        (folder / f"{sha256}.png").unlink()
    for sha256 in wanted - here:
        draft = folder / f"{sha256}.part"
        draft.write_bytes(files.read(sha256))
        draft.replace(folder / f"{sha256}.png")
