import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.rights import Role
from apps.core import files
from apps.datasets.models import DatasetVersion
from apps.datasets.states import ImportState
from tests.factories.datasets import DatasetFactory, ImageFactory, frozen
from tests.factories.models import person

pytestmark = pytest.mark.django_db


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def text(response) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_an_empty_list_says_what_to_do_next():
    assert "import_elpv" in text(signed_in(Role.VIEWER).get(reverse("datasets:list")))


def test_a_running_import_shows_how_far_it_is():
    progress = {"done": 128, "of": 2624, "skipped_count": 1, "skipped": [{"file": "a.txt", "reason": "Not one."}]}
    dataset = DatasetFactory(state=ImportState.RUNNING, progress=progress)
    client = signed_in(Role.VIEWER)
    assert "128 of 2,624" in text(client.get(reverse("datasets:list_live")))
    page = text(client.get(reverse("datasets:detail", args=[dataset.pk])))
    assert 'aria-valuenow="128"' in page
    assert "a.txt" in page
    assert "Not one." in page


def test_the_page_shows_splits_and_classes():
    version = frozen(good=40, defect=20)
    page = text(signed_in(Role.REVIEWER).get(reverse("datasets:detail", args=[version.dataset_id])))
    assert '<td class="num">22</td><td class="num">11</td><td class="num">33</td>' in page
    assert page.count("/thumbnail/") == 60


def test_the_gallery_narrows_to_a_class_and_a_split():
    version = frozen(good=40, defect=20)
    address = reverse("datasets:detail", args=[version.dataset_id])
    page = text(signed_in(Role.REVIEWER).get(address, {"label": "defect", "split": "gate"}))
    assert page.count("/thumbnail/") == 3


def test_who_may_not_see_images_sees_figures_alone():
    version = frozen()
    client = signed_in(Role.VIEWER)
    page = text(client.get(reverse("datasets:detail", args=[version.dataset_id])))
    assert "Images are not shown to you" in page
    assert "/thumbnail/" not in page
    image = version.dataset.images.first()
    assert client.get(reverse("datasets:image", args=[image.pk])).status_code == 403


def test_a_picture_is_served_as_nothing_but_a_picture():
    image = ImageFactory()
    client = signed_in(Role.REVIEWER)
    whole = client.get(reverse("datasets:image", args=[image.pk]))
    small = client.get(reverse("datasets:thumbnail", args=[image.pk]))
    assert whole.content == files.read(image.sha256)
    assert (whole["Content-Type"], small["Content-Type"]) == ("image/png", "image/jpeg")
    for response in (whole, small):
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]
        assert response["Cache-Control"].startswith("private")


def test_an_image_whose_file_is_gone_is_not_found():
    image = ImageFactory()
    files.path_of(image.sha256).unlink()
    assert signed_in(Role.REVIEWER).get(reverse("datasets:thumbnail", args=[image.pk])).status_code == 404


def test_a_lead_freezes_a_version_and_a_viewer_does_not():
    version = frozen()
    ImageFactory(dataset=version.dataset)
    address = reverse("datasets:freeze", args=[version.dataset_id])
    assert signed_in(Role.VIEWER).post(address).status_code == 403
    assert DatasetVersion.objects.count() == 1
    assert signed_in(Role.LEAD).post(address).status_code == 302
    assert DatasetVersion.objects.count() == 2


def test_a_data_set_that_cannot_be_frozen_says_why():
    dataset = DatasetFactory()
    client = signed_in(Role.LEAD)
    page = text(client.post(reverse("datasets:freeze", args=[dataset.pk]), follow=True))
    assert "0 labelled images; at least 20 are needed." in page


def test_the_operation_lists_data_sets():
    ImageFactory(dataset=DatasetFactory(name="cells"))
    reply = signed_in(Role.VIEWER).get(reverse("api:dataset_list"), {"name": "cel"}).json()
    assert [(one["name"], one["image_count"]) for one in reply["results"]] == [("cells", 1)]
