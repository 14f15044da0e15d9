"""Golden frames: what this side computed, so that a device can prove that it computes the same."""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from apps.models.training.loading import pixels_of
from apps.models.training.order import LabelledFile
from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.parity import GoldenFrames, golden_bytes
from edge_agent.contract.preprocessing import to_tensor
from edge_agent.wire.manifest import PreprocessingSpec

FRAME_COUNT = 8


def pick_golden(files: Sequence[LabelledFile], *, seed: int) -> list[LabelledFile]:
    """Up to `FRAME_COUNT` files of one picture size, good and defect in turn."""
    shuffled = list(files)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  reproducible on purpose, keeps no secret
    shapes = {one.file: pixels_of(one).shape for one in shuffled[: FRAME_COUNT * 8]}
    common = Counter(shapes.values()).most_common(1)[0][0]
    fitting = [one for one in shuffled if shapes.get(one.file) == common]
    defects = [one for one in fitting if one.is_defect]
    good = [one for one in fitting if not one.is_defect]
    half = max(FRAME_COUNT // 2, FRAME_COUNT - len(good))
    chosen = defects[:half]
    return chosen + good[: FRAME_COUNT - len(chosen)]


def golden_of(files: Sequence[LabelledFile], spec: PreprocessingSpec, engine: OnnxEngine) -> bytes:
    """The golden file of these pictures, which all have one size."""
    frames = [pixels_of(one) for one in files]
    tensors = [to_tensor(frame, spec) for frame in frames]
    scores = np.asarray([engine.run(tensor) for tensor in tensors], np.float32)
    golden = GoldenFrames(
        frames=np.stack(frames),
        tensors=np.concatenate(tensors),
        scores=scores,
        encoded=tuple(one.file.read_bytes() for one in files),
    )
    return golden_bytes(golden)
