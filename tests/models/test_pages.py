import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.rights import Role
from apps.models import services
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.states import RunState, VersionState
from tests.factories.datasets import frozen
from tests.factories.models import package, person, queued_run, validated

pytestmark = pytest.mark.django_db

PASSWORD = "long enough to pass"
SHARE = {"count": 8, "of": 10, "share_ratio": 0.8, "low_ratio": 0.49, "high_ratio": 0.94}
METRICS = {
    "accuracy": SHARE,
    "caught": SHARE,
    "false_rejects": SHARE,
    "accuracy_at_half": SHARE,
    "auroc_ratio": 0.93,
    "threshold_ratio": 0.2,
    "threshold_rule": "the best one",
}


def signed_in(role: Role, user=None) -> Client:
    user = user or person(role)
    user.set_password(PASSWORD)
    user.save()
    client = Client()
    client.force_login(user)
    return client


def text(response, status=200) -> str:
    assert response.status_code == status
    return " ".join(response.content.decode().split())


def test_an_empty_registry_says_what_to_do_next():
    assert "Train one from a frozen data set" in text(signed_in(Role.ADMIN).get(reverse("models:list")))
    assert "Somebody who may train" in text(signed_in(Role.VIEWER).get(reverse("models:list")))


def test_the_list_shows_versions_and_runs(tmp_path):
    version = validated(tmp_path, name="cells", version="3")
    ModelVersion.objects.filter(pk=version.pk).update(metrics=METRICS)
    run = queued_run()
    page = text(signed_in(Role.VIEWER).get(reverse("models:list_live")))
    assert "cells 3" in page
    assert "80.0 %" in page
    assert f"Run {run.pk}" in page


def test_the_version_page_shows_figures_with_intervals_and_says_where_they_come_from(tmp_path):
    version = validated(tmp_path)
    page = text(signed_in(Role.VIEWER).get(reverse("models:version", args=[version.pk])))
    assert "Nobody here measured this version" in page
    run = queued_run()
    run.dataset_version.dataset.source = "elpv-dataset (Deitsch et al. 2021)"
    run.dataset_version.dataset.save()
    ModelVersion.objects.filter(pk=version.pk).update(metrics=METRICS, run=run)
    page = text(signed_in(Role.VIEWER).get(reverse("models:version", args=[version.pk])))
    for part in ("49.0 to 94.0 %", "88.42 %", "82.44 %", "Not the same protocol", "the best one"):
        assert part in page


def test_an_approver_approves_with_the_own_password(tmp_path):
    version = validated(tmp_path)
    client, address = signed_in(Role.APPROVER), reverse("models:approve", args=[version.pk])
    assert "This is not your password" in text(client.post(address, {"password": "no"}), 422)
    version.refresh_from_db()
    assert version.state == VersionState.VALIDATED
    assert client.post(address, {"password": PASSWORD}).status_code == 302
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED


def test_a_wrong_passphrase_is_said_beside_its_field(tmp_path):
    services.repository_create(now=timezone.now(), passphrase="correct horse")
    version = validated(tmp_path)
    client, address = signed_in(Role.APPROVER), reverse("models:approve", args=[version.pk])
    answer = client.post(address, {"password": PASSWORD, "passphrase": "wrong"})
    assert "passphrase of the signing key is missing or wrong" in text(answer, 422)
    assert client.post(address, {"password": PASSWORD, "passphrase": "correct horse"}).status_code == 302


def test_an_author_sees_why_the_approve_button_is_disabled(tmp_path):
    author = person(Role.ADMIN)
    version = validated(tmp_path, by=author)
    client = signed_in(Role.ADMIN, author)
    assert "another person must approve it" in text(client.get(reverse("models:version", args=[version.pk])))
    answer = client.post(reverse("models:approve", args=[version.pk]), {"password": PASSWORD})
    assert "another person must approve it" in text(answer, 422)


def test_a_viewer_may_not_approve(tmp_path):
    version = validated(tmp_path)
    client = signed_in(Role.VIEWER)
    assert client.post(reverse("models:approve", args=[version.pk])).status_code == 403
    page = text(client.get(reverse("models:version", args=[version.pk])))
    assert "Your roles do not include “approve version”." in page


