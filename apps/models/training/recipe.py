"""What every recipe is."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import nn

from apps.models.training.order import LabelledFile
from apps.models.training.pace import Pace
from edge_agent.wire.manifest import PreprocessingSpec


class Recipe(Protocol):
    preprocessing: PreprocessingSpec
    """What the device does to a picture before the model sees it."""
    stage_costs: Mapping[str, float]
    """The stages that `fit` goes through, with seconds that they take for the ELPV cells on two cores."""

    def fit(
        self, files: Sequence[LabelledFile], *, seed: int, parameters: Mapping[str, float], pace: Pace
    ) -> nn.Module:
        """Learn. The module returned maps float32 (N, 3, height, width), as `preprocessing` gives it, to (N,)
        probabilities of a defect, and is in evaluation mode. Same files, seed and machine: same weights.

        Raises DataUnfit, and Cancelled through `pace`.
        """
        ...
