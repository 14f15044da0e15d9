import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.core.leases import claim_due
from apps.models.models import InspectionModel, Run

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def rows(count: int) -> list[int]:
    model = InspectionModel.objects.create(name="cells")
    return [
        Run.objects.create(kind="training", model=model, recipe="small", next_look_at=NOW - timedelta(seconds=n)).pk
        for n in range(count)
    ]


@pytest.mark.django_db
def test_a_claimed_row_is_due_again_only_when_its_lease_ran_out():
    (row,) = rows(1)
    assert claim_due(Run.objects.all(), now=NOW, lease_s=30) == [row]
    assert claim_due(Run.objects.all(), now=NOW + timedelta(seconds=29), lease_s=30) == []
    assert claim_due(Run.objects.all(), now=NOW + timedelta(seconds=30), lease_s=30) == [row]


@pytest.mark.django_db(transaction=True)
def test_two_claimers_never_get_the_same_row():
    expected, claimed, start = rows(40), [], threading.Barrier(4)

    def claimer():
        start.wait()
        claimed.extend(claim_due(Run.objects.all(), now=NOW, lease_s=30))
        connection.close()

    threads = [threading.Thread(target=claimer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(expected)
