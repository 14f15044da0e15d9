"""Faults while several devices send at once: whatever breaks, each record is here once."""

import random
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import connection
from django.utils import timezone

from apps.devices import services
from apps.gateway.asgi import Limits
from apps.telemetry.selectors import ledger
from edge_agent.wire import paths
from edge_agent.wire.messages import EnrolRequest
from tests.factories.devices import ExpectedDeviceFactory
from tests.factories.telemetry import Journal
from tests.kit.gateway import SigningDevice, acks, device_at, refusal, serving

RECORD_COUNT = 300
SEED = 20261123


def send_all(device: SigningDevice, journal: Journal, statuses: list[int]) -> None:
    """Send until the cloud holds everything, in pieces of any size; a third of the answers is lost on the way."""
    dice = random.Random(f"{SEED}-{journal.stream}")
    known = 0
    while known < RECORD_COUNT:
        last = min(RECORD_COUNT, known + dice.randint(1, 40))
        response = device.sync(journal.batch(known + 1, last))
        statuses.append(response.status_code)
        if response.status_code == 200 and dice.random() > 0.3:
            known = acks(response)[journal.stream]


def cut_connections(times: int, senders: list[Future]) -> None:
    """Every connection but the test's own, which is this thread's, again and again while there are senders."""
    for _ in range(times):
        wait(senders, timeout=0.04)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def assert_each_record_is_here_once(stream_count: int) -> None:
    rows = ledger()
    assert len(rows) == stream_count
    assert {(row.stored, row.gap, row.duplicates, row.lag) for row in rows} == {(RECORD_COUNT, 0, 0, 0)}


def test_lost_database_connections_lose_and_double_nothing(gateway):
    devices = [(device_at(gateway), Journal().write_results(RECORD_COUNT)) for _ in range(4)]
    statuses: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send_all, device, journal, statuses) for device, journal in devices]
        cut_connections(60, senders)
        for sender in senders:
            sender.result(120)
    assert set(statuses) == {200, 503}, f"seed {SEED}"
    assert_each_record_is_here_once(4)


def test_two_gateways_that_get_the_same_records_store_them_once(transactional_db):
    with serving() as first, serving() as second:
        device = device_at(first)
        twin = SigningDevice(second, device=device.device, key=device.key)
        journal, statuses = Journal().write_results(RECORD_COUNT), []
        with ThreadPoolExecutor(2) as pool:
            for sender in [pool.submit(send_all, one, journal, statuses) for one in (device, twin)]:
                sender.result(120)
    assert set(statuses) == {200}
    assert_each_record_is_here_once(1)


def test_a_gateway_with_too_much_in_hand_says_so_and_takes_it_later(transactional_db):
    with serving(Limits(request_count_max=0)) as url:
        response = device_at(url).request("POST", paths.SYNC)
    assert (response.status_code, refusal(response).code) == (503, "busy")
    assert int(response.headers["retry-after"]) >= 1


def test_a_code_is_not_used_up_while_there_is_nothing_to_trust(gateway, settings, tmp_path):
    settings.TUF_DIR = tmp_path
    device = ExpectedDeviceFactory()
    code = services.enrolment_code_issue(device=device, by=None, now=timezone.now())
    client = SigningDevice(gateway)
    response = client.post(paths.ENROL, EnrolRequest(code=code, public_key=client.public_key, agent_version="1"))
    assert (response.status_code, refusal(response).code) == (503, "no_repository")
    assert device.codes.get().used_at is None
