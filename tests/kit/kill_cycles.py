"""F01: kill a device again and again while it inspects and syncs, then ask the oracle."""

import contextlib
import random
import statistics
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from edge_agent.journal.store import Store
from edge_agent.wire.codec import decode_record, encode
from edge_agent.wire.configuration import CollectionSettings, Configuration
from edge_agent.wire.messages import DesiredState
from edge_agent.wire.records import Result
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_record
from tests.kit.oracle import Findings, compare, compare_journal, inspection_bodies
from tests.kit.proxy import Flapping, Proxy

KILL_AFTER_S = (0.05, 0.35)


@dataclass(frozen=True)
class Outcome:
    seed: int
    kill_count: int
    told_count: int
    stored_count: int
    image_count: int
    repeated_count: int
    ready_max_s: float
    ready_median_s: float
    wall_s: float
    agreement: Findings
    journal: Findings
    missing_images: list[str]


def run_kill_cycles(
    folder: Path, *, seed: int, kill_count: int, module: str = "edge_agent", is_flapping: bool = False
) -> Outcome:
    """Kill `kill_count` times, each at a seeded moment after the line heard a verdict; let it catch up; compare.

    is_flapping: meanwhile the link to the cloud is slow, stands still, is cut, and well again, at seeded moments.
    """
    start_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        cloud = FakeCloud()
        stack.callback(cloud.stop)
        cloud.ledger.desired = with_many_images()
        proxy = Proxy(cloud.port)
        stack.callback(proxy.stop)
        agent = AgentProcess(folder, proxy.url, module=module)
        stack.callback(agent.close)
        ready_s = [first_life(agent, cloud)]
        with Flapping(proxy, seed=seed) if is_flapping else contextlib.nullcontext():
            ready_s += _kill_again_and_again(agent, random.Random(seed), kill_count - 1)
        catch_up(agent, cloud)
    outcome = outcome_of(agent, cloud, seed=seed, ready_s=ready_s, start_s=start_s)
    leave_record(f"F01{'-flapping' if is_flapping else ''}-{module.rpartition('.')[2]}", outcome)
    return outcome


def with_many_images() -> DesiredState:
    settings = Configuration(collection=CollectionSettings(random_sample_ratio=1.0, images_per_hour=100_000))
    return DesiredState(
        revision="1",
        checkin_interval_s=1.0,
        server_time_ms=0,
        configuration_revision=1,
        configuration=msgspec.Raw(encode(settings)),
    )


def first_life(agent: AgentProcess, cloud: FakeCloud) -> float:
    """Long enough to hear that all images are wanted; then killed. Returns the seconds until it was ready."""
    ready_s = agent.start()
    wait_until(lambda: cloud.ledger.images, 60)
    agent.kill()
    return ready_s


def _kill_again_and_again(agent: AgentProcess, chance: random.Random, kill_count: int) -> list[float]:
    """Returns the seconds until each life was ready."""
    ready_s = []
    pause = threading.Event()
    for _ in range(kill_count):
        ready_s.append(agent.start())
        pause.wait(chance.uniform(*KILL_AFTER_S))
        agent.kill()
    return ready_s


def catch_up(agent: AgentProcess, cloud: FakeCloud) -> None:
    """One more life, on a line that stands still, until the cloud holds all; killed, so that nothing is added."""
    agent.configure(takt_ms=600_000)
    agent.start()
    wait_until(lambda: is_in_step(agent, cloud), 60)
    agent.kill()


def is_in_step(agent: AgentProcess, cloud: FakeCloud) -> bool:
    """The cloud holds every record and image that the device has."""
    store = Store(agent.journal_folder / "journal.db", is_read_only=True)
    try:
        with cloud.ledger.lock:
            held = {stream: held.watermark for stream, held in cloud.ledger.streams.items()}
        is_sent = all(held.get(tail.id, 0) == tail.last_seq == tail.acked_seq for tail in store.tails.values())
        return is_sent and store.images_waiting() == 0
    finally:
        store.close()


def outcome_of(agent: AgentProcess, cloud: FakeCloud, *, seed: int, ready_s: list[float], start_s: float) -> Outcome:
    bodies, told = inspection_bodies(cloud.ledger), agent.told()
    streams = {stream: held.bodies for stream, held in cloud.ledger.streams.items()}
    return Outcome(
        seed=seed,
        kill_count=len(ready_s),
        told_count=len(told),
        stored_count=len(bodies),
        image_count=len(cloud.ledger.images),
        repeated_count=sum(held.repeated_count for held in cloud.ledger.streams.values()),
        ready_max_s=max(ready_s),
        ready_median_s=statistics.median(ready_s),
        wall_s=time.monotonic() - start_s,
        agreement=compare(told, bodies, kill_count=len(ready_s)),
        journal=compare_journal(agent.journal_folder, streams),
        missing_images=_missing_images(bodies, cloud),
    )


def _missing_images(bodies: list[bytes], cloud: FakeCloud) -> list[str]:
    results = [record for record in map(decode_record, bodies) if isinstance(record, Result)]
    named = {record.image.sha256 for record in results if record.image}
    whole = {name for name, image in cloud.ledger.images.items() if sha256(image.content).hexdigest() == name}
    return sorted(named - whole)
