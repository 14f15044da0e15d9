import pytest

from apps.core import files
from apps.defects.models import FlaggedImage
from apps.defects.selectors import images_wanted
from apps.defects.services import flags_store, image_arrived, reviews_release_due
from apps.defects.states import ReviewState
from tests.factories.defects import NOON, FlagFactory, flag_facts
from tests.factories.devices import DeviceFactory

pytestmark = pytest.mark.django_db


def test_a_flag_waits_for_its_image_and_joins_the_queue_when_it_is_here():
    device = DeviceFactory()
    flags_store([flag_facts(device)], NOON)
    assert images_wanted(device.pk) == ["c" * 64]

    assert image_arrived("c" * 64, NOON) == 1

    assert FlaggedImage.objects.get().state == ReviewState.WAITING
    assert images_wanted(device.pk) == []


def test_a_flag_that_comes_twice_is_kept_once():
    device = DeviceFactory()
    flags_store([flag_facts(device)], NOON)
    flags_store([flag_facts(device), flag_facts(device, seq=2)], NOON)
    assert FlaggedImage.objects.count() == 2


def test_an_image_that_was_here_before_its_flag_is_not_asked_for():
    device, sha256 = DeviceFactory(), files.store(b"an image that came first")
    flags_store([flag_facts(device, sha256=sha256)], NOON)
    assert FlaggedImage.objects.get().state == ReviewState.WAITING


def test_an_arrival_that_nobody_noticed_is_found_by_the_reconciler():
    flag = FlagFactory(state=ReviewState.AWAITING_IMAGE, sha256=files.store(b"an image that told nobody"))
    FlagFactory(state=ReviewState.AWAITING_IMAGE)

    assert reviews_release_due(now=NOON) == 1

    flag.refresh_from_db()
    assert flag.state == ReviewState.WAITING


def test_images_are_asked_for_only_from_the_device_that_has_them():
    FlagFactory(state=ReviewState.AWAITING_IMAGE)
    assert images_wanted(DeviceFactory().pk) == []
