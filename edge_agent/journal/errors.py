"""What the journal answers when it cannot keep its promise."""


class JournalError(Exception):
    """The journal did not take it."""


class JournalRefused(JournalError):
    """Never: what was asked does not fit this journal, or another process holds it."""


class JournalUnavailable(JournalError):
    """Not now: the disk failed or is too slow. Nothing was promised; the record may or may not be there."""


class JournalFull(JournalUnavailable):
    """The disk budget is spent and no image is left to make room. Nothing was written."""
