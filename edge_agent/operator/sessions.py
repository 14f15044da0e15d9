"""Who is signed in. In memory: a restart signs everybody out."""

import hashlib
import secrets
import threading
from collections import deque
from collections.abc import Callable

from edge_agent.clock import Clock

LIFETIME_S = 12 * 3600.0
"""A long shift."""
SESSIONS_MAX = 100
FAILURES_MAX = 5
FAILURES_WITHIN_S = 60.0


class TooManyFailures(Exception):
    """Nobody may try for a while; the right password neither."""


class Sessions:
    def __init__(self, is_password: Callable[[str], bool], clock: Clock) -> None:
        self._is_password = is_password
        self._clock = clock
        self._lock = threading.Lock()
        self._ends_s: dict[str, float] = {}
        self._failures_s: deque[float] = deque(maxlen=FAILURES_MAX)

    def sign_in(self, password: str) -> str | None:
        """A token for a cookie; None when the password is wrong. One try at a time. Raises TooManyFailures."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if len(self._failures_s) == FAILURES_MAX and now_s - self._failures_s[0] < FAILURES_WITHIN_S:
                raise TooManyFailures
            if not self._is_password(password):
                self._failures_s.append(now_s)
                return None
            token = secrets.token_urlsafe(32)
            while len(self._ends_s) >= SESSIONS_MAX:
                del self._ends_s[next(iter(self._ends_s))]
            self._ends_s[_key(token)] = now_s + LIFETIME_S
            return token

    def is_signed_in(self, token: str) -> bool:
        return self._clock.monotonic_s() < self._ends_s.get(_key(token), 0.0)

    def sign_out(self, token: str) -> None:
        self._ends_s.pop(_key(token), None)


def _key(token: str) -> str:
    # By its hash: how long a look-up takes tells nothing about the token.
    return hashlib.sha256(token.encode()).hexdigest()
