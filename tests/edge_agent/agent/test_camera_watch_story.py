"""A real device process learns its camera, keeps that over a restart, and holds what becomes blurred."""

import cv2
import numpy as np
import pytest

from edge_agent.wire.codec import decode_record
from edge_agent.wire.records import Alarm
from edge_agent.wire.words import AlarmCode, CannotJudge, StreamKind
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.camera_faults import FAULTS, station_pictures
from tests.kit.cloud import FakeCloud

CONFIG = """
cloud_url = "{cloud_url}"
data_folder = "data"
[camera]
kind = "video"
name = "top"
file = "line.avi"
product = "cell"
[camera.quality]
frames_wanted = 40
[line]
takt_ms = 50
[output]
kind = "lines"
file = "told.jsonl"
[sync]
interval_s = 0.05
"""


def write_pictures(path, pictures):
    height_px, width_px = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (width_px, height_px))
    for one in pictures:
        writer.write(one)
    writer.release()


@pytest.fixture
def cloud():
    one = FakeCloud()
    yield one
    one.stop()


def alarms(cloud):
    with cloud.ledger.lock:
        bodies = [body for stream in cloud.ledger.of_kind(StreamKind.CONTROL) for body in stream.bodies]
    return [one.code for one in map(decode_record, bodies) if isinstance(one, Alarm)]


def test_a_camera_that_goes_out_of_focus_is_held_and_told_to_the_cloud_once(tmp_path, cloud):
    agent = AgentProcess(tmp_path, cloud.url)
    (tmp_path / "agent.toml").write_text(CONFIG.format(cloud_url=cloud.url))
    good = station_pictures(50, seed=1)
    write_pictures(tmp_path / "line.avi", good)
    try:
        agent.start()
        wait_until(lambda: list((tmp_path / "data" / "quality").glob("*.msgpack")), 60)
        learned_count = len(agent.told())
        wait_until(lambda: len(agent.told()) > learned_count + 20, 30)
        assert agent.stop() == 0
        assert {told.cannot_judge for told in agent.told()} == {CannotJudge.NO_MODEL}
        assert AlarmCode.CAMERA_MAINTENANCE not in alarms(cloud)

        write_pictures(tmp_path / "line.avi", list(FAULTS["blur"][1](good, np.random.default_rng(3))))
        agent.start()
        wait_until(lambda: AlarmCode.CAMERA_MAINTENANCE in alarms(cloud), 60)
        heard_count = len(agent.told())
        wait_until(lambda: len(agent.told()) > heard_count + 20, 30)
        assert agent.stop() == 0
        assert {told.cannot_judge for told in agent.told()[heard_count:]} == {CannotJudge.BLURRED}
        assert alarms(cloud).count(AlarmCode.CAMERA_MAINTENANCE) == 1
    finally:
        agent.close()
