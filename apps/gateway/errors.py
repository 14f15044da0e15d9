"""What the gateway refuses by itself; the apps' own refusals pass through as they are."""

from apps.core.errors import Unavailable, Wrong


class Refused(Wrong):
    """A refusal with its HTTP status and, where it helps the client, headers."""

    def __init__(self, status: int, code: str, text: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(text, code=code)
        self.status = status
        self.headers = headers or {}


class Busy(Unavailable):
    """More work waits than this process takes. Nothing was stored."""

    code = "busy"


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""
