from datetime import timedelta
from uuid import uuid4

import pytest

from apps.accounts.rights import Role
from apps.core import files
from apps.core.errors import Conflict, NotFound, Wrong
from apps.core.models import AuditRow
from apps.datasets.models import Image, Label
from apps.datasets.selectors import with_label
from apps.defects.models import FlaggedImage, Review
from apps.defects.services import UNDO_DEPTH, review_next, review_record, review_undo
from apps.defects.states import Answer, ReviewState
from tests.factories.datasets import DatasetFactory, ImageFactory, png
from tests.factories.defects import NOON, FlagFactory, opinion
from tests.factories.rollouts import PersonFactory, PublishedVersionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return PersonFactory(role=Role.REVIEWER)


def record(flag, by, *args, after_s: float = 0, **changes) -> Review:
    given = opinion(*args, **changes)
    return review_record(flag_id=flag.pk, by=by, opinion=given, now=NOON + timedelta(seconds=after_s))


def labelled_image(**changes) -> Image:
    """An image that was imported as good yesterday."""
    image = ImageFactory(**changes)
    image.labels.update(at=NOON - timedelta(days=1))
    return image


def state_of(flag) -> str:
    return FlaggedImage.objects.get(pk=flag.pk).state


def label_of(image) -> str:
    return with_label(Image.objects.filter(pk=image.pk)).get().current_label


def test_a_verdict_labels_the_image_and_is_audited(person):
    flag = FlagFactory()
    record(flag, person, Answer.GOOD)
    row = AuditRow.objects.get()
    assert state_of(flag) == ReviewState.LABELLED
    assert (row.verb, row.object, row.detail["answer"]) == ("review_record", f"flag:{flag.pk}", "good")
    assert row.site_id == flag.device.line.site_id


def test_the_same_verdict_sent_again_changes_nothing(person):
    flag, uuid = FlagFactory(), uuid4()
    first = record(flag, person, Answer.GOOD, uuid)
    again = record(flag, person, Answer.GOOD, uuid, after_s=60)
    assert first == again
    assert Review.objects.count() == AuditRow.objects.count() == 1


def test_a_uuid_that_was_used_for_another_image_is_refused(person):
    uuid = uuid4()
    record(FlagFactory(), person, Answer.GOOD, uuid)
    with pytest.raises(Conflict, match="used for another one"):
        record(FlagFactory(), person, Answer.GOOD, uuid)


def test_the_label_of_a_replayed_picture_goes_to_the_image_it_came_from(person):
    image = labelled_image()
    flag = FlagFactory(source=image.sha256)
    record(flag, person, Answer.DEFECT)
    assert label_of(image) == "defect"
    assert Label.objects.get(source=f"review:{flag.pk}").by == person


def test_any_other_picture_becomes_an_image_of_the_data_set(person):
    dataset = DatasetFactory()
    sha256 = files.store(png(4711))
    record(FlagFactory(sha256=sha256), person, Answer.GOOD)
    image = Image.objects.get(dataset=dataset)
    assert (image.sha256, label_of(image)) == (sha256, "good")


@pytest.mark.parametrize("answer", [Answer.CANNOT_JUDGE, Answer.UNSURE])
def test_an_answer_without_a_class_labels_nothing(person, answer):
    image = labelled_image()
    record(FlagFactory(source=image.sha256), person, answer)
    assert label_of(image) == "good"
    assert Label.objects.count() == 1


def test_a_defect_may_be_any_class_of_the_model_and_no_other(person):
    version = PublishedVersionFactory()
    dataset = DatasetFactory(labels=["good", "crack", "dark"])
    image = labelled_image(dataset=dataset)
    record(FlagFactory(model_digest=version.digest, source=image.sha256), person, Answer.DEFECT, label="dark")
    assert label_of(image) == "dark"
    with pytest.raises(Wrong) as refused:
        record(FlagFactory(model_digest=version.digest), person, Answer.DEFECT, label="rust")
    assert refused.value.code == "unknown_label"


