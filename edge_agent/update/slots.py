"""Which model version the line uses: changed between two frames by one reference assignment."""

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import msgspec
from numpy.typing import NDArray

from edge_agent.contract.decision import verdict_of
from edge_agent.contract.engines import Engine, EngineError, open_engine, runtime_of
from edge_agent.contract.inputs import model_input
from edge_agent.contract.signals import Samples
from edge_agent.durable import write_durably
from edge_agent.update.versions import VersionDamaged, Versions
from edge_agent.values import Digest, InstalledVersion, ItemObservation, Judgement, Pixels
from edge_agent.wire.manifest import Manifest
from edge_agent.wire.words import CannotJudge, Verdict

logger = logging.getLogger(__name__)

SLOTS_FILE = "slots.json"
UNPROVEN_STARTS_MAX = 3
_ENGINE_CACHE = "engine-cache"
_OBSERVATIONS_MAX = 10_000
"""More than any probation asks for; older ones give way, because the line never waits for a reader."""


class _SlotsFile(msgspec.Struct, frozen=True, kw_only=True):
    """is_proven: the active version passed its probation. given_up: the last one that did not even start."""

    active: str | None = None
    previous: str | None = None
    is_proven: bool = True
    start_count: int = 0
    given_up: str | None = None


class LoadedModel:
    """One version with its engine. One thread at a time."""

    def __init__(self, version: InstalledVersion, engine: Engine) -> None:
        self.digest = version.digest
        self.manifest: Manifest = version.manifest
        self._engine = engine

    def judge(self, pixels: Pixels, threshold_ratio: float | None = None) -> Judgement:
        """The verdict on one frame; cannot_judge, never an exception, when the frame or the engine is bad.

        threshold_ratio: overrides the package's own.
        """
        return self._judged(pixels, threshold_ratio)

    def judge_signal(self, samples: Samples, threshold_ratio: float | None = None) -> Judgement:
        """The same on one recording. samples: (channels, sample_count)."""
        return self._judged(samples, threshold_ratio)

    def _judged(self, shown: NDArray[Any], threshold_ratio: float | None) -> Judgement:
        started_s = perf_counter()
        try:
            tensor = model_input(shown, self.manifest)
        except (cv2.error, ValueError, IndexError) as exc:
            logger.debug("frame_not_preprocessed error=%s", exc)
            return _no_verdict(CannotJudge.BAD_FRAME)
        prepared_s = perf_counter()
        try:
            score_ratio = self._engine.run(tensor)
        except EngineError as exc:
            logger.debug("engine_failed digest=%s error=%s", self.digest[:12], exc)
            return _no_verdict(CannotJudge.ENGINE_ERROR)
        inferred_s = perf_counter()
        threshold = self.manifest.decision.threshold_ratio if threshold_ratio is None else threshold_ratio
        verdict = verdict_of(score_ratio, threshold)
        return Judgement(
            verdict=verdict,
            label=self._label(verdict),
            score_ratio=score_ratio,
            threshold_ratio=threshold,
            cannot_judge=None,
            preprocess_ms=(prepared_s - started_s) * 1000,
            infer_ms=(inferred_s - prepared_s) * 1000,
            decide_ms=(perf_counter() - inferred_s) * 1000,
        )

    def close(self) -> None:
        """Release the engine. Only when no frame can be in it any more."""
        self._engine.close()

    def _label(self, verdict: Verdict) -> str:
        decision = self.manifest.decision
        return decision.defect_label if verdict is Verdict.DEFECT else decision.good_label


def load_model(version: InstalledVersion) -> LoadedModel:
    """Raises EngineError."""
    return LoadedModel(version, load_engine(version))


def load_engine(version: InstalledVersion) -> Engine:
    """The engine that the package asks for, with its model. Raises EngineError."""
    folder = Path(version.folder)
    cache_folder = None
    if runtime_of(version.manifest.compatibility.engine).is_caching:
        cache_folder = _engine_cache(folder)
    return open_engine(version.manifest, folder / version.manifest.model_file, cache_folder=cache_folder)


def _engine_cache(folder: Path) -> Path | None:
    """Lies in the version's own folder, so that it is deleted with it. None: the disk refuses, and it goes without."""
    cache_folder = folder / _ENGINE_CACHE
    try:
        cache_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        logger.warning("engine_cache_refused folder=%s error=%s", cache_folder, exc)
        return None
    return cache_folder


