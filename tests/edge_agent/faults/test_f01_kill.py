"""F01: a device killed at random moments loses nothing and counts nothing twice; and the oracle would have noticed."""

import dataclasses
import os

import pytest

from edge_agent.line.outputs import Told
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, encode
from edge_agent.wire.messages import Batch
from edge_agent.wire.records import Result
from edge_agent.wire.words import CannotJudge, StreamKind, Verdict
from tests.kit.cloud import Refusal, Stream
from tests.kit.kill_cycles import run_kill_cycles
from tests.kit.oracle import compare

SEED = int(os.environ.get("F01_SEED", "20261"))
KILL_COUNT = 40


def test_forty_kills_lose_nothing_and_double_nothing(tmp_path):
    outcome = run_kill_cycles(tmp_path, seed=SEED, kill_count=KILL_COUNT)
    print("F01", outcome)  # noqa: T201  the seed must be in the report of a failure
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
    assert outcome.told_count > KILL_COUNT
    assert outcome.image_count > 0
    assert outcome.ready_max_s <= 5


def test_the_oracle_catches_a_device_that_promises_before_it_writes(tmp_path):
    outcome = run_kill_cycles(tmp_path, seed=SEED, kill_count=4, module="tests.kit.hasty_agent")
    print("F01 control", outcome)  # noqa: T201
    assert outcome.agreement.lost


# The checker's own negative controls


def told_and_stored(count=6):
    told = [
        Told(item=f"p{n}", verdict=Verdict.OK, label="", cannot_judge=None, seq=n, total_ms=1.0)
        for n in range(1, count + 1)
    ]
    bodies = [encode(Result(at_ms=1, line="l", item=one.item, verdict=one.verdict)) for one in told]
    return told, bodies


def test_the_checker_is_content_with_what_agrees():
    told, bodies = told_and_stored()
    assert compare(told, bodies, kill_count=0).are_none


def test_the_checker_catches_a_planted_loss():
    told, bodies = told_and_stored()
    assert compare(told, bodies[:-1], kill_count=0).lost == ["p6"]


def test_the_checker_catches_a_planted_duplicate():
    told, bodies = told_and_stored()
    assert compare(told, [*bodies, bodies[2]], kill_count=0).duplicated == ["p3"]


def test_the_checker_catches_a_planted_swap():
    told, bodies = told_and_stored()
    bodies[1], bodies[2] = bodies[2], bodies[1]
    assert compare(told, bodies, kill_count=0).changed == ["p2", "p3"]


def test_the_checker_catches_a_changed_verdict():
    told, bodies = told_and_stored()
    told[0] = Told(
        item="p1", verdict=Verdict.CANNOT_JUDGE, label="", cannot_judge=CannotJudge.NO_MODEL, seq=1, total_ms=1.0
    )
    assert compare(told, bodies, kill_count=0).changed == ["p1"]


def test_the_checker_allows_one_untold_record_per_kill_and_no_more():
    told, bodies = told_and_stored()
    assert compare(told[:-1], bodies, kill_count=1).are_none
    assert compare(told[:-2], bodies, kill_count=1).untold == ["p5", "p6"]


@pytest.mark.parametrize("field", ["digest_before", "digest_after"])
def test_the_fake_cloud_refuses_another_history(field):
    _, bodies = told_and_stored()
    batch = Batch(
        stream="a" * 32,
        kind=StreamKind.INSPECTION,
        first_seq=1,
        digest_before=GENESIS_DIGEST,
        digest_after=chain_digest(GENESIS_DIGEST, bodies),
        items=bodies,
    )
    Stream(kind=StreamKind.INSPECTION).take(batch)
    with pytest.raises(Refusal, match="digest_mismatch"):
        Stream(kind=StreamKind.INSPECTION).take(Batch(**{**_fields(batch), field: "e" * 32}))


def _fields(batch):
    return {name: getattr(batch, name) for name in batch.__struct_fields__}


def test_a_findings_field_cannot_be_forgotten():
    """`are_none` looks at every field, also at those that come later."""
    empty = compare([], [], kill_count=0)
    for field in dataclasses.fields(empty):
        assert not dataclasses.replace(empty, **{field.name: ["x"]}).are_none
