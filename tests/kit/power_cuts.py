"""F02: cut the supply of a device again and again, and ask the oracle. The disk loses whatever was not synced."""

import random
import sqlite3
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.journal.store import Store
from edge_agent.wire.words import StreamKind
from tests.kit.agents import AgentProcess
from tests.kit.cloud import FakeCloud
from tests.kit.disks import CuttableDisk, cuttable_disk
from tests.kit.fault_records import leave_record
from tests.kit.kill_cycles import catch_up, first_life, outcome_of, with_many_images
from tests.kit.oracle import Findings, compare, told_from

CUT_AFTER_S = (0.05, 0.35)


@dataclass(frozen=True)
class PowerCuts:
    seed: int
    cut_count: int
    told_count: int
    ready_max_s: float
    ready_median_s: float
    wall_s: float
    lost_after_cut: list[str]
    """Promised to the line, and not in the journal when the supply was back."""
    integrity: list[str]
    """What SQLite's own check said after each cut, other than ok."""
    agreement: Findings = field(default_factory=Findings)
    journal: Findings = field(default_factory=Findings)
    missing_images: list[str] = field(default_factory=list)
    image_count: int = 0


def run_power_cuts(folder: Path, *, seed: int, cut_count: int) -> PowerCuts:
    start_s = time.monotonic()
    cloud = FakeCloud()
    cloud.ledger.desired = with_many_images()
    device = folder / "device"
    with cuttable_disk(device / "data") as disk:
        agent = AgentProcess(device, cloud.url)
        try:
            first_life(agent, cloud)
            cuts = _cut_again_and_again(agent, disk, random.Random(seed), cut_count)
            catch_up(agent, cloud)
            whole = outcome_of(agent, cloud, seed=seed, ready_s=cuts.ready_s, start_s=start_s)
        finally:
            agent.close()
            cloud.stop()
    outcome = PowerCuts(
        seed=seed,
        cut_count=cut_count,
        told_count=whole.told_count,
        ready_max_s=whole.ready_max_s,
        ready_median_s=whole.ready_median_s,
        wall_s=whole.wall_s,
        lost_after_cut=cuts.lost,
        integrity=cuts.integrity,
        agreement=whole.agreement,
        journal=whole.journal,
        missing_images=whole.missing_images,
        image_count=whole.image_count,
    )
    leave_record("F02", outcome)
    return outcome


def run_without_a_cloud(folder: Path, *, seed: int, cut_count: int, module: str) -> PowerCuts:
    """Only device and line, for a device that may come back with another history than it told."""
    start_s = time.monotonic()
    cloud = FakeCloud()
    with cuttable_disk(folder / "device" / "data") as disk:
        agent = AgentProcess(folder / "device", cloud.url, module=module)
        cloud.stop()
        try:
            cuts = _cut_again_and_again(agent, disk, random.Random(seed), cut_count)
        finally:
            agent.close()
    outcome = PowerCuts(
        seed=seed,
        cut_count=cut_count,
        told_count=len(agent.told()),
        ready_max_s=max(cuts.ready_s),
        ready_median_s=statistics.median(cuts.ready_s),
        wall_s=time.monotonic() - start_s,
        lost_after_cut=cuts.lost,
        integrity=cuts.integrity,
    )
    leave_record(f"F02-{module.rpartition('.')[2]}", outcome)
    return outcome


@dataclass
class _Cuts:
    ready_s: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    integrity: list[str] = field(default_factory=list)


def _cut_again_and_again(agent: AgentProcess, disk: CuttableDisk, chance: random.Random, cut_count: int) -> _Cuts:
    cuts, pause = _Cuts(), threading.Event()
    for _ in range(cut_count):
        cuts.ready_s.append(agent.start())
        pause.wait(chance.uniform(*CUT_AFTER_S))
        disk.cut(chance.randrange(2**32))
        agent.kill()
        disk.again()
        cuts.lost += _lost(agent)
        cuts.integrity += _integrity(agent.journal_folder / "journal.db")
    return cuts


def _lost(agent: AgentProcess) -> list[str]:
    bodies = journal_bodies(agent.journal_folder)
    told = told_from(agent.told_file)
    return compare(told, bodies, kill_count=len(told)).lost


def journal_bodies(folder: Path) -> list[bytes]:
    """All inspection records that the journal holds, in order of their numbers."""
    store = Store(folder / "journal.db", is_read_only=True)
    try:
        return [bytes(body) for _, body, _ in store.rows_after(StreamKind.INSPECTION, 0)]
    finally:
        store.close()


def _integrity(path: Path) -> list[str]:
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
        answers = [row[0] for row in database.execute("PRAGMA integrity_check")]
    database.close()
    return [answer for answer in answers if answer != "ok"]
