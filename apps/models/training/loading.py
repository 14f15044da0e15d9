"""Files to tensors, by the device's own code."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from apps.models.training.errors import DataUnfit
from apps.models.training.order import LabelledFile
from edge_agent.contract.arrays import Pixels, Tensor
from edge_agent.contract.preprocessing import NotAnImage, decode, to_tensor
from edge_agent.wire.manifest import PreprocessingSpec

READER_COUNT = 2


def pixels_of(labelled: LabelledFile) -> Pixels:
    """The decoded picture. Raises DataUnfit: the import accepted it, so its file was lost or damaged since."""
    try:
        return decode(labelled.file.read_bytes())
    except (OSError, NotAnImage) as exc:
        raise DataUnfit(f"The image {labelled.file.name[:12]} cannot be read any more: {exc}") from exc


def tensor_of(labelled: LabelledFile, spec: PreprocessingSpec) -> Tensor:
    return to_tensor(pixels_of(labelled), spec)


def batches(
    files: Sequence[LabelledFile], spec: PreprocessingSpec, *, batch_count: int
) -> Iterator[NDArray[np.float32]]:
    """The files' tensors in order, `batch_count` at a time, (N, C, H, W); one batch is read ahead."""
    starts = range(0, len(files), batch_count)
    with ThreadPoolExecutor(READER_COUNT, thread_name_prefix="images") as pool:
        waiting = [_submit(pool, files[start : start + batch_count], spec) for start in starts[:2]]
        for start in starts[2:]:
            yield _collect(waiting.pop(0))
            waiting.append(_submit(pool, files[start : start + batch_count], spec))
        for one in waiting:
            yield _collect(one)


def targets_of(files: Sequence[LabelledFile]) -> NDArray[np.float32]:
    """(N,) with 1 for a defect. Raises DataUnfit unless both kinds are there."""
    targets = np.asarray([one.is_defect for one in files], np.float32)
    if not 0 < targets.sum() < len(targets):
        raise DataUnfit("Training needs good images and defects; this split has only one kind.")
    return targets


def _submit(pool: ThreadPoolExecutor, files: Sequence[LabelledFile], spec: PreprocessingSpec) -> list[Future[Tensor]]:
    return [pool.submit(tensor_of, one, spec) for one in files]


def _collect(tensors: Sequence[Future[Tensor]]) -> NDArray[np.float32]:
    return np.concatenate([one.result() for one in tensors])
