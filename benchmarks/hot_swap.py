"""100 hot swaps while items pass: `python benchmarks/hot_swap.py [FOLDER]`. What they cost the line, and the memory.

Two packages take turns on a real inspection loop with a real journal, slots and installed versions, 20 items a second.
"""

import argparse
import gc
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import psutil

from edge_agent.clock import SystemClock
from edge_agent.config import ReplayConfig
from edge_agent.journal import Journal
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.line.outputs import Told
from edge_agent.pipeline.loop import InspectionLoop, LineParts
from edge_agent.pipeline.results import LineFacts
from edge_agent.update.slots import Slots
from edge_agent.update.versions import Versions
from edge_agent.values import InstalledVersion
from edge_agent.wire.configuration import Configuration, InspectionSettings
from tests.kit.models import tiny_package
from tests.kit.updating import install

TAKT_MS = 50
SWAPS = 100
SWAP_EVERY_S = 0.3
ROUND_SWAPS = 10
MIB = 1024 * 1024

Heard = tuple[float, float, bool]
"""When, after how many milliseconds, and whether with a recorded verdict."""


class Line:
    """Hears the verdicts, and keeps when each came."""

    def __init__(self) -> None:
        self.told: list[Heard] = []

    def tell(self, told: Told) -> None:
        self.told.append((time.perf_counter(), told.told_ms, told.cannot_judge is None and told.seq is not None))


def pictures(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(20):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (300, 300, 3), dtype=np.uint8))
    return folder


def p99_ms(told: Sequence[Heard]) -> float:
    return float(np.percentile([one[1] for one in told], 99))


def memory_bytes() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


class Phase:
    """The verdicts of all calm rounds, or of all rounds with swaps: both see the same machine at the same hour."""

    def __init__(self) -> None:
        self.rounds: list[list[Heard]] = []
        self.memory_bytes: list[int] = []
        """After each round."""

    @property
    def told(self) -> list[Heard]:
        return [one for told in self.rounds for one in told]

    @property
    def missed_count(self) -> int:
        """Beats without a verdict, as gaps of at least two takts within a round."""
        gaps_ms = [np.diff([one[0] for one in told]) * 1000 for told in self.rounds]
        return int(sum((np.rint(gaps / TAKT_MS) - 1).clip(min=0).sum() for gaps in gaps_ms))


def swap_rounds(line: Line, slots: Slots, versions: Sequence[InstalledVersion], swap_count: int) -> tuple[Phase, Phase]:
    """Rounds of ten swaps, each after a calm round of the same length."""
    calm, swapping, number = Phase(), Phase(), 0
    while number < swap_count:
        begun = len(line.told)
        time.sleep(ROUND_SWAPS * SWAP_EVERY_S)
        calm.rounds.append(line.told[begun:])
        begun = len(line.told)
        for _ in range(ROUND_SWAPS):
            number += 1
            slots.activate(versions[number % 2])
            slots.confirm()
            time.sleep(SWAP_EVERY_S)
        swapping.rounds.append(line.told[begun:])
        swapping.memory_bytes.append(memory_bytes())
    return calm, swapping


def measured(folder: Path, swap_count: int) -> dict[str, float]:
    clock, line = SystemClock(), Line()
    packages = [tiny_package(folder, score=score, version=f"v{score}") for score in (0.1, 0.9)]
    slots = Slots(folder / "device", Versions(folder / "device" / "models"))
    versions = [install(folder / "device", package) for package in packages]
    slots.activate(versions[0])
    slots.confirm()
    journal = Journal(folder / "journal", clock)
    settings = Configuration(inspection=InspectionSettings(takt_ms=TAKT_MS))
    camera = ReplayCamera(ReplayConfig(folder=pictures(folder / "images")), clock)
    parts = LineParts(camera=camera, slots=slots, journal=journal, output=line, configuration=lambda: settings)
    loop = InspectionLoop(parts, LineFacts(line="line-1", sampling_seed="seed"), clock)
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    swap_rounds(line, slots, versions, ROUND_SWAPS)  # the caches of allocator and database fill
    before_bytes = memory_bytes()
    calm, swapping = swap_rounds(line, slots, versions, swap_count)
    half_bytes, after_bytes = (swapping.memory_bytes[at] for at in (len(swapping.memory_bytes) // 2 - 1, -1))
    stop.set()
    thread.join()
    journal.close()
    return {
        "swaps": swap_count,
        "items, calm": len(calm.told),
        "items, swapping": len(swapping.told),
        "missed beats, calm": calm.missed_count,
        "missed beats, swapping": swapping.missed_count,
        "items without a recorded verdict": sum(not one[2] for one in swapping.told),
        "p99, calm, ms": p99_ms(calm.told),
        "p99, swapping, ms": p99_ms(swapping.told),
        "p99 rise, ms": p99_ms(swapping.told) - p99_ms(calm.told),
        "memory before, MiB": before_bytes / MIB,
        "memory at half, MiB": half_bytes / MIB,
        "memory after, MiB": after_bytes / MIB,
        "memory rise, %": 100 * (after_bytes / before_bytes - 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="on the disk to be measured")
    parser.add_argument("--swaps", type=int, default=SWAPS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, figure in measured(Path(folder), options.swaps).items():
            print(f"{name:<36}{figure:>10.2f}")


if __name__ == "__main__":
    main()
