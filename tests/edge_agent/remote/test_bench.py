"""A benchmark card holds what was measured here, and only its own device can have signed it."""

import dataclasses
import json
import logging
import threading

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.bench import BenchPlan, bench_rows, default_threads, engines_for, signed_card
from edge_agent.clock import SystemClock
from edge_agent.contract.bench import CardRefused, verified_card
from edge_agent.identity import DeviceFile, Identity, KeyPair
from edge_agent.recent_log import RecentLog
from edge_agent.remote import CommandFailed, RemoteParts, command_handlers
from edge_agent.update.slots import Slots
from edge_agent.update.versions import Versions
from edge_agent.wire.bench import BenchmarkCard, BenchRow, SignedCard
from edge_agent.wire.codec import decode, encode
from tests.kit.models import tiny_package
from tests.kit.updating import install, run_for_good

ROW = BenchRow(engine="onnxruntime", threads=1, run_count=5, p50_ms=1.0)


def identity():
    keys = KeyPair(Ed25519PrivateKey.generate())
    device = DeviceFile(
        device_id="d-1", name="d", site="s", line="l", cloud_url="", public_key=keys.public_key, tuf_root=b""
    )
    return Identity(device=device, keys=keys)


@pytest.fixture
def version(tmp_path):
    return install(tmp_path, tiny_package(tmp_path, score=0.3))


def card_of(version, who):
    return signed_card(version, [ROW], identity=who, size_bytes=10, clock=SystemClock())


def test_a_card_is_believed_when_its_device_signed_it(version):
    who = identity()
    card = verified_card(card_of(version, who), who.keys.public_key)
    assert (card.device_id, card.digest, card.rows) == ("d-1", version.digest, [ROW])


def test_a_changed_card_another_device_and_garbage_are_refused(version):
    who, other = identity(), identity()
    card = card_of(version, who)
    better = encode(msgspec.structs.replace(decode(card.card, BenchmarkCard), rows=[]))
    for signed, key in [
        (msgspec.structs.replace(card, card=better), who.keys.public_key),
        (card, other.keys.public_key),
        (SignedCard(card=b"", signature=b""), who.keys.public_key),
        (card, "no key"),
    ]:
        with pytest.raises(CardRefused):
            verified_card(signed, key)


def test_each_engine_is_measured_in_a_process_of_its_own(version):
    (row,) = bench_rows_of(version, "onnxruntime")
    assert row.error == ""
    assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms
    assert row.cold_start_ms > row.p50_ms
    assert row.memory_bytes > 10**7
    assert row.score_max_difference < 1e-4


def bench_rows_of(version, engine):
    rows = bench_rows(version, BenchPlan(threads=(1,), run_count=20, timeout_s=60.0))
    return [row for row in rows if row.engine == engine]


def test_a_model_that_cannot_run_is_a_row_with_its_reason(tmp_path):
    broken = install(tmp_path, tiny_package(tmp_path, model=b"no model"))
    rows = bench_rows(broken, BenchPlan(threads=(1,), run_count=5, timeout_s=60.0))
    assert rows
    assert all("cannot be loaded" in row.error for row in rows)


def test_the_packages_own_engine_comes_first(version):
    assert engines_for(version.manifest)[0] == "onnxruntime"


@pytest.mark.parametrize(("cpus", "threads"), [(1, (1,)), (2, (1, 2)), (3, (1, 2)), (64, (1, 2, 4))])
def test_no_more_threads_are_tried_than_there_are_processors(cpus, threads):
    assert default_threads(cpus) == threads


@pytest.fixture
def parts(tmp_path):
    recent, ended = RecentLog(), threading.Event()
    versions = Versions(tmp_path / "models")
    slots = Slots(tmp_path, versions)
    slots.load_on_start()
    return RemoteParts(
        health_text=lambda: "well",
        snapshot=lambda arguments: "picture",
        recent_log=recent,
        slots=slots,
        versions=versions,
        identity=identity(),
        clock=SystemClock(),
        now_ms=SystemClock().wall_ms,
        restart=ended.set,
        stop=lambda: ended,
    )


def test_without_a_model_there_is_nothing_to_test(parts):
    for kind in ("self_test", "profile"):
        with pytest.raises(CommandFailed, match="no model"):
            command_handlers(parts)[kind]({})


def test_a_self_test_recomputes_the_golden_frames_of_what_runs(tmp_path, parts):
    run_for_good(tmp_path, tiny_package(tmp_path, score=0.3))
    slots = Slots(tmp_path, parts.versions)
    slots.load_on_start()
    parts = dataclasses.replace(parts, slots=slots)
    assert json.loads(command_handlers(parts)["self_test"]({}))["frame_count"] == 4


def test_a_restart_is_asked_for_only_after_the_answer(parts):
    done = command_handlers(parts)["restart"]({})
    assert not parts.stop().is_set()
    done.then()
    assert parts.stop().is_set()


def test_logs_give_the_newest_lines_that_fit(parts):
    logger = logging.getLogger("edge_agent.test_logs")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(parts.recent_log)
    for n in range(3000):
        logger.log(logging.WARNING if n % 10 == 0 else logging.INFO, "event n=%d %s", n, "x" * 100)
    logs = command_handlers(parts)["logs"]
    assert logs({"lines": "2"}).splitlines()[-1].split(" n=")[1].startswith("2999 ")
    assert len(logs({"lines": "100000"})) <= 20_000
    assert all(" WARNING " in line for line in logs({"level": "warning"}).splitlines())
    with pytest.raises(ValueError, match="loud"):
        logs({"level": "loud"})