class Slots:
    """The active version and the one before it. One thread changes them, the line only reads `current`.

    The choice is on disk before it takes effect, so that after a crash it is the old version or the new one.
    """

    def __init__(
        self, folder: Path, versions: Versions, *, load: Callable[[InstalledVersion], LoadedModel] = load_model
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / SLOTS_FILE
        self._versions = versions
        self._load = load
        self._chosen = _read(self._path)
        self._before: LoadedModel | None = None
        self._observations: deque[ItemObservation] = deque(maxlen=_OBSERVATIONS_MAX)
        self.current: LoadedModel | None = None
        """Read once per frame. None: no model, every item is `cannot_judge`."""

    @property
    def active_digest(self) -> Digest | None:
        """What runs, not what should."""
        current = self.current
        return current.digest if current else None

    @property
    def previous_digest(self) -> Digest | None:
        return _digest(self._chosen.previous)

    @property
    def given_up_digest(self) -> Digest | None:
        """An unproven version that failed to start, and was replaced by the one before it."""
        return _digest(self._chosen.given_up)

    def observe(self, observation: ItemObservation) -> None:
        """Tell what became of one item. Never blocks."""
        self._observations.append(observation)

    def take_observations(self) -> list[ItemObservation]:
        """What was observed since the last call."""
        taken = []
        while self._observations:
            taken.append(self._observations.popleft())
        return taken

    def load_on_start(self) -> None:
        """Bring back the version that ran, or the one before it when that fails. Raises OSError.

        An unproven version gets three starts, counted before each: one that kills the agent is then left out.
        """
        chosen = self._chosen
        if chosen.active is None:
            return
        if not chosen.is_proven:
            if chosen.start_count >= UNPROVEN_STARTS_MAX:
                self._fall_back()
                return
            self._save(msgspec.structs.replace(chosen, start_count=chosen.start_count + 1))
        self.current = self._try_load(Digest(chosen.active))
        if self.current is None:
            self._fall_back()

    def activate(self, version: InstalledVersion) -> None:
        """Switch the line to `version`, unproven until `confirm`. Raises EngineError or OSError, with nothing changed.

        The old version stays in memory until then, so that going back needs neither disk nor network.
        """
        model = self._load(version)
        self._save(_SlotsFile(active=version.digest, previous=self.active_digest, is_proven=False, start_count=1))
        self._before, self.current = self.current, model
        self._observations.clear()

    def confirm(self) -> None:
        """The active version is proven. Calling it twice changes nothing. Raises OSError."""
        if not self._chosen.is_proven:
            self._save(msgspec.structs.replace(self._chosen, is_proven=True, start_count=0))
        # Not closed: the line may be within its last frame with it. The last reference frees it.
        self._before = None

    def roll_back(self) -> None:
        """Go back to the version before the active one; to none when there was none.

        The line is back on it even when the disk fails and this raises OSError; call again to make that last.
        """
        previous = self.previous_digest
        if self._before is None and previous is not None:
            self._before = self._try_load(previous)
        self.current = self._before
        self._observations.clear()
        self._save(_SlotsFile(active=previous, given_up=self._chosen.given_up))
        self._before = None

    def _fall_back(self) -> None:
        logger.error("version_not_started digest=%s previous=%s", self._chosen.active, self._chosen.previous)
        self._save(msgspec.structs.replace(self._chosen, given_up=self._chosen.active))
        self.roll_back()

    def _try_load(self, digest: Digest) -> LoadedModel | None:
        try:
            return self._load(self._versions.load(digest))
        except (EngineError, VersionDamaged) as exc:
            logger.error("version_not_loaded digest=%s error=%s", digest[:12], exc)  # noqa: TRY400  told in one line
            return None

    def _save(self, chosen: _SlotsFile) -> None:
        write_durably(self._path, msgspec.json.encode(chosen))
        self._chosen = chosen


def chosen_digests(folder: Path) -> tuple[Digest | None, Digest | None]:
    """(active, previous) as the disk has them, for reading beside a running agent."""
    chosen = _read(folder / SLOTS_FILE)
    return _digest(chosen.active), _digest(chosen.previous)


def _read(path: Path) -> _SlotsFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_SlotsFile)
    except FileNotFoundError:
        return _SlotsFile()
    except msgspec.DecodeError as exc:
        logger.warning("slots_unreadable error=%s", exc)
        return _SlotsFile()


def _digest(text: str | None) -> Digest | None:
    return Digest(text) if text else None


def _no_verdict(reason: CannotJudge) -> Judgement:
    return Judgement(
        verdict=Verdict.CANNOT_JUDGE, label="", score_ratio=None, threshold_ratio=None, cannot_judge=reason
    )
