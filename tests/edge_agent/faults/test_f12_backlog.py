"""F12: a device starts with a backlog and no cloud. It is ready as fast as an empty one, with no more memory."""

from tests.kit.backlogs import run_start_with_backlog

RECORD_COUNT = 30_000


def test_a_start_with_a_backlog_costs_hardly_more_than_one_without(tmp_path):
    outcome = run_start_with_backlog(tmp_path, record_count=RECORD_COUNT, image_count=100)
    assert outcome.next_seq == RECORD_COUNT + 1
    assert outcome.ready_s <= 5
    assert outcome.memory_ratio <= 1.2


def test_a_device_that_takes_its_backlog_into_memory_is_caught(tmp_path):
    outcome = run_start_with_backlog(
        tmp_path, record_count=RECORD_COUNT, image_count=0, module="tests.kit.hoarding_agent"
    )
    assert outcome.memory_ratio > 1.2
