"""Live push: tells open pages that a topic changed. Carries ids only; the page fetches the fragment again."""

import json
import logging

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

CHANNEL = "hybridai:live"

_pool: redis.ConnectionPool | None = None


def _client() -> redis.Redis:
    global _pool
    if _pool is None:
        _pool = redis.ConnectionPool.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, max_connections=4
        )
    return redis.Redis(connection_pool=_pool)


def push(topic: str, *, site_id: int | None = None) -> None:
    """Say that `topic` (e.g. `overview`, `device:<id>`) changed. Lost when nobody can hear it: pages also poll.

    `site_id` limits who is told; None tells everybody who watches the topic.
    """
    try:
        _client().publish(CHANNEL, json.dumps({"topic": topic, "site": site_id}))
    except redis.RedisError as exc:
        logger.debug("live_push_lost topic=%s error=%s", topic, exc)
