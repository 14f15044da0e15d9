"""The cloud's error family. Entrances turn it into one reply shape."""

from collections.abc import Mapping


class ProductError(Exception):
    """Something was asked that did not happen. `code` is stable and for programs, the text is for people."""

    code = "error"
    status = 500

    def __init__(self, text: str, *, code: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.code
        self.fields = dict(fields or {})


class Wrong(ProductError):
    """Never: the request itself is wrong, and sending it again will not help."""

    code = "wrong"
    status = 400


class NotFound(Wrong):
    code = "not_found"
    status = 404


class Forbidden(Wrong):
    code = "forbidden"
    status = 403


class Conflict(Wrong):
    """The row is no longer what the request assumed."""

    code = "conflict"
    status = 409


class Unavailable(ProductError):
    """Not now: nothing was changed, try later."""

    code = "unavailable"
    status = 503

    def __init__(self, text: str, *, code: str | None = None, retry_after_s: float = 5.0) -> None:
        super().__init__(text, code=code)
        self.retry_after_s = retry_after_s
