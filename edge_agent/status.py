"""What a device's data folder says, read beside the running agent without disturbing it."""

import sqlite3
from pathlib import Path

import msgspec

from edge_agent.clock import SystemClock
from edge_agent.identity import load_device
from edge_agent.journal.store import Store
from edge_agent.orders import Orders


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    stream: str
    last_seq: int
    acked_seq: int
    waiting_count: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """device: empty before enrolment. streams: empty before the first run."""

    device: str = ""
    site: str = ""
    line: str = ""
    cloud_url: str = ""
    ordered_model: str = ""
    configuration_revision: int = 0
    images_waiting: int = 0
    streams: list[StreamStatus] = []


def read_status(folder: Path) -> Status:
    """Raises IdentityError when the identity is damaged, sqlite3.Error when the journal is."""
    device = load_device(folder)
    if device is None:
        return Status()
    orders = Orders(folder, SystemClock())
    offer = orders.state.model if orders.state else None
    images_waiting, streams = _journal(folder / "journal" / "journal.db")
    return Status(
        device=device.name,
        site=device.site,
        line=device.line,
        cloud_url=device.cloud_url,
        ordered_model=f"{offer.name} {offer.version}" if offer else "",
        configuration_revision=orders.configuration_revision,
        images_waiting=images_waiting,
        streams=streams,
    )


def _journal(path: Path) -> tuple[int, list[StreamStatus]]:
    if not path.exists():
        return 0, []
    store = Store(path, is_read_only=True)
    try:
        return store.images_waiting(), [
            StreamStatus(
                kind=tail.kind.value,
                stream=tail.id,
                last_seq=tail.last_seq,
                acked_seq=tail.acked_seq,
                waiting_count=tail.last_seq - tail.acked_seq,
            )
            for tail in store.tails.values()
        ]
    finally:
        store.close()


def status_text(folder: Path) -> str:
    """JSON for people and programs. A journal that cannot be read is said, not raised."""
    try:
        status: object = read_status(folder)
    except sqlite3.Error as exc:
        status = {"error": f"the journal cannot be read: {exc}"}
    return msgspec.json.format(msgspec.json.encode(status), indent=2).decode()
