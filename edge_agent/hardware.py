"""What this computer is, as far as a model package cares."""

import os
import platform
from pathlib import Path

import psutil

from edge_agent.contract.engines import available_engines
from edge_agent.wire.messages import Hardware

_X86_FLAGS = {
    "sse4_1",
    "sse4_2",
    "avx",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "amx_int8",
    "amx_bf16",
    "f16c",
    "fma",
}
_ARM_FLAGS = {"neon", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"}
CPU_FLAGS_TOLD = frozenset(_X86_FLAGS | _ARM_FLAGS)
"""The instructions that inference runtimes choose by."""
_CPU_FILE = Path("/proc/cpuinfo")


def hardware() -> Hardware:
    """Costs a few milliseconds; the answer does not change while the agent runs."""
    return Hardware(
        machine=platform.machine(),
        cpu=(platform.processor() or platform.machine())[:200],
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        engines=available_engines(),
        cpu_flags=_cpu_flags(),
    )


def _cpu_flags() -> list[str]:
    """Empty where the system does not tell them."""
    try:
        lines = _CPU_FILE.read_text().splitlines()
    except OSError:
        return []
    told = next((line for line in lines if line.partition(":")[0].strip() in ("flags", "Features")), "")
    return sorted(CPU_FLAGS_TOLD.intersection(told.partition(":")[2].split()))
