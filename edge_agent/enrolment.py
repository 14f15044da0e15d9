"""Becoming a known device: one code, used once, and an identity that is on disk before anything relies on it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent import __version__
from edge_agent.cloud import CloudClient
from edge_agent.hardware import hardware
from edge_agent.identity import Credentials, DeviceFile, drop_other_keys, load_device, pending_keys, save_device
from edge_agent.wire.messages import EnrolReply, EnrolRequest

logger = logging.getLogger(__name__)


class AlreadyEnrolled(Exception):
    """This data folder has an identity. Replacing it makes a new device of it, and must be asked for."""


@dataclass(frozen=True, slots=True)
class EnrolmentOrder:
    """replaces: give up the identity that this folder has."""

    cloud_url: str
    code: str
    folder: Path
    replaces: bool = False


def enrol(order: EnrolmentOrder, *, connect: Callable[[Credentials], CloudClient]) -> DeviceFile:
    """Enrol this data folder and return its new identity, which is durable.

    Repeating after a lost reply sends the same key again. Raises AlreadyEnrolled, CloudError, OSError.
    """
    order.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = load_device(order.folder)
    if known is not None and not order.replaces:
        raise AlreadyEnrolled(f"This folder belongs to device {known.name} ({known.device_id}).")
    keys = pending_keys(order.folder, enrolled_key=known.public_key if known else None)
    cloud = connect(Credentials(keys=keys, subject=keys.public_key))
    reply = cloud.enrol(
        EnrolRequest(
            code=order.code.strip(), public_key=keys.public_key, agent_version=__version__, hardware=hardware()
        )
    )
    device = _device_file(reply, cloud_url=order.cloud_url, public_key=keys.public_key)
    save_device(order.folder, device)
    drop_other_keys(order.folder, enrolled_key=device.public_key)
    logger.info("enrolled device=%s name=%s site=%s line=%s", device.device_id, device.name, device.site, device.line)
    return device


def _device_file(reply: EnrolReply, *, cloud_url: str, public_key: str) -> DeviceFile:
    return DeviceFile(
        device_id=reply.device_id,
        name=reply.name,
        site=reply.site,
        line=reply.line,
        cloud_url=cloud_url,
        public_key=public_key,
        tuf_root=reply.tuf_root,
    )
