"""What a run is asked for, and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apps.models.training.evaluation import GateReport
from edge_agent.wire.manifest import Lineage


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """An image file and the class that people gave it: anything but the first label is a defect."""

    file: Path
    is_defect: bool


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """Disjoint sets of images and how to learn from them.

    train: learned from. calibration: gives the golden frames. search: chooses the threshold. gate: sealed; scored once,
    at the end.
    """

    recipe: str
    seed: int
    train: Sequence[LabelledFile]
    calibration: Sequence[LabelledFile]
    search: Sequence[LabelledFile]
    gate: Sequence[LabelledFile]
    good_label: str = "good"
    defect_label: str = "defect"
    lineage: Lineage = field(default_factory=Lineage)
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trained:
    """All that a package needs, but for its name and number."""

    order: TrainingOrder
    onnx: bytes
    golden: bytes
    golden_count: int
    report: GateReport
