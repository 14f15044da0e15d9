"""F01 behind a link that is slow, stands still, breaks, and is well again: still nothing lost, nothing doubled."""

import contextlib
import os
import socket
import threading

import pytest

from tests.kit.kill_cycles import run_kill_cycles
from tests.kit.proxy import WELL, Link, Proxy

SEED = int(os.environ.get("F01_SEED", "20266"))


def test_fifteen_kills_behind_a_flapping_link_lose_nothing_and_double_nothing(tmp_path):
    outcome = run_kill_cycles(tmp_path, seed=SEED, kill_count=15, is_flapping=True)
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
    assert outcome.image_count > 0
    assert outcome.told_count > 15


def test_the_oracle_sees_a_hasty_promise_through_the_flapping_link(tmp_path):
    outcome = run_kill_cycles(tmp_path, seed=SEED, kill_count=4, module="tests.kit.hasty_agent", is_flapping=True)
    assert outcome.agreement.lost


# The proxy itself does what it says


@pytest.fixture
def echo():
    """A server that sends back what it gets, behind a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        proxy = Proxy(server.getsockname()[1], seed=1)
        yield proxy
        proxy.stop()
        server.shutdown(socket.SHUT_RDWR)


def _echo(server):
    with contextlib.suppress(OSError):
        while True:
            near, _ = server.accept()
            with near, contextlib.suppress(OSError):
                while piece := near.recv(65536):
                    near.sendall(piece)


def sent_through(proxy, content, timeout_s=5.0):
    """What comes back, until the connection ends or stands still."""
    answer = b""
    with socket.create_connection(("127.0.0.1", proxy.port)) as near, contextlib.suppress(OSError):
        near.settimeout(timeout_s)
        near.sendall(content)
        while len(answer) < len(content) and (piece := near.recv(65536)):
            answer += piece
    return answer


def test_a_good_link_changes_nothing(echo):
    assert sent_through(echo, b"x" * 100_000) == b"x" * 100_000


def test_a_cut_link_lets_through_so_many_bytes(echo):
    echo.link = Link(cut_after_bytes=150)
    assert len(sent_through(echo, b"x" * 100)) == 50
    assert echo.cut_count == 1


def test_a_stalled_link_lets_nothing_through_until_it_is_well(echo):
    echo.link = Link(is_stalled=True)
    assert sent_through(echo, b"x", timeout_s=0.3) == b""
    echo.link = WELL
    assert sent_through(echo, b"x") == b"x"


def test_a_spoiling_link_changes_bits(echo):
    echo.link = Link(flip_ratio=1.0)
    answer = sent_through(echo, bytes(100))
    assert len(answer) == 100
    assert answer != bytes(100)
