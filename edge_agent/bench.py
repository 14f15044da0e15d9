"""The bench: every engine that can run a package here, with several numbers of threads, each in a process of its own.

Parent: `bench_rows`. Child: `python -m edge_agent.bench FOLDER ENGINE THREADS RUNS STARTED_S`, one line of JSON.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_agent import __version__
from edge_agent.clock import Clock
from edge_agent.contract.bench import measured_row
from edge_agent.contract.engines import EngineError, available_engines, open_engine
from edge_agent.contract.parity import GoldenBroken, read_golden
from edge_agent.hardware import hardware
from edge_agent.identity import Identity
from edge_agent.update.trial import environment, isolation
from edge_agent.values import InstalledVersion
from edge_agent.wire.bench import CARD_CONTEXT, BenchmarkCard, BenchRow, SignedCard
from edge_agent.wire.codec import encode
from edge_agent.wire.manifest import MANIFEST_NAME, Manifest

ROW_TIMEOUT_S = 120.0
RUNS = 200
THREADS_MAX = 4
_NICENESS = 10
"""A bench beside a running line gets what the line leaves."""
_ENGINES_BY_SUFFIX = {
    ".onnx": ("onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "openvino"),
    ".tflite": ("litert",),
    ".xml": ("openvino",),
}


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """threads: each number is tried with each engine."""

    threads: tuple[int, ...] = field(default_factory=lambda: default_threads(os.cpu_count() or 1))
    run_count: int = RUNS
    timeout_s: float = ROW_TIMEOUT_S


def default_threads(cpu_count: int) -> tuple[int, ...]:
    """1, 2, 4, no more than there are processors."""
    return tuple(count for count in (1, 2, THREADS_MAX) if count <= max(1, cpu_count))


def engines_for(manifest: Manifest) -> list[str]:
    """The engines here that read this package's model, the package's own first."""
    here = {engine.split(" ")[0] for engine in available_engines()}
    able = [name for name in _ENGINES_BY_SUFFIX.get(Path(manifest.model_file).suffix, ()) if name in here]
    own = manifest.compatibility.engine
    return sorted(able, key=lambda name: name != own)


def bench_rows(version: InstalledVersion, plan: BenchPlan) -> list[BenchRow]:
    """Measure. What an engine cannot do is a row with its error, never an exception."""
    return [
        _row_of_child(version, BenchRow(engine=engine, threads=threads, run_count=plan.run_count), plan.timeout_s)
        for engine in engines_for(version.manifest)
        for threads in plan.threads
    ]


def signed_card(
    version: InstalledVersion, rows: Sequence[BenchRow], *, identity: Identity, size_bytes: int, clock: Clock
) -> SignedCard:
    manifest = version.manifest
    card = BenchmarkCard(
        at_ms=clock.wall_ms(),
        device_id=identity.device.device_id,
        public_key=identity.keys.public_key,
        agent_version=__version__,
        hardware=hardware(),
        name=manifest.name,
        version=manifest.version,
        digest=version.digest,
        size_bytes=size_bytes,
        model_bytes=manifest.files[manifest.model_file].size_bytes,
        frame_count=manifest.golden.count,
        rows=list(rows),
    )
    body = encode(card)
    return SignedCard(card=body, signature=identity.keys.sign_bytes(CARD_CONTEXT + body))


def table_text(rows: Sequence[BenchRow]) -> str:
    """For people."""
    lines = [f"{'engine':<22}{'threads':>8}{'cold ms':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'MB':>8}"]
    for row in rows:
        start = f"{row.engine:<22}{row.threads:>8}"
        figures = (row.cold_start_ms, row.p50_ms, row.p95_ms, row.p99_ms)
        measured = "".join(f"{figure:>10.2f}" for figure in figures) + f"{row.memory_bytes / 1e6:>8.0f}"
        lines.append(start + (f"  {row.error}" if row.error else measured))
    return "\n".join(lines)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _row_of_child(version: InstalledVersion, blank: BenchRow, timeout_s: float) -> BenchRow:
    words = [version.folder, blank.engine, str(blank.threads), str(blank.run_count), repr(time.monotonic())]
    try:
        child = subprocess.run(
            [*isolation(), sys.executable, "-m", "edge_agent.bench", *words],
            capture_output=True,
            check=False,
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return msgspec.structs.replace(blank, error=f"no answer within {timeout_s:g} s")
    try:
        return msgspec.json.decode(child.stdout.splitlines()[-1], type=BenchRow)
    except (msgspec.DecodeError, IndexError):
        return msgspec.structs.replace(blank, error=f"the child ended with {child.returncode}")


def row_in_this_process(folder: Path, blank: BenchRow, started_s: float) -> BenchRow:
    """What the child does. started_s: when the parent started it, by the monotonic clock that all processes share."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes(), type=Manifest)
        golden = read_golden((folder / manifest.golden.file).read_bytes())
        compatibility = msgspec.structs.replace(manifest.compatibility, engine=blank.engine)
        manifest = msgspec.structs.replace(manifest, compatibility=compatibility)
        return measured_row(
            manifest,
            golden,
            open_engine=lambda: open_engine(manifest, folder / manifest.model_file, threads=blank.threads),
            elapsed_s=lambda: time.monotonic() - started_s,
            blank=blank,
        )
    except (EngineError, GoldenBroken, OSError, ValueError, IndexError) as exc:
        return msgspec.structs.replace(blank, error=f"{type(exc).__name__}: {exc}"[:200])


def main() -> None:
    os.nice(_NICENESS)
    folder, engine, threads, run_count, started_s = sys.argv[1:]
    blank = BenchRow(engine=engine, threads=int(threads), run_count=int(run_count))
    row = row_in_this_process(Path(folder), blank, float(started_s))
    sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


if __name__ == "__main__":
    main()
