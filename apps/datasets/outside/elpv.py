"""The ELPV solar cells: 2,624 electroluminescence images with a defect probability by two experts' judgement.

Buerhop-Lutz et al. 2018; Deitsch et al. 2019 and 2021. CC BY-NC-SA 4.0: for trials, never part of the product.
"""

import csv
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from apps.datasets.outside.sources import SourceImage, SourceMissing

DEFECT_FROM_RATIO = 0.5
"""Cells at 2/3 and 1 count as defective, at 0 and 1/3 as good."""


class ElpvSource:
    labels = ("good", "defect")

    def __init__(self, *, limit: int | None = None) -> None:
        """limit: take only so many images, spread evenly over the set. Raises SourceMissing."""
        self._folder = _package_folder()
        rows = _rows(self._folder / "labels.csv")
        step = max(1, len(rows) // limit) if limit else 1
        self._rows = rows[::step][:limit]

    @property
    def count(self) -> int:
        return len(self._rows)

    def entries(self) -> Iterator[SourceImage]:
        for path, ratio, cell_type in self._rows:
            yield SourceImage(
                name=path,
                content=(self._folder / path).read_bytes(),
                label="defect" if ratio >= DEFECT_FROM_RATIO else "good",
                defect_ratio=ratio,
                attributes={"type": cell_type},
            )


def _package_folder() -> Path:
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise SourceMissing("The package elpv-dataset is not installed.")
    return Path(spec.origin).parent / "data"


def _rows(labels_file: Path) -> list[tuple[str, float, str]]:
    """The table is aligned with runs of blanks: path, probability, mono or poly."""
    with labels_file.open(newline="") as stream:
        reader = csv.reader(stream, delimiter=" ", skipinitialspace=True)
        return [(row[0], float(row[1]), row[2]) for row in reader if row]
