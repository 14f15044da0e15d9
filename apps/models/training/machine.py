"""How training shares a machine with the site and the agents."""

import ctypes
import os

THREAD_COUNT = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 1 << 30


def settle(*, thread_count: int = THREAD_COUNT) -> None:
    """Use few threads that sleep while they wait, and keep freed memory for the next batch.

    The allocator's defaults return each activation to the kernel and fault it in again: half of all the time was
    spent there (20 ms per image instead of 12).
    """
    # Read when the runtime starts, so it helps only before the first import of torch in this process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(thread_count)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc; elsewhere the defaults stay
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
