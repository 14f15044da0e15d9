"""The array types that both worlds speak of."""

from edge_agent.values import Pixels, Tensor

__all__ = ["Pixels", "Tensor"]
