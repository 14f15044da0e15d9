"""Whether a package may run on this device."""

import re

from edge_agent.contract.package import Package, PackageRefused, open_package
from edge_agent.wire.manifest import Compatibility, Manifest
from edge_agent.wire.messages import Hardware

__all__ = ["Package", "PackageRefused", "incompatibility", "open_package", "unmet"]


def incompatibility(manifest: Manifest, hardware: Hardware, *, agent_version: str) -> str:
    """Why this package must not run here; empty when it may."""
    return unmet(manifest.compatibility, hardware, agent_version=agent_version)


def unmet(wants: Compatibility, hardware: Hardware, *, agent_version: str) -> str:
    """The first thing that this device lacks, its code first; empty when it has all."""
    checks = (_engine(wants, hardware), _processor(wants, hardware), _memory(wants, hardware))
    reason = next((text for text in checks if text), "")
    if not reason and _version(agent_version) < _version(wants.min_agent_version):
        reason = f"agent_too_old: {agent_version} before {wants.min_agent_version}"
    return reason[:200]


def _engine(wants: Compatibility, hardware: Hardware) -> str:
    engines = {engine.split(" ")[0] for engine in hardware.engines}
    return "" if wants.engine in engines else f"engine_missing: {wants.engine}"


def _processor(wants: Compatibility, hardware: Hardware) -> str:
    if wants.machines and hardware.machine not in wants.machines:
        return f"machine_differs: {hardware.machine} is not one of {', '.join(wants.machines)}"
    missing = sorted(set(wants.cpu_flags) - set(hardware.cpu_flags))
    return f"cpu_flags_missing: {', '.join(missing)}" if missing else ""


def _memory(wants: Compatibility, hardware: Hardware) -> str:
    if hardware.memory_bytes >= wants.min_memory_bytes:
        return ""
    return f"memory_too_small: {hardware.memory_bytes} bytes of {wants.min_memory_bytes}"


def _version(text: str) -> tuple[int, ...]:
    """Numbers of a dotted version; what follows the first other sign does not count."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in numbers.group().split(".")) if numbers else ()
