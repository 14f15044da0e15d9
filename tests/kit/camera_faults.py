"""What goes wrong with cameras, done to pictures: each fault at one stated strength."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.words import CannotJudge
from tests.kit.pictures import SIZE_PX, cell

Picture = NDArray[np.uint8]
Series = Callable[[Sequence[Picture], np.random.Generator], Iterator[Picture]]
_BORDER_PX = 20


def at_station(part: Picture) -> Picture:
    """The part as a fixed camera sees it: in a dark fixture with two marks."""
    side_px = SIZE_PX + 2 * _BORDER_PX
    picture = np.full((side_px, side_px, 3), 45, np.uint8)
    picture[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = part
    for x, y in ((10, 10), (side_px - 10, side_px - 10)):
        cv2.circle(picture, (x, y), 5, (220, 220, 220), -1)
    return picture


def station_pictures(count: int, *, seed: int, cracked_ratio: float = 0.1) -> list[Picture]:
    rng = np.random.default_rng(seed)
    parts = [cell(rng, is_cracked=bool(rng.random() < cracked_ratio)) for _ in range(count)]
    return [_with_sensor_noise(at_station(part), rng) for part in parts]


def blurred(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Out of focus: Gaussian, sigma 1 % of the side."""
    for picture in pictures:
        yield np.asarray(cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 100), np.uint8)


def underexposed(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """A quarter of the light."""
    for picture in pictures:
        yield _as_picture(picture * 0.25)


def overexposed(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Three times the light."""
    for picture in pictures:
        yield _as_picture(picture * 3.0)


def glaring(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """A hot spot, its saturated core a sixth to a quarter of the side wide, elsewhere on each picture."""
    for picture in pictures:
        side_px = picture.shape[0]
        y, x = np.mgrid[:side_px, : picture.shape[1]]
        centre_y, centre_x = rng.uniform(0.2, 0.8, 2) * side_px
        spot = 500 * np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * (0.1 * side_px) ** 2))
        yield _as_picture(picture + spot[:, :, np.newaxis])


def covered(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Something flat hangs before the lens, 15 % of the picture, in one place."""
    side_px = pictures[0].shape[0]
    height_px, width_px = (int(share * side_px) for share in (0.3, 0.5))
    top, left = int(rng.uniform(0, side_px - height_px)), int(rng.uniform(0, side_px - width_px))
    level = rng.uniform(20, 235)
    mask = np.zeros((side_px, side_px, 1), np.float32)
    mask[top : top + height_px, left : left + width_px] = 1
    mask[:, :, 0] = cv2.GaussianBlur(mask, (0, 0), 2)
    for picture in pictures:
        cover = level + rng.normal(0, 0.5, picture.shape)
        yield _as_picture(picture * (1 - mask) + cover * mask)


def smeared(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Dirt on the lens takes 70 % of the light in a soft spot, 40 % of the side wide, in one place."""
    side_px = pictures[0].shape[0]
    mask = np.zeros((side_px, side_px, 1), np.float32)
    centre = [int(value) for value in rng.uniform(0.25, 0.75, 2) * side_px]
    cv2.circle(mask, (centre[0], centre[1]), side_px // 5, 1.0, -1)
    mask[:, :, 0] = cv2.GaussianBlur(mask, (0, 0), side_px / 40)
    for picture in pictures:
        yield _as_picture(picture * (1 - 0.7 * mask))


def shifted(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """The camera was knocked: everything lies 8 % of the side off, one way or both; a neighbour comes into view."""
    directions = [(1, 0), (0, 1), (1, 1), (-1, 0), (0, -1), (-1, 1)]
    down, right = directions[rng.integers(len(directions))]
    step_px = int(0.08 * pictures[0].shape[0])
    for picture in pictures:
        yield np.roll(picture, (down * step_px, right * step_px), axis=(0, 1))


def frozen(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """The first picture again and again; it is not wrong itself, so it is not counted."""
    for _ in pictures[1:]:
        yield pictures[0]


def noisy(pictures: Sequence[Picture], rng: np.random.Generator) -> Iterator[Picture]:
    """Gaussian, sigma 20 grey levels: a sensor too hot, or gain too high."""
    for picture in pictures:
        yield _as_picture(picture + rng.normal(0, 20, picture.shape))


FAULTS: dict[str, tuple[CannotJudge, Series]] = {
    "blur": (CannotJudge.BLURRED, blurred),
    "underexposure": (CannotJudge.UNDEREXPOSED, underexposed),
    "overexposure": (CannotJudge.OVEREXPOSED, overexposed),
    "glare": (CannotJudge.GLARE, glaring),
    "cover": (CannotJudge.OCCLUDED, covered),
    "dirt": (CannotJudge.OCCLUDED, smeared),
    "shift": (CannotJudge.SHIFTED, shifted),
    "freeze": (CannotJudge.FROZEN, frozen),
    "noise": (CannotJudge.NOISY, noisy),
}


def _with_sensor_noise(picture: Picture, rng: np.random.Generator) -> Picture:
    return _as_picture(picture + rng.normal(0, 1.5, picture.shape))


def _as_picture(values: NDArray[np.floating]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)
