"""What a fault test leaves behind: one JSON file per run, and the same in the report of a failure."""

import json
import os
from dataclasses import asdict
from pathlib import Path

RESULTS_ENV = "FAULT_RESULTS_DIR"
"""A folder; when set, each run leaves its JSON record there."""


def leave_record(name: str, outcome) -> None:
    """outcome: a dataclass with a `seed`."""
    leave_facts(name, **asdict(outcome))


def leave_facts(name: str, *, seed: int, **facts) -> None:
    print(name, f"seed={seed}", *(f"{key}={value}" for key, value in facts.items()))  # noqa: T201
    folder = os.environ.get(RESULTS_ENV)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps({"fault": name, "seed": seed} | facts, indent=2, default=str)
        (Path(folder) / f"{name}-{seed}.json").write_text(text)
