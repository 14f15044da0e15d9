"""Builds the demo's plants: sites, lines, devices with their one-time codes, and each machine's settings file."""

import json
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.alerts import services as alerts
from apps.alerts.states import RuleKind
from apps.devices import services as devices
from apps.devices.models import Device, Line, Site
from apps.devices.states import Admission
from hybridai.demo.factory import DEVICES, PRODUCT, SITES, DemoDevice, DeviceFolders, device_folders

ACTOR = "system:demo"
CODE_LIFETIME_S = 3600


def plant_build(*, data_dir: Path, cloud_url: str) -> None:
    """Make what is missing; a second call changes nothing."""
    # A visitor who freezes a device should not wait as long as a plant's night shift.
    alerts.rule_limit_set(kind=RuleKind.DEVICE_SILENT, limit=settings.SILENT_AFTER_S, actor=ACTOR, now=timezone.now())
    for name, zone in SITES.items():
        if not Site.objects.filter(name=name).exists():
            devices.site_create(name=name, time_zone=zone)
    for machine in DEVICES:
        folders = device_folders(data_dir, machine.name)
        folders.root.mkdir(parents=True, exist_ok=True)
        _hand_out_code(_registered(machine), folders)
        _write(folders.config, agent_toml(machine, folders, cloud_url))


def plant_device_ids() -> list[UUID]:
    """The demo's devices that have enrolled."""
    names = [machine.name for machine in DEVICES]
    enrolled = Device.objects.filter(name__in=names, state=Admission.ENROLLED)
    return list(enrolled.values_list("pk", flat=True))


def agent_toml(machine: DemoDevice, folders: DeviceFolders, cloud_url: str) -> str:
    text = {
        "cloud_url": cloud_url,
        "data_folder": str(folders.agent_data),
        "[camera]": "",
        "folder": str(folders.pictures),
        "product": PRODUCT,
        "lot": machine.lot,
    }
    # JSON's quoting of a string is valid TOML.
    lines = [key if key.startswith("[") else f"{key} = {json.dumps(value)}" for key, value in text.items()]
    return "\n".join(lines) + "\n"


def _registered(machine: DemoDevice) -> Device:
    if device := Device.objects.filter(name=machine.name).first():
        return device
    site = Site.objects.get(name=machine.site)
    line = Line.objects.filter(site=site, name=machine.line).first()
    line = line or devices.line_create(site=site, name=machine.line, product=PRODUCT)
    return devices.device_register(line=line, name=machine.name, actor=ACTOR)


def _hand_out_code(device: Device, folders: DeviceFolders) -> None:
    if device.state != Admission.EXPECTED or folders.code.exists():
        return
    code = devices.enrolment_code_issue(device=device, by=None, now=timezone.now(), lifetime_s=CODE_LIFETIME_S)
    _write(folders.code, code)


def _write(file: Path, text: str) -> None:
    if file.exists() and file.read_text() == text:
        return
    draft = file.with_name(f"{file.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)
