"""A snapshot gives one picture, and no more of it than the privacy setting allows."""

import base64
import hashlib

import cv2
import msgspec
import numpy as np
import pytest

from edge_agent.line.outputs import Told
from edge_agent.pipeline.onlookers import Seen
from edge_agent.snapshot import JPEG_BYTES_MAX, LastSeen, NoSnapshot
from edge_agent.values import Frame, Judgement
from edge_agent.wire.configuration import Privacy
from edge_agent.wire.words import Verdict
from tests.kit.handclock import HandClock

NOISE = np.random.default_rng(3).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def seen(line="line-1", item="a-1", pixels=NOISE):
    judgement = Judgement(verdict=Verdict.OK, label="good", score_ratio=0.1, threshold_ratio=0.5, cannot_judge=None)
    told = Told(item=item, verdict=Verdict.OK, label="good", cannot_judge=None, seq=1, total_ms=5.0)
    frame = Frame(pixels=pixels, encoded=b"", item=item, product="", lot="", source="", captured_ms=0, capture_ms=0.0)
    return Seen(line=line, frame=frame, judgement=judgement, told=told, digest=None, at_ms=0)


def snapshot(privacy, **arguments):
    last = LastSeen(HandClock(), lambda: privacy)
    last.saw(seen())
    answer = msgspec.json.decode(last.snapshot(arguments))
    content = base64.b64decode(answer["jpeg_base64"])
    assert hashlib.sha256(content).hexdigest() == answer["sha256"]
    return answer, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("privacy", [Privacy.FULL, Privacy.BLURRED, Privacy.THUMBNAILS])
def test_a_picture_fits_into_an_answer_and_says_how_it_was_treated(privacy):
    answer, picture = snapshot(privacy)
    assert (answer["privacy"], answer["item"], answer["verdict"]) == (privacy, "a-1", "ok")
    assert picture.shape[:2] == (answer["height_px"], answer["width_px"])
    assert len(base64.b64decode(answer["jpeg_base64"])) <= JPEG_BYTES_MAX
    assert len(msgspec.json.encode(answer)) < 20_000


def test_a_blurred_picture_shows_no_detail():
    _, sharp = snapshot(Privacy.FULL)
    _, soft = snapshot(Privacy.BLURRED)
    detail = [float(cv2.Laplacian(picture, cv2.CV_64F).var()) for picture in (sharp, soft)]
    assert detail[1] < detail[0] / 10


def test_where_no_picture_may_leave_none_does():
    with pytest.raises(NoSnapshot, match="privacy"):
        snapshot(Privacy.NEVER)


def test_the_asked_line_is_shown_or_the_one_seen_last():
    clock = HandClock()
    last = LastSeen(clock, lambda: Privacy.FULL)
    last.saw(seen("line-1", "a-1"))
    clock.turn(1)
    last.saw(seen("line-2", "b-1"))
    items = [msgspec.json.decode(last.snapshot({"line": line}))["item"] for line in ("", "line-1", "line-2")]
    assert items == ["b-1", "a-1", "b-1"]
    with pytest.raises(NoSnapshot, match="line-9"):
        last.snapshot({"line": "line-9"})