def test_a_version_is_withdrawn_with_a_reason(tmp_path):
    version = validated(tmp_path)
    client, address = signed_in(Role.APPROVER), reverse("models:withdraw", args=[version.pk])
    assert "Say why" in text(client.post(address, follow=True))
    client.post(address, {"reason": "wrong labels"})
    version.refresh_from_db()
    assert (version.state, version.state_reason) == (VersionState.WITHDRAWN, "wrong labels")


def test_a_package_is_uploaded_and_waits_for_approval(tmp_path):
    content = package(tmp_path).read_bytes()
    user = person(Role.ADMIN)
    client = signed_in(Role.ADMIN, user)
    upload = SimpleUploadedFile("package.zip", content, "application/zip")
    page = text(client.post(reverse("models:upload"), {"package": upload}, follow=True))
    assert "waits for approval" in page
    assert ModelVersion.objects.get().created_by == user


def test_an_upload_that_is_no_package_is_refused_beside_its_field():
    upload = SimpleUploadedFile("package.zip", b"not a zip", "application/zip")
    page = text(signed_in(Role.ADMIN).post(reverse("models:upload"), {"package": upload}), 422)
    assert "(package_not_zip)" in page
    assert not ModelVersion.objects.exists()


def test_a_training_is_started_from_the_form():
    version = frozen()
    answer = {"name": "cells", "dataset_version": version.pk, "recipe": "small_cnn", "epochs": 3, "seed": 5}
    client = signed_in(Role.ADMIN)
    page = text(client.post(reverse("models:run_new"), answer, follow=True))
    run = Run.objects.get()
    assert (run.model.name, run.parameters, run.seed) == ("cells", {"epochs": 3}, 5)
    assert "It waits for a worker" in page


@pytest.mark.parametrize(("field", "value"), [("name", "Not good"), ("recipe", "magic"), ("epochs", 0), ("seed", -1)])
def test_a_training_that_cannot_be_is_refused_beside_its_field(field, value):
    answer = {"name": "cells", "dataset_version": frozen().pk, "recipe": "small_cnn", "seed": 5, field: value}
    page = text(signed_in(Role.ADMIN).post(reverse("models:run_new"), answer), 422)
    assert "errorlist" in page
    assert not Run.objects.exists()
    assert not InspectionModel.objects.exists()


def test_without_frozen_data_the_form_says_where_to_go():
    assert "No frozen data set yet" in text(signed_in(Role.ADMIN).get(reverse("models:run_new")))


def test_a_running_run_shows_progress_time_left_and_curve():
    run = queued_run()
    progress = {"stage": "training", "step": 40, "of": 270, "share_ratio": 0.43, "loss": 0.31, "eta_s": 75}
    Run.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, started_at=timezone.now(), progress=progress, curve=[{"step": 1, "loss": 0.7}]
    )
    client = signed_in(Role.ADMIN)
    page = text(client.get(reverse("models:run", args=[run.pk])))
    for part in ('aria-valuenow="43"', "75 s left", "training, 40 of 270", "0.3100", "This is the first model"):
        assert part in page
    figure = client.get(reverse("models:run_curve", args=[run.pk])).json()
    assert figure["data"][0]["y"] == [0.7]


def test_a_failed_run_says_why():
    run = queued_run()
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, error="The gate split needs defects.")
    assert "The gate split needs defects." in text(signed_in(Role.VIEWER).get(reverse("models:run", args=[run.pk])))


def test_a_run_is_cancelled_by_who_may_train():
    run = queued_run()
    address = reverse("models:run_cancel", args=[run.pk])
    assert signed_in(Role.VIEWER).post(address).status_code == 403
    assert "It was cancelled" in text(signed_in(Role.ADMIN).post(address, follow=True))


def test_the_operation_lists_versions(tmp_path):
    validated(tmp_path, name="cells", version="2")
    reply = signed_in(Role.VIEWER).get(reverse("api:version_list"), {"model": "cells"}).json()
    assert [(one["model"], one["number"], one["state"]) for one in reply["results"]] == [("cells", 2, "validated")]


def test_lists_cost_the_same_however_long_they_are(tmp_path, django_assert_max_num_queries):
    client = signed_in(Role.VIEWER)
    for number in range(1, 4):
        validated(tmp_path, version=str(number), gain=float(number))
    with django_assert_max_num_queries(16):
        client.get(reverse("models:list"))
