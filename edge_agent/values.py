"""Frozen facts that the agent's parts hand to each other."""

from dataclasses import dataclass
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.manifest import Manifest
from edge_agent.wire.words import CannotJudge, Verdict

Digest = NewType("Digest", str)
"""SHA-256 of a model package, hex: what 'this version' means everywhere."""

Pixels = NDArray[np.uint8]
"""(H, W, 3), BGR, as OpenCV gives it."""
Tensor = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One item in front of one camera."""

    pixels: Pixels
    encoded: bytes
    """The image as it was read (PNG or JPEG), kept so that an upload costs no second encoding; empty when it came as
    bare pixels."""
    item: str
    product: str
    lot: str
    source: str
    """SHA-256 of a replayed image; empty for a live camera."""
    captured_ms: int
    capture_ms: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one frame."""

    verdict: Verdict
    label: str
    score_ratio: float | None
    threshold_ratio: float | None
    cannot_judge: CannotJudge | None
    preprocess_ms: float = 0.0
    infer_ms: float = 0.0
    decide_ms: float = 0.0
    queue_ms: float = 0.0
    """Spent waiting for another camera's frame to leave the model."""


@dataclass(frozen=True, slots=True)
class ItemObservation:
    """What probation looks at: one item judged by one version."""

    digest: Digest
    verdict: Verdict
    is_error: bool
    total_ms: float


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    digest: Digest
    manifest: Manifest
    folder: str
    """Where the package's files lie, unpacked and checked."""
