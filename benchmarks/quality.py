"""How surely bad frames are held, and how seldom good ones: `python benchmarks/quality.py [--trials N] [--json FILE]`.

Each trial shows a calibrated watch eight good frames and then eight with one fault. Good frames are never among those
that were learned; broken parts are good frames. Scenes: a made-up station, the cells of ELPV where it is installed (as
if one camera saw all of them), and a made-up vibration sensor.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np

from edge_agent.contract.quality import BadImage, Calibrator, QualityWatch
from edge_agent.contract.signal_quality import SignalWatch, calibrated
from edge_agent.wire.quality import QualityBaseline
from edge_agent.wire.words import CannotJudge
from tests.kit.camera_faults import FAULTS, Picture, station_pictures
from tests.kit.sensor_faults import SENSOR_FAULTS, recording

WINDOW = 8
SEED = 11
SHUFFLES = 5


@dataclass(frozen=True)
class Figure:
    """count: of trials or of frames. first: held at the first bad frame. named: rightly, at the eighth."""

    scene: str
    fault: str
    count: int
    hits: int
    low_ratio: float
    high_ratio: float
    first: int = 0
    named: int = 0
    words: str = ""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    z = 1.96
    share = hits / count
    centre = share + z * z / (2 * count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return float((centre - reach) / scale), float((centre + reach) / scale)


def detection(scene: str, fault: str, baseline: QualityBaseline, good: Sequence[Picture], trials: int) -> Figure:
    reason, series = FAULTS[fault]
    rng = np.random.default_rng(SEED)
    first = 0
    words: Counter[str] = Counter()
    for _ in range(trials):
        watch = QualityWatch(baseline)
        shown = [good[n] for n in rng.choice(len(good), 2 * WINDOW, replace=False)]
        for picture in shown[:WINDOW]:
            watch.judge(picture)
        bad = list(series([shown[WINDOW - 1], *shown[WINDOW:-1]] if fault == "freeze" else shown[WINDOW:], rng))
        told = [reason_told(watch, picture) for picture in bad]
        first += told[0] != ""
        words[told[-1] or next((word for word in told if word), "")] += 1
    hits = trials - words[""]
    others = {word: times for word, times in words.items() if word and word != reason}
    text = " ".join(f"{word}:{times}" for word, times in others.items())
    return Figure(scene, fault, trials, hits, *wilson(hits, trials), first=first, named=words[reason], words=text)


def reason_told(watch: QualityWatch, picture: Picture) -> str:
    try:
        worst = watch.judge(picture).worst
    except BadImage:
        return CannotJudge.BAD_FRAME
    return worst.reason if worst else ""


def holds(baseline: QualityBaseline, good: Sequence[Picture]) -> Counter[str]:
    """By word and measure, how many of these frames were held."""
    watch = QualityWatch(baseline)
    worst = [watch.judge(picture).worst for picture in good]
    return Counter(f"{fault.reason}/{fault.measure}" for fault in worst if fault)


def learned(pictures: Sequence[Picture]) -> QualityBaseline:
    calibrator = Calibrator(frames_wanted=len(pictures))
    for picture in pictures:
        calibrator.add(picture)
    return calibrator.baseline()


def sensor_figures(trials: int) -> list[Figure]:
    """One recording with one fault per trial; half of the parts are broken, and those are good recordings."""
    rng = np.random.default_rng(SEED)
    watch = SignalWatch(calibrated([recording(rng) for _ in range(100)]))
    good = [recording(rng, is_broken=n % 2 == 0) for n in range(4000)]
    held = sum(watch.judge(samples).worst is not None for samples in good)
    figures = [Figure("sensor", "none (false holds)", len(good), held, *wilson(held, len(good)))]
    for fault, (reason, spoil) in SENSOR_FAULTS.items():
        worst = [watch.judge(spoil(samples, rng)).worst for samples in good[:trials]]
        hits = sum(one is not None for one in worst)
        named = sum(one is not None and one.reason is reason for one in worst)
        figures.append(Figure("sensor", fault, trials, hits, *wilson(hits, trials), first=hits, named=named))
    return figures


def elpv_pictures(seed: int) -> tuple[list[Picture], list[Picture]]:
    """(good cells to learn from, all other cells), shuffled."""
    from elpv_dataset.utils import load_dataset

    images, defect_ratios, _ = load_dataset()
    order = np.random.default_rng(seed).permutation(len(images))
    learn = [n for n in order if defect_ratios[n] == 0][:200]
    known = set(learn)
    return [_bgr(images[n]) for n in learn], [_bgr(images[n]) for n in order if n not in known]


def _bgr(grey: np.ndarray) -> Picture:
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def cost_ms(baseline: QualityBaseline, pictures: Sequence[Picture]) -> float:
    """Processor time of one judgement, at the median."""
    watch = QualityWatch(baseline)
    times_s = []
    for picture in pictures[:200]:
        start_s = time.process_time()
        watch.judge(picture)
        times_s.append(time.process_time() - start_s)
    return float(np.median(times_s) * 1000)


def scene_figures(scene: str, shuffles: Iterable[tuple[list[Picture], list[Picture]]], trials: int) -> list[Figure]:
    """False holds over all shuffles, whose frames may overlap; detection on the first."""
    figures: list[Figure] = []
    words: Counter[str] = Counter()
    count = 0
    for learn, others in shuffles:
        baseline = learned(learn)
        words += holds(baseline, others)
        count += len(others)
        if not figures:
            size = "x".join(str(side) for side in others[0].shape[:2])
            print(f"{scene}: learned 200 frames of {size} px; {cost_ms(baseline, others):.2f} ms of processor each")
            figures = [detection(scene, fault, baseline, others, trials) for fault in FAULTS]
    hits = sum(words.values())
    text = " ".join(f"{word}:{times}" for word, times in words.items())
    return [Figure(scene, "none (false holds)", count, hits, *wilson(hits, count), words=text), *figures]


def line_of(figure: Figure) -> str:
    share = f"{figure.hits:4d}/{figure.count:4d} [{figure.low_ratio:.2%}, {figure.high_ratio:.2%}]"
    counts = f"first frame {figure.first:4d}  named {figure.named:4d}"
    return f"{figure.scene:8} {figure.fault:20} {share:30} {counts}  {figure.words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(f"seed {SEED}; {asked.trials} trials for each fault")
    cv2.setNumThreads(1)
    stations = ((station_pictures(200, seed=2 * n), station_pictures(1000, seed=2 * n + 1)) for n in range(SHUFFLES))
    figures = scene_figures("station", stations, asked.trials)
    if importlib.util.find_spec("elpv_dataset"):
        figures += scene_figures("elpv", (elpv_pictures(SEED + n) for n in range(SHUFFLES)), asked.trials)
    figures += sensor_figures(asked.trials)
    for figure in figures:
        print(line_of(figure))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
