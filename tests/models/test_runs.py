from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.rights import Role
from apps.core.errors import NotFound, Wrong
from apps.models import selectors, services
from apps.models.models import ModelVersion, Run
from apps.models.progress import CURVE_MAX, ProgressWriter, RunLost
from apps.models.services.runs import run_claim
from apps.models.states import RunKind, RunState, VersionState
from apps.models.training.errors import Cancelled
from apps.models.training.pace import Progress
from tests.factories.models import person, queued_run

pytestmark = pytest.mark.django_db


def claimed(run, *, now=None):
    attempt = run_claim(run_id=run.pk, now=now or timezone.now(), lease_s=60)
    run.refresh_from_db()
    return attempt


def step(n=1, *, loss=0.5, stage="training"):
    return Progress(stage=stage, step=n, of=10, share_ratio=n / 10, loss=loss, eta_s=3.2)


class Seconds:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_run_ends_as_a_validated_version_with_its_figures():
    author = person(Role.ADMIN)
    run = queued_run(by=author, epochs=6)
    assert services.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    version = ModelVersion.objects.get(run=run)
    assert (version.state, version.number, version.created_by) == (VersionState.VALIDATED, 1, author)
    assert version.metrics == run.metrics
    assert version.metrics["caught"]["of"] > 0
    assert version.manifest["lineage"]["dataset_digest"] == run.dataset_version.digest
    assert "Defects caught" in {figure.name for figure in selectors.figures(version.metrics)}
    assert run.curve


def test_a_run_is_carried_out_once_and_the_next_one_gets_the_next_number():
    run = queued_run(epochs=1)
    assert services.run_execute(run_id=run.pk)
    assert not services.run_execute(run_id=run.pk)
    assert services.run_execute(run_id=queued_run(epochs=1).pk)
    assert list(ModelVersion.objects.order_by("pk").values_list("number", flat=True)) == [1, 2]


def test_a_queued_run_is_cancelled_at_once():
    run = services.run_cancel(run_id=queued_run().pk, by=person(Role.ADMIN))
    assert run.state == RunState.CANCELLED
    assert not services.run_execute(run_id=run.pk)


def test_a_running_run_hears_the_cancel_at_its_next_write():
    run = queued_run()
    writer = ProgressWriter(run.pk, claimed(run))
    writer(step())
    services.run_cancel(run_id=run.pk, by=person(Role.ADMIN))
    with pytest.raises(Cancelled):
        writer(step(stage="export"))


def test_a_cancelled_training_leaves_no_version():
    run = queued_run()
    Run.objects.filter(pk=run.pk).update(is_cancel_wanted=True)
    services.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert not ModelVersion.objects.exists()


def test_a_run_that_cannot_work_ends_with_a_sentence():
    run = queued_run()
    run.dataset_version.members.filter(split="search").update(label="good")
    services.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert run.error == "The search split needs good images and defects."


def test_an_unexpected_error_ends_the_run_and_names_its_kind(caplog):
    run = queued_run(epochs="many")
    services.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "(ValueError)" in run.error
    assert "run_broke" in caplog.text


def test_a_dead_workers_run_is_queued_again_and_given_up_after_three():
    run, now = queued_run(), timezone.now()
    for attempt in (1, 2, 3):
        assert claimed(run, now=now) == attempt
        now += timedelta(minutes=5)
        services.runs_due(now=now)
        run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "stopped 3 times" in run.error


def test_a_live_workers_run_is_left_alone():
    run, now = queued_run(), timezone.now()
    writer = ProgressWriter(run.pk, claimed(run, now=now - timedelta(minutes=10)))
    writer(step())
    services.runs_due(now=now)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_a_worker_that_was_given_up_cannot_write_over_its_successor():
    run, now = queued_run(), timezone.now()
    first = ProgressWriter(run.pk, claimed(run, now=now))
    services.runs_due(now=now + timedelta(minutes=5))
    ProgressWriter(run.pk, claimed(run))(step(7))
    with pytest.raises(RunLost):
        first(step(2))
    run.refresh_from_db()
    assert run.progress["step"] == 7


def test_a_cancelled_run_whose_worker_died_ends_cancelled():
    run, now = queued_run(), timezone.now()
    claimed(run, now=now)
    services.run_cancel(run_id=run.pk, by=person(Role.ADMIN))
    services.runs_due(now=now + timedelta(minutes=5))
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_progress_is_written_at_most_once_per_second():
    run, clock = queued_run(), Seconds()
    writer = ProgressWriter(run.pk, claimed(run), clock=clock)
    for n in range(1, 6):
        writer(step(n, loss=n))
        clock.now += 0.3
    run.refresh_from_db()
    assert run.progress["step"] == 5
    assert [point["step"] for point in run.curve] == [1, 5]
    assert run.curve[1]["loss"] == 3.5, "the mean of the steps in between"


def test_the_curve_ends_with_the_learning_whatever_stages_follow():
    run, clock = queued_run(), Seconds()
    writer = ProgressWriter(run.pk, claimed(run), clock=clock)
    writer(step(0, loss=None, stage="loading"))
    for n, loss in ((1, 0.9), (2, 0.7), (3, 0.5)):
        writer(step(n, loss=loss))
        clock.now += 0.6
    for n in range(3):
        clock.now += 2.0
        writer(step(n, loss=None, stage="export"))
    run.refresh_from_db()
    assert run.progress["stage"] == "export"
    assert run.curve == [{"step": 1, "loss": 0.9}, {"step": 3, "loss": 0.6}]


def test_a_second_attempt_draws_its_curve_anew():
    run, now = queued_run(), timezone.now()
    ProgressWriter(run.pk, claimed(run, now=now))(step(8, loss=0.2))
    services.runs_due(now=now + timedelta(minutes=5))
    ProgressWriter(run.pk, claimed(run))(step(1, loss=0.8))
    run.refresh_from_db()
    assert run.curve == [{"step": 1, "loss": 0.8}]


def test_a_long_curve_is_thinned_not_cut():
    run, clock = queued_run(), Seconds()
    writer = ProgressWriter(run.pk, claimed(run), clock=clock)
    for n in range(1, 2 * CURVE_MAX):
        writer(step(n))
        clock.now += 2.0
    run.refresh_from_db()
    assert len(run.curve) <= CURVE_MAX
    assert run.curve[0]["step"] < 10
    assert run.curve[-1]["step"] == 2 * CURVE_MAX - 1


def test_what_is_not_there_cannot_be_trained():
    run = queued_run()
    known = {
        "kind": RunKind.TRAINING,
        "model_id": run.model_id,
        "dataset_version_id": run.dataset_version_id,
        "recipe": "small_cnn",
        "parameters": {},
        "seed": 1,
        "by": None,
    }
    with pytest.raises(Wrong, match="no recipe"):
        services.run_create(**known | {"recipe": "magic"})
    with pytest.raises(NotFound):
        services.run_create(**known | {"model_id": 0})
    with pytest.raises(NotFound):
        services.run_create(**known | {"dataset_version_id": 0})
