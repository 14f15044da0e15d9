"""Can this frame be judged at all? What no model should be asked about, and what it would be asked about in vain."""

from edge_agent.contract.quality.baseline import FRAMES_MIN, FRAMES_WANTED, Calibrator
from edge_agent.contract.quality.frames import BadImage, require_judgeable
from edge_agent.contract.quality.ranges import Fault, QualityVerdict
from edge_agent.contract.quality.watch import QualityWatch

__all__ = [
    "FRAMES_MIN",
    "FRAMES_WANTED",
    "BadImage",
    "Calibrator",
    "Fault",
    "QualityVerdict",
    "QualityWatch",
    "require_judgeable",
]
