"""Verdicts to whoever listens, and no listener slows the line."""

import contextlib
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time

import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import ModbusConfig, MqttConfig, WebhookConfig
from edge_agent.line.modbus import ModbusLink
from edge_agent.line.mqtt import MqttSender
from edge_agent.line.outputs import LinesOutput, SeveralOutputs, Told
from edge_agent.line.queued import QueuedOutput, SendFailed, SendRefused
from edge_agent.line.signal_port import LinkLost
from edge_agent.line.webhook import SIGNATURE_HEADER, WebhookSender
from edge_agent.wire.words import Verdict
from tests.kit.agents import wait_until
from tests.kit.broker import Broker
from tests.kit.handclock import HandClock


def told(number=1):
    return Told(
        item=f"item-{number}", verdict=Verdict.OK, label="good", cannot_judge=None, seq=number, total_ms=1.0, line="l"
    )


class FakeSender:
    """Fails or refuses as often as it is told to."""

    def __init__(self):
        self.failures, self.refusals = 0, 0
        self.sent, self.is_closed = [], False
        self.may_go = threading.Event()
        self.may_go.set()

    def send(self, body):
        self.may_go.wait(10)
        if self.failures:
            self.failures -= 1
            raise SendFailed("away")
        if self.refusals:
            self.refusals -= 1
            raise SendRefused("no")
        self.sent.append(json.loads(body)["item"])

    def close(self):
        self.is_closed = True


@contextlib.contextmanager
def running(sender, *, queue_length=100, clock=None):
    reports = []
    output = QueuedOutput("x", sender, queue_length=queue_length, report=reports.append, clock=clock or SystemClock())
    output.reports = reports
    stop = threading.Event()
    thread = threading.Thread(target=output.run, args=(stop,))
    thread.start()
    try:
        yield output
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_verdicts_arrive_in_their_order():
    sender = FakeSender()
    with running(sender) as output:
        for number in range(20):
            output.tell(told(number))
        wait_until(lambda: len(sender.sent) == 20, 10)
    assert sender.sent == [f"item-{number}" for number in range(20)]
    assert sender.is_closed


def test_a_listener_that_hangs_costs_the_line_nothing_and_the_oldest_give_way():
    sender = FakeSender()
    sender.may_go.clear()
    with running(sender, queue_length=3) as output:
        start_s = time.perf_counter()
        for number in range(1000):
            output.tell(told(number))
        assert time.perf_counter() - start_s < 1
        assert output.dropped_count == 997
        sender.may_go.set()
        wait_until(lambda: output.waiting_count == 0, 10)
    assert sender.sent[-3:] == ["item-997", "item-998", "item-999"]


def test_what_failed_is_tried_again_and_nothing_is_lost():
    sender = FakeSender()
    sender.failures = 3
    with running(sender) as output:
        output.tell(told(1))
        output.tell(told(2))
        wait_until(lambda: len(sender.sent) == 2, 20)
    assert sender.sent == ["item-1", "item-2"]
    assert (output.dropped_count, output.reports) == (0, [])


def test_dropped_messages_are_reported_once_per_trouble():
    sender = FakeSender()
    sender.refusals = 2
    with running(sender) as output:
        for number in range(4):
            output.tell(told(number))
        wait_until(lambda: len(sender.sent) == 2, 10)
        assert len(output.reports) == 1
        sender.refusals = 1
        output.tell(told(4))
        output.tell(told(5))
        wait_until(lambda: len(sender.sent) == 3, 10)
    assert output.dropped_count == 3
    assert len(output.reports) == 2


def test_it_does_not_hammer_a_server_that_is_away():
    sender, clock = FakeSender(), HandClock()
    sender.failures = 6
    with running(sender, clock=clock) as output:
        output.tell(told(1))
        wait_until(lambda: sender.sent == ["item-1"], 10)
    pauses_s = [waited_s for waited_s in clock.waited_s if waited_s > 1]
    assert max(pauses_s) >= 8


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.seen = 200, []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/verdicts?line=1"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_posts_signed_json(server, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    sender = WebhookSender(WebhookConfig(url=server.url, secret_file=tmp_path / "secret"))
    sender.send(b'{"item": "a"}')
    sender.close()
    path, headers, body = server.seen[0]
    assert (path, body) == ("/verdicts?line=1", b'{"item": "a"}')
    assert headers[SIGNATURE_HEADER] == hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "error"), [(500, SendFailed), (429, SendFailed), (404, SendRefused), (302, SendRefused)]
)
def test_a_webhook_is_told_apart_by_what_the_server_answers(server, status, error):
    server.status = status
    sender = WebhookSender(WebhookConfig(url=server.url))
    with pytest.raises(error, match=str(status)):
        sender.send(b"{}")
    sender.close()
    assert len(server.seen) == 1


def test_a_webhook_without_a_server_is_tried_again_later():
    sender = WebhookSender(WebhookConfig(url="http://127.0.0.1:9/", timeout_s=1))
    with pytest.raises(SendFailed):
        sender.send(b"{}")


@pytest.fixture
def broker():
    broker = Broker()
    yield broker
    broker.close()


def test_mqtt_publishes_and_waits_for_the_broker(broker, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    config = MqttConfig(
        host="127.0.0.1", port=broker.port, topic="plant/l1", username="line", password_file=tmp_path / "password"
    )
    sender = MqttSender(config)
    sender.send(b'{"item": "a"}')
    sender.send(b'{"item": "b"}')
    sender.close()
    assert broker.published == [("plant/l1", b'{"item": "a"}'), ("plant/l1", b'{"item": "b"}')]
    assert broker.users == [("line", "s3cret")]


def test_mqtt_without_an_acknowledgement_is_tried_again(broker):
    broker.may_acknowledge.clear()
    sender = MqttSender(MqttConfig(host="127.0.0.1", port=broker.port, timeout_s=0.2))
    with pytest.raises(SendFailed, match="did not acknowledge"):
        sender.send(b"1")
    broker.may_acknowledge.set()
    sender.send(b"1")
    sender.close()
    assert broker.published == [("inspection/verdicts", b"1")]


def test_mqtt_without_a_broker_is_tried_again_later():
    sender = MqttSender(MqttConfig(host="127.0.0.1", port=9, timeout_s=1))
    with pytest.raises(SendFailed):
        sender.send(b"1")


@pytest.mark.parametrize("missing", ["paho.mqtt.client", "pymodbus.exceptions"])
def test_a_missing_extra_is_a_sentence_that_says_how_to_install_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises((SendFailed, LinkLost), match=r"pip install 'hybridai-edge-agent\[(mqtt|modbus)\]'"):
        if missing.startswith("paho"):
            MqttSender(MqttConfig(host="127.0.0.1")).send(b"1")
        else:
            ModbusLink(ModbusConfig(host="127.0.0.1")).heard()


class BrokenOutput:
    def tell(self, told):
        raise OSError("no space left")


def test_one_output_that_fails_leaves_the_others_alone(tmp_path):
    lines = LinesOutput(tmp_path / "told.jsonl")
    SeveralOutputs([BrokenOutput(), lines]).tell(told())
    assert json.loads((tmp_path / "told.jsonl").read_text())["item"] == "item-1"
