import cv2
import numpy as np
import pytest

from apps.datasets.perceptual import close_groups, perceptual_hash
from edge_agent.contract.preprocessing import decode
from tests.factories.datasets import png


def bits(*flipped: int) -> str:
    value = 0
    for bit in flipped:
        value |= 1 << bit
    return f"{value:064x}"


def test_a_recompressed_picture_is_found_again():
    pixels = decode(png(1, side_px=300))
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    first, second = close_groups([perceptual_hash(pixels), perceptual_hash(decode(jpeg))])
    assert first == second


def test_pictures_that_share_nothing_stay_apart():
    hashes = [perceptual_hash(decode(png(seed, side_px=300))) for seed in range(5)]
    assert len(set(close_groups(hashes))) == 5


def test_closeness_reaches_through_others():
    near, nearer, far = bits(), bits(*range(15)), bits(*range(30))
    assert len(set(close_groups([near, far]))) == 2
    assert len(set(close_groups([near, far, nearer]))) == 1


@pytest.mark.parametrize("count", [0, 1, 513, 1100])
def test_any_number_of_images_is_grouped(count):
    rng = np.random.default_rng(0)
    hashes = [rng.bytes(32).hex() for _ in range(count)]
    assert len(set(close_groups(hashes))) == count
