"""What a watermark from the cloud means to this journal. Pure."""

from enum import Enum, auto


class Heard(Enum):
    UNCHANGED = auto()
    ADVANCED = auto()
    PERHAPS_LOWER = auto()
    """Lower for the first time: it may be an answer that a newer one has overtaken."""
    LOWERED = auto()
    """The same lower one again: the cloud was restored."""
    IMPOSSIBLE = auto()
    """More than was ever written here: this journal is an old copy."""


def heard(watermark: int, *, acked_seq: int, last_seq: int, lower_before: int | None) -> Heard:
    """lower_before: the lower watermark that was heard of last, when nothing else was heard since."""
    if watermark == acked_seq:
        return Heard.UNCHANGED
    if watermark > last_seq:
        return Heard.IMPOSSIBLE
    if watermark > acked_seq:
        return Heard.ADVANCED
    return Heard.LOWERED if watermark == lower_before else Heard.PERHAPS_LOWER
