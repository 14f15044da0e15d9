"""The camera that shows a folder."""

import cv2
import numpy as np
import pytest

from edge_agent.config import ReplayConfig
from edge_agent.line.camera import BadFrame, CameraFault
from edge_agent.line.cameras.replay import ReplayCamera
from tests.kit.handclock import HandClock


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    return tmp_path


def camera(folder, clock=None, **options):
    return ReplayCamera(ReplayConfig(folder=folder, product="cell", lot="7", **options), clock or HandClock())


def sources(one, count):
    return [one.capture().source for _ in range(count)]


def test_each_pass_shows_every_image_once_and_no_item_repeats(folder):
    one = camera(folder)
    frames = [one.capture() for _ in range(12)]
    for start in (0, 4, 8):
        assert len({frame.source for frame in frames[start : start + 4]}) == 4
    assert len({frame.item for frame in frames}) == 12


def test_items_of_two_runs_never_share_a_name(folder):
    assert camera(folder).capture().item != camera(folder).capture().item


def test_the_same_seed_shows_the_same_order(folder):
    assert sources(camera(folder, seed=5), 12) == sources(camera(folder, seed=5), 12)
    assert sources(camera(folder, seed=5), 12) != sources(camera(folder, seed=6), 12)


def test_a_removed_file_leaves_at_once_and_a_new_one_comes_with_the_next_scan(folder):
    clock = HandClock()
    one = camera(folder, clock)
    one.capture()
    (folder / "2.png").unlink()
    removed = camera(folder).capture  # a fresh camera sees three
    assert len(set(sources(one, 9))) == 3
    assert removed().item
    (folder / "new.png").write_bytes(picture(99))
    clock.turn(31)
    assert len(set(sources(one, 8))) == 4


def test_the_sidecar_names_product_and_lot(folder):
    (folder / "parts.toml").write_text('[files."1.png"]\nproduct = "wafer"\nlot = "L9"\n')
    one = camera(folder)
    seen = {(frame.product, frame.lot) for frame in (one.capture() for _ in range(4))}
    assert seen == {("wafer", "L9"), ("cell", "7")}


def test_a_broken_sidecar_costs_labels_only(folder):
    (folder / "parts.toml").write_text("what is this")
    assert camera(folder).capture().product == "cell"


def test_a_broken_image_is_a_part_without_a_picture(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(BadFrame) as caught:
        camera(tmp_path).capture()
    assert caught.value.part.item
    assert caught.value.part.product == "cell"


def test_a_missing_folder_is_a_fault_not_a_crash(tmp_path):
    with pytest.raises(CameraFault):
        camera(tmp_path / "none").capture()
