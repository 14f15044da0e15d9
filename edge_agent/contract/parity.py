"""Golden frames: proof that this side computes what the training side computed, or which stage does not.

Each stage is fed the golden input of that stage, so that one wrong stage cannot blame the next.
"""

import io
import math
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.contract.decision import verdict_of
from edge_agent.contract.engines import Engine
from edge_agent.contract.inputs import model_input
from edge_agent.contract.preprocessing import decode
from edge_agent.contract.skews import SKEW_TEXTS, Skew, decode_skew, tensor_skew
from edge_agent.values import Pixels, Tensor
from edge_agent.wire.manifest import Manifest
from edge_agent.wire.words import Verdict


class Stage(StrEnum):
    """In the order of computation."""

    DECODE = "decode"
    PREPROCESS = "preprocess"
    SCORE = "score"
    VERDICT = "verdict"


class GoldenBroken(Exception):
    """The golden file is no set of golden frames."""


@dataclass(frozen=True, slots=True)
class GoldenFrames:
    """What the training side computed.

    frames: (N, H, W, 3) uint8, BGR; of signals, `samples` in the file: (N, channels, sample_count) float.
    tensors: float32, (N, C, H, W) or (N, H, W, C); of signals as `to_signal_tensor` gives them. scores: (N,) float32.
    encoded: the image files that decode to `frames`, or empty when only the frames are known.
    verdicts: at the package's threshold, or empty: then they follow from the scores.
    """

    frames: NDArray[Any]
    tensors: NDArray[np.float32]
    scores: NDArray[np.float32]
    encoded: tuple[bytes, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def is_signal(self) -> bool:
        return self.frames.ndim == 3


@dataclass(frozen=True, slots=True)
class Steps:
    """The computation under test, stage by stage."""

    decode: Callable[[bytes], Pixels]
    to_tensor: Callable[[NDArray[Any]], Tensor]
    score: Callable[[Tensor], float]
    verdict: Callable[[float], Verdict]


@dataclass(frozen=True, slots=True)
class ParityReport:
    """diverged: the first stage outside its tolerance; None when all agree."""

    frame_count: int
    diverged: Stage | None
    pixel_max_difference: float
    tensor_max_difference: float
    score_max_difference: float
    verdict_flips: int
    skew: Skew | None = None
    """What is done differently, where the difference tells."""

    @property
    def text(self) -> str:
        """What diverged and, where it can be told, how; empty when all agree."""
        if self.diverged is None:
            return ""
        named = f" ({self.skew}: {SKEW_TEXTS[self.skew]})" if self.skew else ""
        return f"the golden frames differ at the stage {self.diverged}{named}"


def check_parity(golden: GoldenFrames, *, manifest: Manifest, steps: Steps) -> ParityReport:
    """Recompute every golden frame. Pixels must be equal; tensors and scores within the manifest's tolerances."""
    pixels = [steps.decode(file) for file in golden.encoded]
    tensors = [steps.to_tensor(frame)[0] for frame in golden.frames]
    pixel_difference = _max_difference(pixels, golden.frames)
    tensor_difference = _max_difference(tensors, golden.tensors)
    score_difference = _max_difference((steps.score(tensor[np.newaxis]) for tensor in golden.tensors), golden.scores)
    flips = _verdict_flips(golden, manifest, steps)
    wrong = (
        (Stage.DECODE, not pixel_difference <= 0),
        (Stage.PREPROCESS, not tensor_difference <= manifest.golden.tensor_tolerance),
        (Stage.SCORE, not score_difference <= manifest.golden.score_tolerance),
        (Stage.VERDICT, flips > 0),
    )
    diverged = next((stage for stage, is_wrong in wrong if is_wrong), None)
    skew = None
    if diverged is Stage.DECODE:
        skew = decode_skew(pixels, golden.frames)
    if diverged is Stage.PREPROCESS and manifest.signal is None:
        skew = tensor_skew(golden.frames, computed=tensors, golden=golden.tensors, spec=manifest.preprocessing)
    return ParityReport(
        frame_count=len(golden.frames),
        diverged=diverged,
        skew=skew,
        pixel_max_difference=pixel_difference,
        tensor_max_difference=tensor_difference,
        score_max_difference=score_difference,
        verdict_flips=flips,
    )


def _verdict_flips(golden: GoldenFrames, manifest: Manifest, steps: Steps) -> int:
    known = golden.verdicts or tuple(package_verdict(manifest, float(score)) for score in golden.scores)
    return sum(steps.verdict(float(score)) is not verdict for score, verdict in zip(golden.scores, known, strict=True))


def package_steps(manifest: Manifest, engine: Engine) -> Steps:
    """The stages as the device runs them for this package."""
    return Steps(
        decode=decode,
        to_tensor=lambda shown: model_input(shown, manifest),
        score=engine.run,
        verdict=lambda score_ratio: package_verdict(manifest, score_ratio),
    )


def package_verdict(manifest: Manifest, score_ratio: float) -> Verdict:
    """The verdict at the package's own threshold: defect when score >= threshold."""
    return verdict_of(score_ratio, manifest.decision.threshold_ratio)


def golden_bytes(golden: GoldenFrames) -> bytes:
    """The golden file's content; image files are kept as `encoded_<n>`."""
    arrays: dict[str, Any] = {f"encoded_{n}": np.frombuffer(file, np.uint8) for n, file in enumerate(golden.encoded)}
    if golden.verdicts:
        arrays["verdicts"] = np.array([verdict.value for verdict in golden.verdicts])
    buffer = io.BytesIO()
    arrays["samples" if golden.is_signal else "frames"] = golden.frames
    np.savez_compressed(buffer, tensors=golden.tensors, scores=golden.scores, **arrays)
    return buffer.getvalue()


def read_golden(content: bytes) -> GoldenFrames:
    """Read a golden file. Raises GoldenBroken when arrays are missing, or disagree in shape or number."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            # Counted by name: arrays that a later version adds are no image files.
            encoded = [arrays[f"encoded_{n}"] for n in range(sum(map(_is_encoded, arrays.files)))]
            verdicts = arrays["verdicts"].tolist() if "verdicts" in arrays.files else []
            golden = GoldenFrames(
                frames=arrays["samples" if "samples" in arrays.files else "frames"],
                tensors=_without_batch(arrays["tensors"]),
                scores=arrays["scores"].reshape(-1),
                encoded=tuple(array.tobytes() for array in encoded),
                verdicts=tuple(Verdict(word) for word in verdicts),
            )
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as exc:
        raise GoldenBroken(f"The golden file cannot be read: {exc}") from exc
    _require_shapes(golden)
    return golden


def _is_encoded(name: str) -> bool:
    return name.startswith("encoded_")


def _without_batch(tensors: NDArray[Any]) -> NDArray[Any]:
    """(N, 1, C, H, W), a stack of model inputs, is accepted as (N, C, H, W)."""
    return tensors[:, 0] if tensors.ndim == 5 and tensors.shape[1] == 1 else tensors


def _require_shapes(golden: GoldenFrames) -> None:
    counts = {len(golden.frames), len(golden.tensors), len(golden.scores)}
    if golden.is_signal:
        _require_signal_shapes(golden)
    elif golden.frames.ndim != 4 or golden.frames.dtype != np.uint8 or golden.frames.shape[3] != 3:
        raise GoldenBroken("Golden frames must be (N, H, W, 3) uint8.")
    elif golden.tensors.ndim != 4 or golden.tensors.dtype != np.float32:
        raise GoldenBroken("Golden tensors must be float32 with four dimensions.")
    optional = {len(given) for given in (golden.encoded, golden.verdicts) if given}
    if len(counts) != 1 or not optional <= counts:
        raise GoldenBroken("Golden frames, tensors, scores, files and verdicts differ in number.")


def _require_signal_shapes(golden: GoldenFrames) -> None:
    if golden.frames.dtype.kind != "f":
        raise GoldenBroken("Golden samples must be (N, channels, sample_count) of floats.")
    if golden.tensors.ndim not in (2, 3) or golden.tensors.dtype != np.float32:
        raise GoldenBroken("Golden tensors of signals must be float32 with two or three dimensions.")


def _max_difference(computed: Iterable[NDArray[Any] | float], expected: NDArray[Any]) -> float:
    """The largest absolute difference over all frames; infinite when shapes differ or a value is not finite."""
    differences = [
        _difference(np.asarray(one), np.asarray(known)) for one, known in zip(computed, expected, strict=False)
    ]
    return max(differences, default=0.0)


def _difference(computed: NDArray[Any], expected: NDArray[Any]) -> float:
    if computed.shape != expected.shape:
        return math.inf
    difference = float(np.max(np.abs(computed.astype(np.float64) - expected.astype(np.float64)), initial=0.0))
    return difference if math.isfinite(difference) else math.inf
