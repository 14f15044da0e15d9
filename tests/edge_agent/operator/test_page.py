"""The device's own page: only for those who signed in, and never more of a picture than allowed."""

import datetime as dt
import http.client
import json
import socket
import ssl
import threading
from urllib.parse import urlencode

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.clock import SystemClock
from edge_agent.config import OperatorConfig
from edge_agent.contract.preprocessing import decode
from edge_agent.line.outputs import Told
from edge_agent.operator.board import FRAMES_WAITING_MAX, ITEMS_SHOWN, Board
from edge_agent.operator.facts import FactSources, OutputFacts, RunningModel, StationFacts
from edge_agent.operator.page import operator_page
from edge_agent.operator.password import PasswordRefused, is_password, set_password
from edge_agent.operator.sessions import FAILURES_MAX, LIFETIME_S, SESSIONS_MAX, Sessions, TooManyFailures
from edge_agent.pipeline.onlookers import Seen
from edge_agent.values import Frame, Judgement
from edge_agent.wire.configuration import Privacy
from edge_agent.wire.records import Health
from edge_agent.wire.words import CannotJudge, Verdict
from tests.kit.agents import wait_until
from tests.kit.handclock import HandClock

PASSWORD = "correct horse battery"


def seen(number=1, *, line="line-1", verdict=Verdict.OK, has_frame=True):
    cannot_judge = CannotJudge.BAD_FRAME if verdict is Verdict.CANNOT_JUDGE else None
    told = Told(
        item=f"item-{number}",
        verdict=verdict,
        label="good",
        cannot_judge=cannot_judge,
        seq=number,
        total_ms=9,
        line=line,
    )
    pixels = np.random.default_rng(number).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    frame = Frame(pixels, b"", told.item, "cell", "7", "", 0, 1.0) if has_frame else None
    return Seen(line, frame, Judgement(verdict, "good", 0.1, 0.5, cannot_judge), told, None, 1_700_000_000_000)


