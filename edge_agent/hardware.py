"""What this computer is, as far as a model package cares."""

import os
import platform

import psutil

from edge_agent.contract.engines import available_engines
from edge_agent.wire.messages import Hardware


def hardware() -> Hardware:
    """Costs a few milliseconds; the answer does not change while the agent runs."""
    return Hardware(
        machine=platform.machine(),
        cpu=(platform.processor() or platform.machine())[:200],
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        engines=available_engines(),
    )
