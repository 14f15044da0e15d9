"""Composes the flows of everything that comes beside the model."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.clock import Clock
from edge_agent.cloud import CloudClient
from edge_agent.orders import Orders
from edge_agent.recording import RecordSink
from edge_agent.update.extra_kinds import AgentExtra, Process, ReferenceExtra, ShadowExtra, ShadowSlot
from edge_agent.update.extras import Extra, ExtraFlow, ExtraParts, Extras
from edge_agent.update.fetching import Fetching
from edge_agent.update.pacing import measured_room
from edge_agent.update.pointer import LAUNCHED_AS
from edge_agent.update.trial import run_trial
from edge_agent.update.trust import TargetDownload, TrustedRepository
from edge_agent.wire.messages import Hardware

EXTRAS_FOLDER = "extras"
"""Metadata and downloads apart from the models': two threads never write one file."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the flows need of the agent around them. is_well: no part has failed since the start."""

    folder: Path
    orders: Orders
    journal: RecordSink
    clock: Clock
    hardware: Hardware
    shadow: ShadowSlot
    restart: Callable[[], None]
    is_well: Callable[[], bool]


def composed_extras(around: Surroundings, cloud: CloudClient, *, root: bytes, now_ms: Callable[[], int]) -> Extras:
    """root: the pinned root of the artifact repository. now_ms: the cloud's time."""
    place = around.folder / EXTRAS_FOLDER
    fetching = Fetching(
        repository=TrustedRepository(place / "tuf", root=root, cloud=cloud, now_ms=now_ms),
        downloads=TargetDownload(place / "downloads", cloud),
        hardware=around.hardware,
        room=lambda: measured_room(around.folder),
        clock=around.clock,
    )
    parts = ExtraParts(orders=around.orders, journal=around.journal, clock=around.clock, fetching=fetching)
    process = Process(os.environ.get(LAUNCHED_AS), restart=around.restart, is_well=around.is_well)
    kinds: list[Extra] = [
        AgentExtra(around.folder, process, around.clock),
        ReferenceExtra(around.folder),
        ShadowExtra(
            around.folder,
            around.shadow,
            around.hardware,
            trial=lambda version, stop: run_trial(version, clock=around.clock, stop=stop),
        ),
    ]
    return Extras([ExtraFlow(around.folder, kind, parts) for kind in kinds], around.clock)
