"""A repository's files through a proxy that spoils them: the seam of the agent's own connection, without a socket."""

import itertools
import random
from pathlib import Path

from edge_agent.cloud import CloudRefused

PIECE_BYTES = 4096


def flipped(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def truncated(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def appended(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.randrange(1, 5000))


def swapped(content: bytes, rng: random.Random) -> bytes:
    first, second = sorted(rng.sample(range(len(content) // 64), 2))
    blocks = [content[at : at + 64] for at in range(0, len(content), 64)]
    blocks[first], blocks[second] = blocks[second], blocks[first]
    return b"".join(blocks)


def replaced(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(len(content))


class SpoiltCloud:
    """Serves `folder`. What `spoil` makes of a file whose path has `only` in it is what arrives."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder = folder
        self._rng = rng
        self.spoil = lambda content, rng: content
        self.only = ".zip"
        self.is_endless = False
        self.sent_bytes = 0

    def fetch(self, path: str, first_byte: int = 0):
        file = self._folder / path.lstrip("/")
        if not file.is_file():
            raise CloudRefused("not_found", path)
        content = file.read_bytes()
        if self.only not in path:
            yield content[first_byte:]
            return
        content = self.spoil(content, self._rng)[first_byte:]
        for begin in range(0, len(content), PIECE_BYTES):
            yield self._counted(content[begin : begin + PIECE_BYTES])
        for _ in itertools.count() if self.is_endless else ():
            yield self._counted(self._rng.randbytes(PIECE_BYTES))

    def _counted(self, piece: bytes) -> bytes:
        self.sent_bytes += len(piece)
        return piece
