import threading
from datetime import timedelta

import pytest
from django.db import connection

from apps.accounts.rights import Role
from apps.accounts.selectors import EVERYWHERE
from apps.defects.models import FlaggedImage
from apps.defects.selectors import review_queue
from apps.defects.services import LEASE, review_next, review_skip, reviews_claim, reviews_release_due
from apps.defects.states import ReviewState
from tests.factories.defects import NOON, FlagFactory
from tests.factories.rollouts import PersonFactory

pytestmark = pytest.mark.django_db


def reviewer(**site) -> PersonFactory:
    return PersonFactory(role=Role.REVIEWER, **site)


def test_the_most_urgent_image_comes_first():
    FlagFactory(rank=0.2)
    urgent = FlagFactory(rank=0.9)
    assert review_next(by=reviewer(), now=NOON) == urgent


def test_two_reviewers_never_get_the_same_image():
    FlagFactory.create_batch(5)
    one, two = (reviews_claim(by=reviewer(), now=NOON, count=3) for _ in range(2))
    assert len(one) == 3
    assert len(two) == 2
    assert not {flag.pk for flag in one} & {flag.pk for flag in two}


def test_asking_again_leases_on_what_the_person_holds():
    FlagFactory.create_batch(2)
    person = reviewer()
    first = review_next(by=person, now=NOON)
    later = NOON + LEASE / 2
    assert review_next(by=person, now=later) == first
    assert FlaggedImage.objects.get(pk=first.pk).claimed_until == later + LEASE


def test_a_lease_that_ran_out_gives_the_image_to_the_next_person():
    flag = FlagFactory()
    review_next(by=reviewer(), now=NOON)
    assert review_next(by=reviewer(), now=NOON + LEASE - timedelta(seconds=1)) is None
    assert review_next(by=reviewer(), now=NOON + LEASE) == flag


def test_the_reconciler_gives_back_what_was_not_judged_in_time():
    flag = FlagFactory()
    review_next(by=reviewer(), now=NOON)
    assert reviews_release_due(now=NOON + LEASE / 2) == 0
    assert reviews_release_due(now=NOON + LEASE) == 1
    flag.refresh_from_db()
    assert (flag.state, flag.claimed_by) == (ReviewState.WAITING, None)


def test_a_skipped_image_goes_behind_all_that_nobody_skipped():
    skipped, dull = FlagFactory(rank=1.0), FlagFactory(rank=0.0)
    person = reviewer()
    assert review_next(by=person, now=NOON) == skipped
    review_skip(flag_id=skipped.pk, by=person, now=NOON)
    assert [flag.pk for flag in reviews_claim(by=person, now=NOON, count=2)] == [dull.pk, skipped.pk]


def test_nobody_skips_what_another_person_holds():
    flag = FlagFactory()
    holder = reviewer()
    review_next(by=holder, now=NOON)
    review_skip(flag_id=flag.pk, by=reviewer(), now=NOON)
    assert FlaggedImage.objects.get().claimed_by == holder


def test_a_reviewer_sees_the_images_of_their_own_site_alone():
    flag, _ = FlagFactory(), FlagFactory()
    person = reviewer(role__site_id=flag.device.line.site_id)
    assert reviews_claim(by=person, now=NOON, count=5) == [flag]


def test_a_viewer_gets_no_image():
    FlagFactory()
    assert review_next(by=PersonFactory(role=Role.VIEWER), now=NOON) is None


def test_the_queue_counts_what_waits_and_what_is_held():
    FlagFactory.create_batch(3)
    FlagFactory(state=ReviewState.AWAITING_IMAGE)
    review_next(by=reviewer(), now=NOON)
    queue = review_queue(EVERYWHERE, NOON)
    assert (queue.waiting_count, queue.claimed_count) == (2, 1)
    assert review_queue(EVERYWHERE, NOON + LEASE).waiting_count == 3


@pytest.mark.django_db(transaction=True)
def test_five_reviewers_at_once_are_never_given_one_image_twice():
    FlagFactory.create_batch(40)
    people = [reviewer() for _ in range(5)]
    start, given = threading.Barrier(5), []

    def work(person):
        try:
            start.wait()
            for turn in range(8):
                given.extend((flag.pk, person.pk) for flag in reviews_claim(by=person, now=NOON, count=turn + 1))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    holders = {}
    for flag_id, person_id in given:
        holders.setdefault(flag_id, set()).add(person_id)
    assert len(holders) == 40
    assert all(len(people_of_one) == 1 for people_of_one in holders.values())
