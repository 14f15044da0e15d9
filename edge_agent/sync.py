"""Brings the journal to the cloud: control records first, then inspection records, then images piece by piece.

Losing a reply is harmless: the records go again with the same numbers, and the cloud counts each number once.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.cloud import CloudClient, CloudError, CloudRefused, CloudUnreachable
from edge_agent.journal import ImageState, JournalError, JournalRefused, StoredImage, Ticket
from edge_agent.wire.messages import BATCH_ITEMS_MAX, Batch, StreamAck, SyncRequest
from edge_agent.wire.records import Alarm, Record, Tombstone
from edge_agent.wire.words import AlarmCode, StreamKind

logger = logging.getLogger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 60.0
REFUSED_PAUSE_S = 60.0
"""A refusal needs a person; asking once a minute is often enough to notice that one came."""
IMAGE_PIECE_BYTES = 256 * 1024
_STREAM_CODES = frozenset({"digest_mismatch", "stream_foreign", "body_too_large"})
"""Refusals that concern one stream; the other one goes on."""
_USELESS_IMAGE_CODES = frozenset({"not_an_image", "image_too_large", "bad_checksum", "too_many_bytes"})
_IDENTITY_CODES = ("token", "device")
"""What refusals begin with that concern this device rather than what it sent."""


class Outbox(Protocol):
    """The journal as seen from here."""

    def batch(self, kind: StreamKind, limit: int) -> Batch | None: ...

    def acked(self, ack: StreamAck) -> None: ...

    def submit(self, record: Record) -> Ticket[int]: ...

    def images_wanted(self, sha256s: Sequence[str]) -> None: ...

    def image_next(self) -> StoredImage | None: ...

    def image_read(self, sha256: str, offset: int, size_bytes: int) -> bytes: ...

    def image_settled(self, sha256: str, state: ImageState) -> None: ...


class Sync:
    """Sends while there is something to send, then looks again every `interval_s`."""

    name = "sync"

    def __init__(self, cloud: CloudClient, *, journal: Outbox, interval_s: Callable[[], float], clock: Clock) -> None:
        self._cloud = cloud
        self._journal = journal
        self._interval_s = interval_s
        self._clock = clock
        self._limit = BATCH_ITEMS_MAX
        self._failure_count = 0
        self._down_since_s: float | None = None
        self._refused: dict[StreamKind, float] = {}

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._clock.wait(stop, self.turn())

    def turn(self) -> float:
        """Send the next piece. Returns the seconds to wait before the following one: 0 while there is more."""
        try:
            is_busy = self._send_next()
        except CloudUnreachable as exc:
            return self._backoff_s(exc, exc.retry_after_s)
        except (CloudRefused, JournalError) as exc:
            return max(REFUSED_PAUSE_S * random.random(), self._backoff_s(exc, None))  # noqa: S311  spreads load
        self._note_back()
        return 0.0 if is_busy else self._interval_s()

    def _send_next(self) -> bool:
        """True when there may be more to send."""
        # Control first and alone: a backlog of days must not delay what a rollout waits for.
        return self._send_records(StreamKind.CONTROL) or self._send_records(StreamKind.INSPECTION) or self._send_image()

    # Records

    def _send_records(self, kind: StreamKind) -> bool:
        if self._refused.get(kind, 0.0) > self._clock.monotonic_s():
            return False
        batch = self._journal.batch(kind, self._limit)
        if batch is None:
            return False
        try:
            reply = self._cloud.sync(SyncRequest(batches=[batch]))
        except CloudRefused as exc:
            self._learn_refusal(batch, exc)
            return True
        self._refused.pop(kind, None)
        self._limit = min(BATCH_ITEMS_MAX, self._limit * 2)
        for ack in reply.acks:
            self._journal.acked(ack)
        if reply.images_wanted:
            self._journal.images_wanted(reply.images_wanted)
        if not any(ack.stream == batch.stream and ack.watermark >= batch.first_seq for ack in reply.acks):
            # Sending the same again at once would turn a confused cloud into a busy one.
            raise CloudUnreachable(f"the cloud took nothing of the {kind.value} stream")
        return True

    def _learn_refusal(self, batch: Batch, refusal: CloudRefused) -> None:
        """Cut smaller, or leave this stream alone for a while, the other one going on. Raises what concerns both."""
        if refusal.code == "body_too_large" and len(batch.items) > 1:
            self._limit = len(batch.items) // 2
            return
        if refusal.code not in _STREAM_CODES:
            raise refusal
        if batch.kind not in self._refused:
            logger.error("stream_refused stream=%s code=%s first_seq=%d", batch.kind, refusal.code, batch.first_seq)
            text = f"the cloud refuses the {batch.kind.value} stream: {refusal.code}"
            self._journal.submit(Alarm(at_ms=self._clock.wall_ms(), code=AlarmCode.JOURNAL_DAMAGED, text=text))
        self._refused[batch.kind] = self._clock.monotonic_s() + REFUSED_PAUSE_S

    # Images

    def _send_image(self) -> bool:
        image = self._journal.image_next()
        if image is None:
            return False
        try:
            self._journal.image_settled(image.sha256, self._sent(image))
        except JournalRefused:
            self._journal.image_settled(image.sha256, ImageState.GONE)
            lost = Tombstone(at_ms=self._clock.wall_ms(), lost_kind="image", count=1, reason="file missing")
            self._journal.submit(lost)
        return True

    def _sent(self, image: StoredImage) -> ImageState:
        """Send what the cloud lacks of this image, and say what became of it."""
        try:
            offset = self._cloud.image_offset(image.sha256)
            while offset < image.size_bytes:
                piece = self._journal.image_read(image.sha256, offset, IMAGE_PIECE_BYTES)
                offset = self._advanced(image, offset, piece)
        except CloudRefused as exc:
            return self._state_after(exc, image)
        return ImageState.SENT

    def _state_after(self, refusal: CloudRefused, image: StoredImage) -> ImageState:
        """What becomes of a refused image. Raises a refusal that is not about the image."""
        if refusal.code.startswith(_IDENTITY_CODES):
            raise refusal
        if refusal.code != "image_not_wanted":
            logger.warning("image_refused sha256=%s code=%s", image.sha256, refusal.code)
        # Anything else may be our mistake or the cloud's: not offered again, but kept until it is asked for.
        return ImageState.GONE if refusal.code in _USELESS_IMAGE_CODES else ImageState.UNWANTED

    def _advanced(self, image: StoredImage, offset: int, piece: bytes) -> int:
        """The offset to go on from. Raises CloudUnreachable when the cloud does not move."""
        if not piece:
            raise JournalRefused(f"image {image.sha256} is shorter than {image.size_bytes} bytes")
        new_offset = self._cloud.image_send(image.sha256, offset, piece, image.size_bytes)
        if new_offset == offset:
            raise CloudUnreachable(f"image {image.sha256} does not get beyond byte {offset}")
        return new_offset

    # Being cut off

    def _backoff_s(self, error: CloudError | JournalError, retry_after_s: float | None) -> float:
        """Full jitter: anywhere up to a bound that doubles, so that a fleet does not come back as one wave."""
        if self._down_since_s is None:
            self._down_since_s = self._clock.monotonic_s()
            logger.warning("sync_stopped kind=%s error=%s", type(error).__name__, error)
        bound_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(self._failure_count, 10))
        self._failure_count += 1
        return (retry_after_s or 0.0) + bound_s * random.random()  # noqa: S311

    def _note_back(self) -> None:
        if self._down_since_s is not None:
            logger.info("sync_back after_s=%.0f", self._clock.monotonic_s() - self._down_since_s)
        self._down_since_s = None
        self._failure_count = 0
