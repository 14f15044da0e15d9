"""Each kind of camera against the real thing, as far as a test machine has one."""

import contextlib
import http.server
import threading

import cv2
import numpy as np
import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import GenicamConfig, ReplayConfig, SnapshotConfig, StreamConfig, VideoConfig
from edge_agent.line.camera import BadPicture, SourceLost
from edge_agent.line.cameras.choice import camera_of
from edge_agent.line.cameras.genicam import GenicamSource, to_bgr
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.line.cameras.snapshot import SnapshotSource
from edge_agent.line.cameras.stream import StreamSource
from edge_agent.line.cameras.supervised import SupervisedCamera
from edge_agent.line.cameras.video import VideoSource

LEVELS = (40, 120, 200)


def write_video(path, levels=LEVELS):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in levels:
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


@contextlib.contextmanager
def opened(source):
    source.open()
    try:
        yield source
    finally:
        source.close()


def levels_of(source, count):
    return [round(float(source.read().pixels.mean()) / 40) * 40 for _ in range(count)]


def test_a_video_file_is_shown_again_and_again(tmp_path):
    file = write_video(tmp_path / "line.avi")
    with opened(VideoSource(VideoConfig(file=file))) as source:
        assert levels_of(source, 7) == [40, 120, 200, 40, 120, 200, 40]


@pytest.mark.parametrize("content", [None, b"", b"no video at all" * 100])
def test_what_is_no_video_is_lost_and_not_a_crash(tmp_path, content):
    file = tmp_path / "line.avi"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceLost):
        VideoSource(VideoConfig(file=file)).open()


def test_a_cut_video_gives_what_it_has_and_begins_anew(tmp_path):
    file = write_video(tmp_path / "line.avi", levels=LEVELS * 10)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with opened(VideoSource(VideoConfig(file=file))) as source:
        assert len(levels_of(source, 60)) == 60


def test_a_stream_ends_with_a_sentence(tmp_path):
    file = write_video(tmp_path / "line.avi")
    with opened(StreamSource(StreamConfig(address=str(file)))) as source:
        assert levels_of(source, 3) == list(LEVELS)
        with pytest.raises(SourceLost, match="ended"):
            for _ in range(5):
                with contextlib.suppress(BadPicture):
                    source.read()


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:9/none", "/dev/video-that-is-not-there"])
def test_a_stream_that_is_not_there_is_lost(address):
    with pytest.raises(SourceLost):
        StreamSource(StreamConfig(address=address, open_timeout_s=1.0)).open()


class SnapshotServer(http.server.ThreadingHTTPServer):
    """A camera with a web address. `answer` is what the next request gets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _SnapshotHandler)
        self.status, self.body, self.headers_seen = 200, b"", []
        self.hang = threading.Event()
        self.hang.set()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/snap?channel=1"


class _SnapshotHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.headers_seen.append(dict(self.headers, path=self.path))
        self.server.hang.wait(10)
        body = self.server.body  # taken once: the test sets the next one while the last one is being sent
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = SnapshotServer()
    pixels = np.random.default_rng(1).integers(0, 255, (32, 40, 3), dtype=np.uint8)
    server.body = cv2.imencode(".png", pixels)[1].tobytes()
    yield server
    server.hang.set()
    server.shutdown()
    server.server_close()


def test_a_snapshot_keeps_the_cameras_own_bytes(server):
    with opened(SnapshotSource(SnapshotConfig(url=server.url))) as source:
        shot = source.read()
    assert shot.encoded == server.body
    assert shot.pixels.shape == (32, 40, 3)
    assert server.headers_seen[0]["path"] == "/snap?channel=1"


def test_a_snapshot_signs_in_with_a_password_from_a_file(server, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    config = SnapshotConfig(url=server.url, username="line", password_file=tmp_path / "password")
    with opened(SnapshotSource(config)) as source:
        source.read()
    assert server.headers_seen[0]["Authorization"] == "Basic bGluZTpzM2NyZXQ="


@pytest.mark.parametrize("cut", [0.5, 0.0])
def test_a_snapshot_that_is_cut_off_is_garbage_and_the_next_is_good(server, cut):
    whole = server.body
    with opened(SnapshotSource(SnapshotConfig(url=server.url))) as source:
        server.body = whole[: int(len(whole) * cut)]
        with pytest.raises(BadPicture):
            source.read()
        server.body = whole
        assert source.read().encoded == whole


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_camera_that_refuses_is_lost_and_not_followed_elsewhere(server, status):
    server.status = status
    with opened(SnapshotSource(SnapshotConfig(url=server.url))) as source, pytest.raises(SourceLost, match=str(status)):
        source.read()


def test_a_camera_that_does_not_answer_is_lost_within_its_limit(server):
    server.hang.clear()
    config = SnapshotConfig(url=server.url, timeout_s=0.2)
    with opened(SnapshotSource(config)) as source, pytest.raises(SourceLost, match="timed out"):
        source.read()


@pytest.mark.parametrize("url", ["ftp://camera/x", "http://", "not an address"])
def test_an_address_that_is_none_is_a_sentence(url):
    with pytest.raises(SourceLost, match="no http address"):
        SnapshotSource(SnapshotConfig(url=url)).open()


def test_genicam_without_its_extra_says_how_to_install_it(tmp_path):
    source = GenicamSource(GenicamConfig(producer_file=tmp_path / "producer.cti"))
    with pytest.raises(SourceLost, match=r"hybridai-edge-agent\[genicam\]|no GenTL producer"):
        source.open()
    source.close()


def test_genicam_buffers_become_bgr():
    rgb = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)
    assert to_bgr(rgb.ravel(), (1, 2), "RGB8")[0, 0].tolist() == [0, 0, 255]
    assert to_bgr(np.array([7, 9], np.uint8), (1, 2), "Mono8")[0].tolist() == [[7] * 3, [9] * 3]
    red = np.zeros((4, 4), np.uint8)
    red[::2, ::2] = 200
    assert to_bgr(red.ravel(), (4, 4), "BayerRG8").mean(axis=(0, 1)).argmax() == 2


@pytest.mark.parametrize(("size_px", "data_format"), [((1, 3), "Mono8"), ((1, 2), "YUV422_8")])
def test_a_genicam_buffer_of_another_shape_is_garbage(size_px, data_format):
    with pytest.raises(BadPicture):
        to_bgr(np.array([7, 9], np.uint8), size_px, data_format)


def test_the_configuration_chooses_the_camera(tmp_path):
    clock = SystemClock()
    assert isinstance(camera_of(ReplayConfig(folder=tmp_path), "a", clock), ReplayCamera)
    for config in (VideoConfig(file=tmp_path), StreamConfig(address="x"), SnapshotConfig(url="http://x")):
        assert isinstance(camera_of(config, "a", clock), SupervisedCamera)
