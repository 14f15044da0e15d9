"""Which images look the same. Pure: numpy arrays in, groups out."""

from collections.abc import Sequence

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edge_agent.contract.arrays import Pixels

HASH_SIDE = 16
"""256 bits: at the usual 64, unrelated solar cells fall within any distance that finds the real pairs."""
CLOSE_BITS = 20
"""Up to 8 % of the bits differ. On the ELPV cells this joins 348 of 2,624 images, at most 14 in one group; from 28 bits
on, groups begin to chain through images that merely share their grid lines."""
BLOCK_ROWS = 512
"""Rows compared at once: bounds the memory at 512 x count x 32 bytes, 330 MB for the largest data set."""


def perceptual_hash(pixels: Pixels) -> str:
    """The pHash of the picture as 64 hex digits. pixels: (H, W, 3) uint8, BGR. Costs about 3 ms."""
    grey = PilImage.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    bits = imagehash.phash(grey, hash_size=HASH_SIDE).hash
    return np.packbits(bits).tobytes().hex()


def close_groups(hashes: Sequence[str], *, close_bits: int = CLOSE_BITS) -> list[int]:
    """The group number of each hash: hashes within `close_bits` of each other, also through others, share one."""
    if not hashes:
        return []
    words = _words(hashes)
    pairs = [_close_pairs(words, start, close_bits) for start in range(0, len(words), BLOCK_ROWS)]
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(words), len(words)))
    _, groups = connected_components(graph, directed=False)
    return [int(group) for group in groups]


def _words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """(count, 4) uint64."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(len(hashes), -1)


def _close_pairs(words: NDArray[np.uint64], start: int, close_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column numbers of close pairs whose row is in the block that begins at `start`."""
    block = words[start : start + BLOCK_ROWS]
    distances = np.bitwise_count(block[:, np.newaxis, :] ^ words[np.newaxis, start:, :]).sum(axis=2, dtype=np.uint16)
    rows, columns = np.nonzero(distances <= close_bits)
    return rows + start, columns + start
