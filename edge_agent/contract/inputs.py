"""What is shown to a model, a picture or a recording, as the input that its package says."""

from typing import Any

from numpy.typing import NDArray

from edge_agent.contract.preprocessing import to_tensor
from edge_agent.contract.signals import to_signal_tensor
from edge_agent.values import Tensor
from edge_agent.wire.manifest import Manifest


def model_input(shown: NDArray[Any], manifest: Manifest) -> Tensor:
    """shown: (H, W, 3) uint8, BGR; or (channels, sample_count) where the package has a `signal`.

    Raises ValueError for what this model does not take.
    """
    if manifest.signal is not None:
        return to_signal_tensor(shown, manifest.signal)
    return to_tensor(shown, manifest.preprocessing)
