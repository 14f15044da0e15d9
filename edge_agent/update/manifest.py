"""Whether a package may run on this device."""

import re

from edge_agent.contract.package import Package, PackageRefused, open_package
from edge_agent.wire.manifest import Manifest
from edge_agent.wire.messages import Hardware

__all__ = ["Package", "PackageRefused", "incompatibility", "open_package"]


def incompatibility(manifest: Manifest, hardware: Hardware, *, agent_version: str) -> str:
    """Why this package must not run here; empty when it may."""
    wants = manifest.compatibility
    engines = {engine.split(" ")[0] for engine in hardware.engines}
    if wants.engine not in engines:
        return f"engine_missing: {wants.engine}"
    if wants.machines and hardware.machine not in wants.machines:
        return f"machine_differs: {hardware.machine} is not one of {', '.join(wants.machines)}"[:200]
    if hardware.memory_bytes < wants.min_memory_bytes:
        return f"memory_too_small: {hardware.memory_bytes} bytes of {wants.min_memory_bytes}"
    if _version(agent_version) < _version(wants.min_agent_version):
        return f"agent_too_old: {agent_version} before {wants.min_agent_version}"
    return ""


def _version(text: str) -> tuple[int, ...]:
    """Numbers of a dotted version; what follows the first other sign does not count."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in numbers.group().split(".")) if numbers else ()
