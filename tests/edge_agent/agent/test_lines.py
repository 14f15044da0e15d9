"""Real devices: one with two cameras, a webhook and its own page, one that a controller triggers."""

import http.client
import http.server
import json
import socket
import subprocess
import sys
import threading
from urllib.parse import urlencode

import pytest

from edge_agent.line.handshake import ResultCode
from edge_agent.wire.words import Verdict
from tests.edge_agent.line.test_sources import write_video
from tests.kit.agents import ROOT, AgentProcess, wait_until
from tests.kit.cloud import FakeCloud
from tests.kit.controllers import ModbusController

PASSWORD = "a long enough one"
TWO_CAMERAS = """
cloud_url = "{cloud_url}"
data_folder = "data"
[[cameras]]
folder = "images"
line = "front"
[[cameras]]
kind = "video"
file = "line.avi"
line = "back"
[line]
takt_ms = 50
[output]
kind = "lines"
file = "told.jsonl"
[webhook]
url = "http://127.0.0.1:{hook_port}/"
[operator]
port = {page_port}
"""


TRIGGERED = """
cloud_url = "{cloud_url}"
data_folder = "data"
[camera]
folder = "images"
[camera.signal]
host = "127.0.0.1"
port = {port}
[output]
kind = "lines"
file = "told.jsonl"
"""


class Hook(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _HookHandler)
        self.heard = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _HookHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.shutdown()
    hook.server_close()


@pytest.fixture
def agent(tmp_path, hook):
    cloud = FakeCloud()
    one = AgentProcess(tmp_path, cloud.url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        one.page_port = probe.getsockname()[1]
    write_video(tmp_path / "line.avi")
    config = TWO_CAMERAS.format(cloud_url=cloud.url, hook_port=hook.server_port, page_port=one.page_port)
    (tmp_path / "agent.toml").write_text(config)
    yield one
    one.close()
    cloud.stop()


def lines_of(told):
    return {one["line"] for one in told}


def status(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/sign-in", urlencode({"password": PASSWORD}))
    answer = connection.getresponse()
    answer.read()
    connection.request("GET", "/status.json", headers={"Cookie": answer.getheader("Set-Cookie").partition(";")[0]})
    facts = json.loads(connection.getresponse().read())
    connection.close()
    return facts


def test_two_cameras_are_told_and_shown_and_the_loss_of_one_leaves_the_other_alone(agent, hook):
    command = [sys.executable, "-m", "edge_agent", "operator-password", "--data", str(agent.folder / "data")]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, cwd=ROOT, check=True, capture_output=True)
    agent.start()
    wait_until(lambda: lines_of(hook.heard) == {"front", "back"}, 30)
    facts = status(agent.page_port)
    assert {line["line"] for line in facts["lines"]} == {"front", "back"}
    assert [station["fault"] for station in facts["stations"]] == ["", ""]
    (agent.folder / "line.avi").unlink()
    wait_until(lambda: any(station["fault"] for station in status(agent.page_port)["stations"]), 30)
    heard_before = len(hook.heard)
    wait_until(lambda: len(hook.heard) > heard_before + 10, 20)
    assert lines_of(hook.heard[-5:]) == {"front"}
    assert agent.stop() == 0


def test_a_controller_gets_one_answer_per_trigger_and_nothing_without(tmp_path):
    cloud, plc = FakeCloud(), ModbusController()
    one = AgentProcess(tmp_path, cloud.url)
    (tmp_path / "agent.toml").write_text(TRIGGERED.format(cloud_url=cloud.url, port=plc.port))
    plc.set_inputs(trigger=True, acknowledgement=False)
    try:
        one.start()
        for count in (1, 2, 3):
            wait_until(lambda: plc.device().is_answered, 20)
            assert (plc.device().result, plc.device().count) == (ResultCode.CANNOT_JUDGE, count)
            plc.set_inputs(trigger=False, acknowledgement=True)
            wait_until(lambda: not plc.device().is_answered, 20)
            plc.set_inputs(trigger=False, acknowledgement=False)
            wait_until(lambda: plc.device().is_ready, 20)
            plc.set_inputs(trigger=count < 3, acknowledgement=False)
        assert one.stop() == 0
        assert not plc.device().is_ready
        assert [told.verdict for told in one.told()] == [Verdict.CANNOT_JUDGE] * 3
    finally:
        one.close()
        plc.close()
        cloud.stop()
