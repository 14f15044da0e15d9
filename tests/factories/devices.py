import base64

import factory
from factory.django import DjangoModelFactory

from apps.devices.models import Device, Line, Site
from apps.devices.states import Admission


class SiteFactory(DjangoModelFactory):
    class Meta:
        model = Site

    name = factory.Sequence(lambda n: f"Plant {n}")
    time_zone = "Europe/Berlin"


class LineFactory(DjangoModelFactory):
    class Meta:
        model = Line

    site = factory.SubFactory(SiteFactory)
    name = factory.Sequence(lambda n: f"Line {n}")
    product = "Cell"


class ExpectedDeviceFactory(DjangoModelFactory):
    class Meta:
        model = Device

    line = factory.SubFactory(LineFactory)
    name = factory.Sequence(lambda n: f"cam-{n:03}")


class DeviceFactory(ExpectedDeviceFactory):
    """Enrolled, with a key that nobody holds."""

    state = Admission.ENROLLED
    public_key = factory.Sequence(lambda n: base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode())
