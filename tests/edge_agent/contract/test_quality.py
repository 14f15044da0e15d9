"""What no model is asked about."""

import numpy as np
import pytest

from edge_agent.contract.quality import BadImage, require_judgeable


def picture(height_px=64, width_px=48):
    return np.random.default_rng(7).integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)


def test_a_real_picture_passes():
    require_judgeable(picture())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64, 3), np.uint8),
        picture().astype(np.float32),
        picture()[:, :, 0],
        picture(height_px=4),
    ],
    ids=["constant", "float", "grey", "tiny"],
)
def test_frames_that_show_nothing_are_refused(pixels):
    with pytest.raises(BadImage):
        require_judgeable(pixels)
