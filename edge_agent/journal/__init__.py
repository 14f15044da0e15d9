"""The journal: what the device decided, numbered, durable, and kept until the cloud holds it (docs/journal.md)."""

from edge_agent.journal.errors import JournalError, JournalFull, JournalRefused, JournalUnavailable
from edge_agent.journal.images import ImageFile
from edge_agent.journal.journal import Journal
from edge_agent.journal.store import Backlog, ImageState, StoredImage
from edge_agent.journal.tickets import Ticket

__all__ = [
    "Backlog",
    "ImageFile",
    "ImageState",
    "Journal",
    "JournalError",
    "JournalFull",
    "JournalRefused",
    "JournalUnavailable",
    "StoredImage",
    "Ticket",
]