class Device:
    """A page on a free port, as the agent would run it."""

    def __init__(self, folder, **config):
        self.privacy = Privacy.FULL
        self.board = Board(SystemClock(), lambda: self.privacy)
        self.health_count = 0
        sources = FactSources(
            device="press-7",
            site="Plant <North>",
            board=self.board,
            model=lambda: RunningModel("cells 3", "a" * 64),
            stations=lambda: [StationFacts(name="1", line="line-1", fault="")],
            outputs=lambda: [OutputFacts(name="output-mqtt", waiting_count=0, dropped_count=2)],
            health=self._health,
            privacy=lambda: self.privacy,
            clock=SystemClock(),
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.page = operator_page(OperatorConfig(port=port, **config), folder, sources)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.page.run, args=(self._stop,))
        self._thread.start()
        wait_until(lambda: self.page.port, 10)
        self.cookie = ""

    def _health(self):
        self.health_count += 1
        return Health(at_ms=1, uptime_s=5.0, backlog_count=12, buffer_left_h=30.0)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=10)
        connection.request(method, path, body=body, headers={"Cookie": self.cookie, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def sign_in(self, password=PASSWORD):
        answer, content = self.ask("POST", "/sign-in", urlencode({"password": password}))
        if cookie := answer.getheader("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return answer, content

    def close(self):
        self._stop.set()
        self._thread.join(10)


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    set_password(folder, PASSWORD)
    return folder


@pytest.fixture
def device(secret):
    device = Device(secret)
    yield device
    device.close()


@pytest.mark.parametrize("path", ["/status.json", "/events", "/pictures/1.jpg", "/anything"])
def test_nothing_is_told_to_who_is_not_signed_in(device, path):
    device.board.saw(seen())
    device.board.draw()
    device.cookie = "operator=guessed"
    answer, content = device.ask("GET", path)
    assert answer.status == 401
    assert b"item-1" not in content


def test_the_page_sends_strangers_to_the_sign_in(device):
    answer, _ = device.ask("GET", "/")
    assert (answer.status, answer.getheader("Location")) == (303, "/sign-in")


def test_a_signed_in_person_sees_what_the_line_was_told(device):
    device.sign_in()
    device.board.saw(seen(1))
    device.board.saw(seen(2, verdict=Verdict.CANNOT_JUDGE, has_frame=False))
    _, content = device.ask("GET", "/status.json")
    facts = json.loads(content)
    assert [(item["item"], item["verdict"]) for item in facts["items"]] == [
        ("item-2", "cannot_judge"),
        ("item-1", "ok"),
    ]
    assert facts["lines"][0]["counts"] == {"ok": 1, "cannot_judge": 1}
    assert (facts["model"], facts["health"]["backlog_count"], facts["health"]["buffer_left_h"]) == ("cells 3", 12, 30.0)
    assert facts["outputs"][0]["dropped_count"] == 2


def test_the_page_and_its_assets_are_there_with_strict_headers(device):
    device.sign_in()
    for path, kind in (("/", "text/html"), ("/static/page.css", "text/css"), ("/static/page.js", "text/javascript")):
        answer, content = device.ask("GET", path)
        assert answer.status == 200
        assert answer.getheader("Content-Type").startswith(kind)
        assert "default-src 'self'" in answer.getheader("Content-Security-Policy")
        assert content


@pytest.mark.parametrize(
    "path", ["/static/../password.py", "/static/page.html", "/pictures/-1.jpg", "/pictures/x", "/none"]
)
def test_other_addresses_lead_nowhere(device, path):
    device.sign_in()
    answer, _ = device.ask("GET", path)
    assert answer.status == 404


def test_a_wrong_password_is_refused_and_guessing_is_stopped(device):
    for _ in range(FAILURES_MAX):
        answer, _ = device.sign_in("wrong password")
        assert answer.status == 403
    answer, content = device.sign_in(PASSWORD)
    assert answer.status == 429
    assert b"minute" in content
    assert device.cookie == ""


def test_signing_out_ends_the_session_at_once(device):
    device.sign_in()
    assert device.ask("GET", "/status.json")[0].status == 200
    device.ask("POST", "/sign-out", "")
    assert device.ask("GET", "/status.json")[0].status == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(device):
    answer, _ = device.sign_in()
    cookie = answer.getheader("Set-Cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_events_bring_the_state_at_once_and_after_each_item(device):
    device.sign_in()
    connection = http.client.HTTPConnection("127.0.0.1", device.page.port, timeout=10)
    connection.request("GET", "/events", headers={"Cookie": device.cookie})
    stream = connection.getresponse()
    assert stream.getheader("Content-Type") == "text/event-stream"
    first = json.loads(stream.fp.readline().removeprefix(b"data: "))
    assert first["items"] == []
    stream.fp.readline()
    device.board.saw(seen(1))
    second = json.loads(stream.fp.readline().removeprefix(b"data: "))
    assert [item["item"] for item in second["items"]] == ["item-1"]
    connection.close()


def test_a_body_that_is_no_form_is_refused(device):
    assert device.ask("POST", "/sign-in", b"x" * 5000)[0].status == 413
    assert device.ask("POST", "/sign-in", b"", {"Content-Length": "-1"})[0].status == 413
    assert device.ask("POST", "/sign-in", b"\xff\xfe")[0].status == 403


def test_however_many_look_on_the_device_is_measured_once(device):
    device.sign_in()
    for _ in range(5):
        device.ask("GET", "/status.json")
    assert device.health_count == 1


def test_a_device_without_a_password_says_how_to_set_one(tmp_path):
    device = Device(tmp_path)
    _, content = device.ask("GET", "/sign-in")
    assert b"operator-password" in content
    assert device.sign_in("")[0].status == 403
    device.close()


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "press-7")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "page.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "page.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {"certificate_file": folder / "page.crt", "key_file": folder / "page.key"}


def test_with_a_certificate_it_speaks_tls_alone_and_a_silent_peer_holds_up_nobody(tmp_path, secret):
    device = Device(secret, **self_signed(tmp_path))
    with socket.create_connection(("127.0.0.1", device.page.port)):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secured = http.client.HTTPSConnection("127.0.0.1", device.page.port, timeout=5, context=context)
        secured.request("POST", "/sign-in", urlencode({"password": PASSWORD}))
        answer = secured.getresponse()
        assert "Secure" in answer.getheader("Set-Cookie")
        secured.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        device.ask("GET", "/sign-in")
    device.close()


def test_a_taken_port_costs_the_page_and_not_the_agent(secret):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        sources = FactSources(*[None] * 8, clock=HandClock())
        page = operator_page(OperatorConfig(port=other.getsockname()[1]), secret, sources)
        stop = threading.Event()
        clock = page._clock
        thread = threading.Thread(target=page.run, args=(stop,))
        thread.start()
        wait_until(lambda: len(clock.waited_s) > 2, 10)
        assert thread.is_alive()
        stop.set()
        thread.join(10)
    assert page.port == 0


def test_the_board_keeps_the_last_items_and_their_pictures_only():
    board = Board(HandClock(), lambda: Privacy.FULL)
    for number in range(1, ITEMS_SHOWN + 11):
        board.saw(seen(number))
        board.draw()
    items = board.items()
    assert [item.number for item in items] == list(range(ITEMS_SHOWN + 10, 10, -1))
    assert all(item.has_picture for item in items)
    assert board.picture(1) is None
    assert max(decode(board.picture(items[0].number)).shape) <= 160


def test_a_page_that_nobody_draws_holds_only_a_few_frames():
    board = Board(HandClock(), lambda: Privacy.FULL)
    for number in range(1, 21):
        board.saw(seen(number))
    board.draw()
    assert sum(item.has_picture for item in board.items()) == FRAMES_WAITING_MAX


def test_privacy_takes_pictures_away_that_were_there_before():
    privacy = [Privacy.FULL]
    board = Board(HandClock(), lambda: privacy[0])
    board.saw(seen(1))
    board.draw()
    sharp = decode(board.picture(1))
    privacy[0] = Privacy.NEVER
    assert board.picture(1) is None
    board.draw()
    privacy[0] = Privacy.BLURRED
    assert board.picture(1) is None
    board.saw(seen(1))
    board.draw()
    assert decode(board.picture(2)).std() < sharp.std() / 2


def test_the_age_of_a_line_is_by_the_clock_that_does_not_jump():
    clock = HandClock()
    board = Board(clock, lambda: Privacy.FULL)
    board.saw(seen(1))
    clock.turn(42)
    clock.wall_offset_ms -= 10**9
    assert board.lines()[0].age_s == 42


def test_a_session_ends_after_a_long_shift():
    clock = HandClock()
    sessions = Sessions(lambda password: password == PASSWORD, clock)
    token = sessions.sign_in(PASSWORD)
    assert sessions.is_signed_in(token)
    clock.turn(LIFETIME_S + 1)
    assert not sessions.is_signed_in(token)


def test_guessing_may_go_on_after_a_minute_and_sessions_are_bounded():
    clock = HandClock()
    sessions = Sessions(lambda password: password == PASSWORD, clock)
    for _ in range(FAILURES_MAX):
        assert sessions.sign_in("no") is None
    with pytest.raises(TooManyFailures):
        sessions.sign_in(PASSWORD)
    clock.turn(61)
    first = sessions.sign_in(PASSWORD)
    for _ in range(SESSIONS_MAX):
        sessions.sign_in(PASSWORD)
    assert not sessions.is_signed_in(first)


def test_the_password_is_stored_as_a_hash_for_its_owner_alone(secret):
    file = secret / "operator.json"
    assert PASSWORD not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert is_password(secret, PASSWORD)
    assert not is_password(secret, PASSWORD + "x")


def test_a_short_password_is_refused(tmp_path):
    with pytest.raises(PasswordRefused):
        set_password(tmp_path, "short")
    assert not is_password(tmp_path, "short")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_password_file_lets_nobody_in(tmp_path, content):
    (tmp_path / "operator.json").write_bytes(content)
    assert not is_password(tmp_path, "")
