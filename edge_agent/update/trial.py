"""The first run of a new version, in a child process: a bad model may crash or hang a native runtime, so not here.

Parent: `run_trial`. Child: `python -m edge_agent.update.trial FOLDER`, one line of JSON on its standard output.
"""

import contextlib
import functools
import logging
import math
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import msgspec

import edge_agent
from edge_agent.clock import Clock
from edge_agent.contract.engines import EngineError, EngineUnavailable, runtime_of
from edge_agent.contract.parity import GoldenBroken, GoldenFrames, check_parity, package_steps, read_golden
from edge_agent.update.probation import percentile_95
from edge_agent.update.slots import LoadedModel, load_engine
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.manifest import MANIFEST_NAME, Manifest
from edge_agent.wire.words import CannotJudge

logger = logging.getLogger(__name__)

TRIAL_TIMEOUT_S = 120.0
ENGINE_MISSING = "engine_missing"
"""The reason that is the device's and not the version's."""
_LOOK_S = 0.05
_WARM_RUNS = 3
_TIMED_RUNS = 30
_ADDRESS_SPACE_BYTES = 8 * 1024**3
_FILE_BYTES = 2 * 1024**3
"""An engine's cache may be large; a disk filled by a model may not."""
_OPEN_FILES = 256
_NICENESS = 10
"""The trial shares the processor with the line, and the line comes first."""


class TrialReport(msgspec.Struct, frozen=True, kw_only=True):
    """reason: a stable code why the version must not run; empty when it passed."""

    reason: str = ""
    text: str = ""
    frame_count: int = 0
    tensor_max_difference: float = 0.0
    score_max_difference: float = 0.0
    p95_ms: float = 0.0
    memory_bytes: int = 0

    def evidence(self) -> dict[str, float]:
        figures = {
            "frame_count": float(self.frame_count),
            "tensor_max_difference": self.tensor_max_difference,
            "score_max_difference": self.score_max_difference,
            "p95_ms": round(self.p95_ms, 3),
            "memory_bytes": float(self.memory_bytes),
        }
        return {name: value for name, value in figures.items() if math.isfinite(value)}


class TrialStopped(Exception):
    """The agent is stopping. The trial says nothing about the version and is held again later."""


def run_trial(
    version: InstalledVersion, *, clock: Clock, stop: threading.Event, timeout_s: float = TRIAL_TIMEOUT_S
) -> TrialReport:
    """Try `version` in a child process. A crash or a hang is a report as well. Raises TrialStopped, OSError."""
    with _child(version.folder) as child:
        deadline_s = clock.monotonic_s() + timeout_s
        while child.poll() is None:
            if clock.wait(stop, _LOOK_S):
                raise TrialStopped
            if clock.monotonic_s() >= deadline_s:
                return TrialReport(reason="trial_timeout", text=f"no answer within {timeout_s:g} s")
        return _read_report(child)


@contextlib.contextmanager
def _child(folder: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [*isolation(), sys.executable, "-m", "edge_agent.update.trial", folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


@functools.cache
def isolation() -> tuple[str, ...]:
    """The words before a command that give it a network without anybody in it; none where this is not allowed.

    As root directly, else in a user namespace of its own, which some systems forbid. Asked once per process.
    """
    program = shutil.which("unshare")
    for words in ((program, "--net", "--"), (program, "--map-root-user", "--net", "--")) if program else ():
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    logger.warning("trial_not_cut_off reason=no network namespace is allowed here")
    return ()


def environment() -> dict[str, str]:
    """The child finds the same code as we did; it gets no other variable that could carry a secret."""
    above = str(Path(edge_agent.__file__).resolve().parents[1])
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": above}


def _read_report(child: subprocess.Popen[bytes]) -> TrialReport:
    output, _ = child.communicate()
    if child.returncode != 0:
        return TrialReport(reason="trial_crashed", text=f"the child ended with {child.returncode}")
    try:
        return msgspec.json.decode(output.splitlines()[-1], type=TrialReport)
    except (msgspec.DecodeError, IndexError) as exc:
        return TrialReport(reason="trial_crashed", text=f"the child's answer cannot be read: {exc}")


def try_version(folder: Path) -> TrialReport:
    """What the child does: load, compare the golden frames, measure."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes(), type=Manifest)
        golden = read_golden((folder / manifest.golden.file).read_bytes())
        version = InstalledVersion(digest=Digest(""), manifest=manifest, folder=str(folder))
        engine = load_engine(version)
        parity = check_parity(golden, manifest=manifest, steps=package_steps(manifest, engine))
    except (EngineError, GoldenBroken, ValueError, OSError, msgspec.DecodeError) as exc:
        return TrialReport(reason=_reason_of(exc), text=str(exc)[:500])
    if parity.frame_count == 0:
        return TrialReport(reason="golden_missing", text="the package has no golden frames")
    times_ms = _timed(LoadedModel(version, engine), golden)
    return TrialReport(
        reason=f"parity_{parity.diverged}" if parity.diverged else "" if times_ms else "engine_failed",
        text=parity.text,
        frame_count=parity.frame_count,
        tensor_max_difference=_finite(parity.tensor_max_difference),
        score_max_difference=_finite(parity.score_max_difference),
        p95_ms=percentile_95(times_ms),
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _timed(model: LoadedModel, golden: GoldenFrames) -> list[float]:
    """Milliseconds of whole judgements; empty when the engine failed in one."""
    judge = model.judge if model.manifest.signal is None else model.judge_signal
    times_ms = []
    for run in range(_WARM_RUNS + _TIMED_RUNS):
        started_s = perf_counter()
        judgement = judge(golden.frames[run % len(golden.frames)])
        if judgement.cannot_judge is CannotJudge.ENGINE_ERROR:
            return []
        times_ms.append((perf_counter() - started_s) * 1000)
    return times_ms[_WARM_RUNS:]


def _reason_of(error: Exception) -> str:
    if isinstance(error, EngineError):
        return ENGINE_MISSING if isinstance(error, EngineUnavailable) else "model_broken"
    return "golden_broken" if isinstance(error, GoldenBroken) else "package_damaged"


def _finite(value: float) -> float:
    return value if math.isfinite(value) else sys.float_info.max


def _limit_child(folder: Path) -> None:
    """Bound what a hostile model can take from the machine."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if _is_address_space_bound(folder):
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(TRIAL_TIMEOUT_S), int(TRIAL_TIMEOUT_S)))


def _is_address_space_bound(folder: Path) -> bool:
    """A GPU's driver reserves far more addresses than memory. What cannot be read is bound; the trial then says why."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes(), type=Manifest)
        return runtime_of(manifest.compatibility.engine).is_address_space_bound
    except (EngineError, OSError, ValueError):
        return True


def main() -> None:
    folder = Path(sys.argv[1])
    _limit_child(folder)
    report = try_version(folder)
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


if __name__ == "__main__":
    main()
