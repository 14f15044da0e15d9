from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hybridai.embedded.locations import Locations, locations
from tests.kit.programs import Run

SMALL_INSTALLATION = "tests.hybridai.embedded.small_installation"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    runs: list[Run] = []

    def start_one(scenario: str) -> Run:
        runs.append(Run(tmp_path, ["-m", SMALL_INSTALLATION, str(tmp_path), scenario]))
        return runs[-1]

    yield start_one
    for run in runs:
        run.close()


@pytest.fixture
def where(tmp_path: Path) -> Locations:
    return locations(tmp_path / "data")
