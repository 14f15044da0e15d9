"""Which images leave the line, how many, and how much of them."""

import cv2
import numpy as np
import pytest

from edge_agent.contract.preprocessing import decode
from edge_agent.line.camera import Part
from edge_agent.pipeline.privacy import BLUR_SIDE_PX, THUMBNAIL_SIDE_PX, blurred, kept_bytes, shown_bytes
from edge_agent.pipeline.requests import RequestBook
from edge_agent.pipeline.results import Collection, ImageChooser, Inspected, LineFacts
from edge_agent.values import Frame, Judgement
from edge_agent.wire.configuration import CollectionSettings, Configuration, ImageRequest, Privacy
from edge_agent.wire.words import FlagReason, Verdict


def frame_of(item, *, encoded=b"", side_px=200):
    pixels = np.random.default_rng(1).integers(0, 255, (side_px, side_px, 3), dtype=np.uint8)
    return Frame(pixels, encoded, item, "cell", "7", "", 0, 0.0)


def inspected(number, *, score_ratio=0.01, label="good", encoded=b"x" * 1000):
    item = f"item-{number}"
    verdict = Verdict.DEFECT if score_ratio >= 0.5 else Verdict.OK
    judgement = Judgement(verdict, label, score_ratio, 0.5, None)
    return Inspected(Part(item, "cell", "7", ""), frame_of(item, encoded=encoded), 0, None, judgement, 1.0)


class Floor:
    """Cameras of one device; `keep` says why each item's image was kept."""

    def __init__(self, *, file=None, **collection):
        self.settings = Configuration(collection=CollectionSettings(**{"random_sample_ratio": 0.0, **collection}))
        self.collection = Collection(requests=RequestBook(file))

    def camera(self, line="line-1"):
        return ImageChooser(LineFacts(line=line, sampling_seed="d", camera_count=1), self.collection)

    def keep(self, items, *, line="line-1", now_s=1000.0):
        camera = self.camera(line)
        kept = [camera.kept_of(item, self.settings, now_s) for item in items]
        return [one.named.reason if one else None for one in kept]


def test_a_request_is_given_its_count_and_no_more():
    floor = Floor(requests=[ImageRequest(request_id="a", count=3)])
    reasons = floor.keep([inspected(number) for number in range(5)])
    assert reasons == [FlagReason.REQUESTED] * 3 + [None] * 2


def test_a_request_for_line_2_is_given_by_line_2_alone():
    floor = Floor(requests=[ImageRequest(request_id="a", count=2, line="line-2")])
    assert floor.keep([inspected(1)], line="line-1") == [None]
    assert floor.keep([inspected(number) for number in range(3)], line="line-2") == [FlagReason.REQUESTED] * 2 + [None]


def test_a_restart_does_not_give_a_request_again(tmp_path):
    asked = [ImageRequest(request_id="a", count=3)]
    before = Floor(file=tmp_path / "requests.json", requests=asked)
    before.keep([inspected(1), inspected(2)])
    before.collection.requests.save(asked)
    after = Floor(file=tmp_path / "requests.json", requests=asked)
    assert after.keep([inspected(3), inspected(4)]) == [FlagReason.REQUESTED, None]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]"])
def test_a_damaged_book_costs_images_given_twice_only(tmp_path, content):
    (tmp_path / "requests.json").write_bytes(content)
    floor = Floor(file=tmp_path / "requests.json", requests=[ImageRequest(request_id="a", count=1)])
    assert floor.keep([inspected(1)]) == [FlagReason.REQUESTED]


def test_what_is_asked_no_more_is_forgotten(tmp_path):
    book = RequestBook(tmp_path / "requests.json")
    asked = [ImageRequest(request_id="a", count=1)]
    assert book.take(asked, "line-1")
    book.save([])
    assert book.take(asked, "line-1")


def test_each_class_is_kept_up_to_its_quota_each_day():
    floor = Floor(class_quota_per_day={"scratch": 2})
    items = [inspected(number, label="scratch", score_ratio=0.99) for number in range(3)]
    assert floor.keep([*items, inspected(9)]) == [FlagReason.CLASS_QUOTA] * 2 + [None] * 2
    assert floor.keep(items[:1], now_s=1000.0 + 86_400) == [FlagReason.CLASS_QUOTA]


@pytest.mark.parametrize("budget", ["megabytes_per_hour", "megabytes_per_day"])
def test_bytes_are_bounded_whatever_the_count_allows(budget):
    floor = Floor(**{budget: 1})
    items = [inspected(number, score_ratio=0.5, encoded=b"x" * 300_000) for number in range(5)]
    # Three quarters of a megabyte are for the uncertain.
    assert floor.keep(items) == [FlagReason.LOW_CONFIDENCE] * 2 + [None] * 3


def test_the_cameras_of_a_device_share_its_budget():
    floor = Floor(images_per_hour=4)
    first = floor.keep([inspected(number, score_ratio=0.5) for number in range(2)], line="line-1")
    second = floor.keep([inspected(number, score_ratio=0.5) for number in range(2, 4)], line="line-2")
    assert [*first, *second] == [FlagReason.LOW_CONFIDENCE] * 3 + [None]


def test_never_means_never():
    floor = Floor(privacy=Privacy.NEVER, requests=[ImageRequest(request_id="a", count=9)])
    assert floor.keep([inspected(1, score_ratio=0.5)]) == [None]
    assert floor.collection.requests.take(floor.settings.collection.requests, "line-1")
    assert shown_bytes(frame_of("a").pixels, Privacy.NEVER) is None


def test_a_kept_image_is_the_cameras_own_file_or_a_jpeg_of_its_pixels():
    assert kept_bytes(frame_of("a", encoded=b"file"), Privacy.FULL) == b"file"
    assert decode(kept_bytes(frame_of("a"), Privacy.FULL)).shape == (200, 200, 3)


def test_a_thumbnail_is_small_and_keeps_its_shape():
    pixels = np.zeros((100, 800, 3), np.uint8)
    shown = decode(shown_bytes(pixels, Privacy.THUMBNAILS))
    assert shown.shape == (THUMBNAIL_SIDE_PX // 8, THUMBNAIL_SIDE_PX, 3)


def test_blurring_takes_detail_away_for_good():
    stripes = np.zeros((480, 480, 3), np.uint8)
    stripes[:, ::2] = 255
    soft = blurred(stripes)
    assert soft.shape == stripes.shape
    assert soft.std() < 2
    small = cv2.resize(stripes, (BLUR_SIDE_PX, BLUR_SIDE_PX), interpolation=cv2.INTER_AREA)
    assert abs(float(small.mean()) - float(soft.mean())) < 2
