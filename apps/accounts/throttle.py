"""Slows guessing: failed sign-ins are counted per account and per address, in fixed windows, in the shared cache."""

import hashlib
import logging
import time

import redis
from django.core.cache import cache

logger = logging.getLogger(__name__)

WINDOW_S = 900
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 50
"""Several people may share one address, so it is allowed more."""


def wait_s(username: str, address: str) -> float:
    """How long this account or address has to wait; 0 when it may try now."""
    try:
        counts = cache.get_many(_keys(username, address))
    except redis.RedisError as exc:
        # Without the cache people can still sign in: a plant must not be locked out by a broken part.
        logger.warning("sign_in_throttle_off error=%s", exc)
        return 0.0
    limits = dict(zip(_keys(username, address), (FAILURES_PER_ACCOUNT, FAILURES_PER_ADDRESS), strict=True))
    is_over = any(counts.get(key, 0) >= limit for key, limit in limits.items())
    return WINDOW_S - time.time() % WINDOW_S if is_over else 0.0


def failure_count(username: str, address: str) -> None:
    try:
        for key in _keys(username, address):
            cache.add(key, 0, timeout=WINDOW_S)
            cache.incr(key)
    except (redis.RedisError, ValueError) as exc:
        # ValueError: the window ended between the two calls; the next failure counts again.
        logger.warning("sign_in_failure_not_counted error=%s", exc)


def _keys(username: str, address: str) -> list[str]:
    window = int(time.time() // WINDOW_S)
    account = hashlib.sha256(username.strip().lower().encode()).hexdigest()[:32]
    return [f"sign_in:account:{account}:{window}", f"sign_in:address:{address}:{window}"]
