"""Who asks for a page, and whether for a device of theirs."""

from uuid import UUID

from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.accounts.services import require
from apps.core.errors import NotFound
from apps.devices.models import Device
from apps.devices.selectors import devices

Asker = User


def asker(request: HttpRequest) -> User:
    """The signed-in person; the rights matrix lets nobody else through to a page that calls this."""
    assert isinstance(request.user, User), "the rights matrix must not leave this page open"
    return request.user


def device_seen(person: User, device_id: UUID, permission: Permission = Permission.SEE_FLEET) -> Device:
    """The device, if this person holds the permission where it stands.

    Raises NotFound where the person may not even see it: whether it exists is then not theirs to know.
    """
    held = devices(scope=scope(person, Permission.SEE_FLEET))
    device = held.filter(pk=device_id).first()
    if device is None:
        raise NotFound("There is no such device, or it stands at a site that is not yours.")
    require(person, permission, device.line.site_id)
    return device
