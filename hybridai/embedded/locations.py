"""Where one installation keeps its data and where its servers listen."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A unix socket address holds 108 bytes on Linux and 104 on macOS, its closing zero included.
LONGEST_SOCKET_PATH_BYTES = 100
POSTGRES_SOCKET_NAME = ".s.PGSQL.5432"
DATABASE_NAME = "hybridai"


@dataclass(frozen=True)
class Locations:
    data_dir: Path
    postgres_data: Path
    postgres_sockets: Path
    valkey_data: Path
    valkey_socket: Path
    log_dir: Path
    lock_file: Path

    @property
    def database_url(self) -> str:
        return f"postgresql://{DATABASE_NAME}@/{DATABASE_NAME}?host={quote(str(self.postgres_sockets))}"

    @property
    def redis_url(self) -> str:
        return f"unix://{quote(str(self.valkey_socket))}?db=0"


def locations(data_dir: Path) -> Locations:
    """The folders of the installation in `data_dir`. Creates nothing; the same folder gives the same answer."""
    folder = Path(os.path.realpath(data_dir))
    sockets = _socket_folder(folder)
    return Locations(
        data_dir=folder,
        postgres_data=folder / "postgres",
        postgres_sockets=sockets,
        valkey_data=folder / "valkey",
        valkey_socket=sockets / "valkey.sock",
        log_dir=folder / "log",
        lock_file=folder / "in-use.lock",
    )


def _socket_folder(folder: Path) -> Path:
    inside = folder / "run"
    if len(os.fsencode(inside / POSTGRES_SOCKET_NAME)) <= LONGEST_SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    # Not the TMPDIR of the moment: every program of the installation must come to the same folder.
    return Path("/tmp") / f"hybridai-{os.getuid()}-{digest}"  # noqa: S108
