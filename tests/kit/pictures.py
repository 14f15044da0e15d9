"""Made-up solar cells, good ones and cracked ones, for tests and screenshots. No data set's images are in them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_PX = 160


def cell(rng: np.random.Generator, *, is_cracked: bool) -> NDArray[np.uint8]:
    """(SIZE_PX, SIZE_PX, 3) uint8: bus bars on a grainy, patchy cell, and a crack where asked for."""
    patches = cv2.resize(rng.uniform(110, 190, (6, 6)), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    picture = patches + rng.normal(0, 6, (SIZE_PX, SIZE_PX))
    for bar in np.linspace(0.15, 0.85, int(rng.integers(2, 5))):
        centre = int(SIZE_PX * bar + rng.integers(-3, 4))
        picture[centre - 2 : centre + 2, :] -= 70
    if is_cracked:
        _crack(picture, rng)
    grey = cv2.GaussianBlur(np.clip(picture, 0, 255).astype(np.uint8), (3, 3), 0)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def _crack(picture: NDArray[np.float64], rng: np.random.Generator) -> None:
    point = rng.uniform(0.25, 0.6, 2) * SIZE_PX
    angle = rng.uniform(0.5, 2.6)
    for _ in range(int(rng.integers(4, 8))):
        angle += rng.normal(0, 0.5)
        end = point + rng.uniform(10, 22) * np.array([np.cos(angle), np.sin(angle)])
        ends = [(int(x), int(y)) for x, y in (point, end)]
        cv2.line(picture, ends[0], ends[1], float(rng.uniform(10, 60)), int(rng.integers(4, 7)))
        point = end


def write_cells(folder: Path, *, good: int, cracked: int, seed: int = 1) -> Path:
    """Write `folder/good/*.png` and `folder/crack/*.png`, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for name, count in (("good", good), ("crack", cracked)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            cv2.imwrite(str(folder / name / f"{number:04}.png"), cell(rng, is_cracked=name == "crack"))
    return folder