def test_a_class_that_the_data_set_does_not_know_keeps_the_verdict(person):
    image = labelled_image()
    flag = FlagFactory(model_digest=PublishedVersionFactory().digest, source=image.sha256)
    review = record(flag, person, Answer.DEFECT, label="crack")
    assert (state_of(flag), review.is_label_sent, label_of(image)) == (ReviewState.LABELLED, False, "good")


def test_a_late_verdict_counts_while_nobody_else_has_judged(person):
    flag, other = FlagFactory(), PersonFactory(role=Role.REVIEWER)
    review_next(by=person, now=NOON)
    review_next(by=other, now=NOON + timedelta(minutes=5))
    assert record(flag, person, Answer.GOOD, after_s=400).is_deciding
    assert state_of(flag) == ReviewState.LABELLED


def test_a_verdict_after_another_is_kept_as_a_second_opinion(person):
    image = labelled_image()
    flag = FlagFactory(source=image.sha256)
    record(flag, person, Answer.GOOD)
    second = record(flag, PersonFactory(role=Role.REVIEWER), Answer.DEFECT)
    assert not second.is_deciding
    assert label_of(image) == "good"


def test_an_unsure_answer_asks_a_second_person_once(person):
    flag, other = FlagFactory(), PersonFactory(role=Role.REVIEWER)
    record(flag, person, Answer.UNSURE)
    assert state_of(flag) == ReviewState.WAITING
    assert review_next(by=person, now=NOON) is None
    assert review_next(by=other, now=NOON) == flag
    record(flag, other, Answer.UNSURE)
    assert state_of(flag) == ReviewState.LABELLED


def test_undo_puts_the_label_back_and_hands_the_image_out_again(person):
    image = labelled_image()
    flag = FlagFactory(source=image.sha256)
    record(flag, person, Answer.DEFECT)

    assert review_undo(by=person, now=NOON) == flag

    assert label_of(image) == "good"
    assert FlaggedImage.objects.get().claimed_by == person
    assert Review.objects.get().undone_at == NOON
    assert AuditRow.objects.latest("id").verb == "review_undo"


def test_after_an_undo_the_image_can_be_judged_anew(person):
    image = labelled_image()
    flag = FlagFactory(source=image.sha256)
    record(flag, person, Answer.DEFECT)
    review_undo(by=person, now=NOON)
    record(flag, person, Answer.GOOD, after_s=5)
    assert (state_of(flag), Review.objects.filter(undone_at=None).get().answer) == (ReviewState.LABELLED, "good")


def test_undo_goes_back_twenty_verdicts_and_no_further(person):
    flags = FlagFactory.create_batch(UNDO_DEPTH + 2)
    for place, flag in enumerate(flags):
        record(flag, person, Answer.GOOD, after_s=place)

    undone = [review_undo(by=person, now=NOON) for _ in range(UNDO_DEPTH + 2)]

    assert undone[:UNDO_DEPTH] == flags[::-1][:UNDO_DEPTH]
    assert undone[UNDO_DEPTH:] == [None, None]


def test_nobody_undoes_the_verdict_of_another(person):
    record(FlagFactory(), person, Answer.GOOD)
    assert review_undo(by=PersonFactory(role=Role.REVIEWER), now=NOON) is None


def test_undoing_a_second_opinion_leaves_the_first_one_standing(person):
    flag, other = FlagFactory(), PersonFactory(role=Role.REVIEWER)
    record(flag, other, Answer.GOOD)
    record(flag, person, Answer.DEFECT)
    review_undo(by=person, now=NOON)
    assert state_of(flag) == ReviewState.LABELLED


def test_an_image_of_another_site_cannot_be_judged():
    flag = FlagFactory()
    stranger = PersonFactory(role=Role.REVIEWER, role__site_id=flag.device.line.site_id + 1)
    with pytest.raises(NotFound):
        record(flag, stranger, Answer.GOOD)


def test_an_image_that_is_not_here_cannot_be_judged(person):
    with pytest.raises(Conflict) as refused:
        record(FlagFactory(state=ReviewState.AWAITING_IMAGE), person, Answer.GOOD)
    assert refused.value.code == "image_missing"
