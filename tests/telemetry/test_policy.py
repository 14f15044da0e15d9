from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.devices.states import Admission, Shown
from apps.telemetry.policy import Position, ShownFacts, place, shown_state, span
from apps.telemetry.received import Reception
from edge_agent.wire.codec import GENESIS_DIGEST
from tests.factories.telemetry import Journal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WELL = ShownFacts(
    admission=Admission.ENROLLED,
    last_seen_at=NOW - timedelta(seconds=5),
    last_item_at=NOW - timedelta(seconds=2),
    active_digest="a" * 64,
    update_state="confirmed",
    item_count=100,
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({}, Shown.INSPECTING, "Inspects every item."),
        ({"last_seen_at": ago(200)}, Shown.UNKNOWN, "Silent for 3 min."),
        ({"last_seen_at": None}, Shown.UNKNOWN, "Never heard of."),
        ({"admission": Admission.EXPECTED}, Shown.UNKNOWN, "Not enrolled yet."),
        (
            {"admission": Admission.QUARANTINED, "admission_reason": "cloned"},
            Shown.UNKNOWN,
            "Quarantined: cloned",
        ),
        ({"update_state": "trial"}, Shown.UPDATING, "Tries a new model version beside the line."),
        ({"last_item_at": None}, Shown.STOPPED, "Online, but no item was inspected yet."),
        ({"last_item_at": ago(61)}, Shown.STOPPED, "No item for 61 s."),
        ({"active_digest": None}, Shown.DEGRADED, "Has no model and can judge nothing."),
        ({"cannot_judge_count": 21}, Shown.DEGRADED, "Could not judge 21 of the last 100 items."),
        ({"configuration_refused": "takt"}, Shown.DEGRADED, "Refused its configuration: takt"),
        ({"disk_used_ratio": 0.96}, Shown.DEGRADED, "Disk is 96% full."),
        ({"is_throttled": True}, Shown.DEGRADED, "Runs slower because it is hot."),
    ],
)
def test_a_device_is_shown_with_one_word_and_its_reason(changes, state, sentence):
    shown = shown_state(replace(WELL, **changes), NOW, 90.0)
    assert (shown.state, shown.sentence) == (state, sentence)


def test_what_is_not_known_comes_before_what_was_known():
    silent = replace(WELL, last_seen_at=ago(91), update_state="trial", active_digest=None)
    assert shown_state(silent, NOW, 90.0).state is Shown.UNKNOWN


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (2e5, "2 d")])
def test_a_span_is_said_as_people_say_it(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("watermark", "first", "last", "reception", "known_count"),
    [
        (0, 1, 4, Reception.STORED, 0),
        (4, 5, 8, Reception.STORED, 0),
        (4, 3, 8, Reception.STORED, 2),
        (4, 1, 4, Reception.KNOWN, 4),
        (4, 1, 2, Reception.KNOWN, 2),
        (4, 6, 8, Reception.GAP, 0),
        (0, 2, 3, Reception.GAP, 0),
    ],
)
def test_a_batch_is_placed_by_number_and_digest(watermark, first, last, reception, known_count):
    journal = Journal().write_results(8)
    placement = place(Position(watermark, journal.digests[watermark]), journal.batch(first, last))
    assert (placement.reception, placement.known_count) == (reception, known_count)


@pytest.mark.parametrize("first", [1, 3, 5])
def test_another_history_is_a_mismatch_wherever_it_meets_ours(first):
    ours, theirs = Journal().write_results(4), Journal().write(b"\xa1x").write_results(7)
    assert place(Position(4, ours.digests[4]), theirs.batch(first)).reception is Reception.MISMATCH
    assert place(Position(0, GENESIS_DIGEST), theirs.batch(1)).reception is Reception.STORED
