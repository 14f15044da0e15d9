"""What one engine costs on this machine, and whether a benchmark card is its device's own. Same rules on both sides."""

import base64
import math
import resource
from collections.abc import Callable
from time import perf_counter

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.contract.engines import Engine
from edge_agent.contract.inputs import model_input
from edge_agent.contract.parity import GoldenFrames
from edge_agent.wire.bench import CARD_CONTEXT, BenchmarkCard, BenchRow, SignedCard
from edge_agent.wire.codec import WireError, decode
from edge_agent.wire.manifest import Manifest

WARM_RUNS = 3


class CardRefused(Exception):
    """This card is not what its device measured."""


def measured_row(
    manifest: Manifest,
    golden: GoldenFrames,
    *,
    open_engine: Callable[[], Engine],
    elapsed_s: Callable[[], float],
    blank: BenchRow,
) -> BenchRow:
    """Preprocess and infer the golden frames `blank.run_count` times, one frame at a time, as the line does.

    elapsed_s: since the process was started. Raises EngineError.
    """
    engine = open_engine()
    scores = [engine.run(model_input(golden.frames[0], manifest))]
    cold_start_ms = elapsed_s() * 1000
    times_ms = []
    for run in range(WARM_RUNS + blank.run_count):
        frame = golden.frames[run % len(golden.frames)]
        started_s = perf_counter()
        scores.append(engine.run(model_input(frame, manifest)))
        times_ms.append((perf_counter() - started_s) * 1000)
    differences = [
        abs(score - float(known))
        for score, known in zip(scores[1 : len(golden.scores) + 1], golden.scores, strict=False)
    ]
    ordered = sorted(times_ms[WARM_RUNS:])
    return msgspec.structs.replace(
        blank,
        cold_start_ms=round(cold_start_ms, 3),
        p50_ms=_nearest_rank(ordered, 0.50),
        p95_ms=_nearest_rank(ordered, 0.95),
        p99_ms=_nearest_rank(ordered, 0.99),
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        score_max_difference=round(max(differences, default=0.0), 6),
    )


def verified_card(signed: SignedCard, public_key: str) -> BenchmarkCard:
    """The card, when this device signed it. public_key: raw Ed25519, base64url without padding. Raises CardRefused."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(public_key + "=" * (-len(public_key) % 4)))
        key.verify(signed.signature, CARD_CONTEXT + signed.card)
        card = decode(signed.card, BenchmarkCard)
    except (InvalidSignature, ValueError) as exc:
        raise CardRefused("The card is not signed by this device.") from exc
    except WireError as exc:
        raise CardRefused(f"The card cannot be read: {exc}") from exc
    if card.public_key != public_key:
        raise CardRefused("The card names another device.")
    return card


def _nearest_rank(ordered: list[float], ratio: float) -> float:
    return round(ordered[max(0, math.ceil(ratio * len(ordered)) - 1)], 3)
