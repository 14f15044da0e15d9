from uuid import uuid4

import pytest
from django.urls import reverse

from apps.accounts.rights import Role
from apps.core import files
from apps.defects.models import FlaggedImage, Review
from tests.factories.datasets import png
from tests.factories.defects import FlagFactory
from tests.factories.rollouts import PersonFactory, PublishedVersionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(client):
    person = PersonFactory(role=Role.REVIEWER)
    client.force_login(person)
    return person


def post(client, name: str, **body):
    return client.post(
        reverse(f"defects:{name}"), body, content_type="application/json", headers={"accept": "application/json"}
    )


def test_the_page_opens_and_counts_what_is_left(client, person):
    FlagFactory.create_batch(2)
    page = client.get(reverse("defects:review")).content.decode()
    assert '<b id="left">2</b> left' in page
    assert "Nothing to review" in page  # hidden until nothing is left


def test_a_claim_hands_out_the_image_and_the_next_five_without_saying_why_they_were_flagged(client, person):
    version = PublishedVersionFactory()
    FlagFactory.create_batch(8, model_digest=version.digest, reason="random_sample")
    items = post(client, "claim").json()["items"]
    assert len(items) == 6
    assert items[0]["classes"] == ["crack", "dark"]
    assert "random_sample" not in str(items)


def test_a_verdict_is_kept_once_however_often_it_is_sent(client, person):
    flag, uuid = FlagFactory(), str(uuid4())
    for _ in range(3):
        assert post(client, "verdict", flag=flag.pk, uuid=uuid, answer="good", seconds=1.5).status_code == 200
    assert Review.objects.get().seconds == 1.5
    assert FlaggedImage.objects.get().state == "labelled"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"uuid": "no"}, "uuid"), ({"answer": "maybe"}, "answer"), ({"flag": "x"}, "flag"), ({"seconds": -1}, "seconds")],
)
def test_a_wrong_verdict_is_refused_by_field(client, person, changes, field):
    body = {"flag": FlagFactory().pk, "uuid": str(uuid4()), "answer": "good"} | changes
    reply = post(client, "verdict", **body)
    assert reply.status_code == 400
    assert field in reply.json()["fields"]


def test_a_body_that_is_not_json_is_refused(client, person):
    reply = client.post(
        reverse("defects:verdict"), b"{", content_type="application/json", headers={"accept": "application/json"}
    )
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


def test_undo_hands_the_image_out_again_and_says_when_there_is_nothing(client, person):
    flag = FlagFactory()
    post(client, "verdict", flag=flag.pk, uuid=str(uuid4()), answer="good")
    assert post(client, "undo").json()["item"]["id"] == flag.pk
    assert post(client, "undo").json()["item"] is None


def test_a_skipped_image_goes_back_to_the_queue(client, person):
    flag = FlagFactory()
    post(client, "claim")
    assert post(client, "skip", flag=flag.pk).status_code == 200
    assert FlaggedImage.objects.get().state == "waiting"


def test_an_image_is_served_as_a_picture_and_nothing_else(client, person):
    flag = FlagFactory(sha256=files.store(png(11)))
    reply = client.get(reverse("defects:image", args=[flag.pk]))
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cache-Control"].startswith("private")


def test_a_file_that_is_no_picture_is_not_served(client, person):
    flag = FlagFactory(sha256=files.store(b"<script>alert(1)</script>"))
    assert client.get(reverse("defects:image", args=[flag.pk])).status_code == 404


def test_an_image_of_another_site_does_not_exist(client):
    flag = FlagFactory(sha256=files.store(png(12)))
    client.force_login(PersonFactory(role=Role.REVIEWER, role__site_id=flag.device.line.site_id + 1000))
    assert client.get(reverse("defects:image", args=[flag.pk])).status_code == 404


def test_a_viewer_may_not_review(client):
    client.force_login(PersonFactory(role=Role.VIEWER))
    assert client.get(reverse("defects:review")).status_code == 403
    assert post(client, "claim").status_code == 403


def test_the_api_lists_flagged_images_without_saying_which_are_samples(client, person):
    flag = FlagFactory(reason="random_sample")
    (row,) = client.get(reverse("api:flag_list"), {"state": "waiting"}).json()["results"]
    assert (row["id"], row["score_ratio"]) == (flag.pk, 0.5)
    assert "reason" not in row
