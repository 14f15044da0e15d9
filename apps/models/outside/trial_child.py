"""Runs `apps.models.trial` and survives whatever happens in there."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120.0
PROJECT_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class TrialReport:
    """code: empty when the package works, else a stable word. text: what was measured, or why not."""

    code: str
    text: str


def package_try(package: Path, *, timeout_s: float = TIMEOUT_S) -> TrialReport:
    """Load the package in a child process and run its golden frames. Takes about 3 s, at most `timeout_s`."""
    # Nothing of our environment: no database address and no secret is anything to a model.
    environment = {"PATH": os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "apps.models.trial", str(package.resolve())]
    try:
        ended = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return TrialReport("model_hangs", f"The model gave no answer within {timeout_s:.0f} s.")
    if ended.returncode != 0:
        return TrialReport("model_crashes", f"The model ended its process (status {ended.returncode}).")
    answer = json.loads(ended.stdout.splitlines()[-1])
    return TrialReport(answer["code"], answer["text"])
