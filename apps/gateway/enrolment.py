"""A newcomer shows a code and proves that it holds its key; it leaves with its name and the root of all trust."""

from datetime import datetime

from apps.core.errors import Unavailable
from apps.devices.models import Device
from apps.devices.services import device_enrol
from apps.gateway.http import server_time_ms
from apps.models.services import repository
from edge_agent.wire.messages import EnrolReply, EnrolRequest


def enrol(request: EnrolRequest, *, now: datetime) -> EnrolReply:
    """Raises the refusals of `device_enrol`, and Unavailable while there is nothing that a device could trust."""
    # Before the code is used up: without a root the device could never trust a model.
    artifacts = repository()
    if not artifacts.exists:
        raise Unavailable("There is no artifact repository yet.", code="no_repository", retry_after_s=10.0)
    device = device_enrol(
        code=request.code,
        public_key=request.public_key,
        hardware=request.hardware,
        agent_version=request.agent_version,
        now=now,
    )
    line = Device.objects.select_related("line__site").get(pk=device.pk).line
    return EnrolReply(
        device_id=str(device.pk),
        name=device.name,
        site=line.site.name,
        line=line.name,
        server_time_ms=server_time_ms(),
        tuf_root=artifacts.root_bytes(),
    )
