"""One training run from files to all that a package needs."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.models.training.catalogue import recipe_named
from apps.models.training.errors import DataUnfit
from apps.models.training.evaluation import gate_report
from apps.models.training.export import INPUT_NAME, OUTPUT_NAME, require_parity, to_onnx
from apps.models.training.golden import golden_of, pick_golden
from apps.models.training.loading import tensor_of
from apps.models.training.machine import THREAD_COUNT
from apps.models.training.order import LabelledFile, Trained, TrainingOrder
from apps.models.training.pace import Pace, Report
from apps.models.training.threshold import choose_threshold
from edge_agent.contract.engines import OnnxEngine
from edge_agent.wire.manifest import PreprocessingSpec

logger = logging.getLogger(__name__)

EXPORT_COST, SCORING_COST, PACKAGING_COST = 20.0, 12.0, 5.0
"""Seconds on two cores for the ELPV cells, beside the recipe's own stages."""


def train(order: TrainingOrder, report: Report) -> Trained:
    """Fit, export, check parity, choose the threshold on `search`, and score the sealed `gate` once.

    All scores come from the exported model, because that is what devices run. Raises TrainingError.
    """
    _require_splits(order)
    recipe = recipe_named(order.recipe)
    costs = {"export": EXPORT_COST, "scoring": SCORING_COST, "packaging": PACKAGING_COST}
    pace = Pace({**recipe.stage_costs, **costs}, report)
    model = recipe.fit(order.train, seed=order.seed, parameters=order.parameters, pace=pace)
    pace.begin("export", of=2)
    onnx = to_onnx(model, recipe.preprocessing)
    pace.step(1)
    engine = OnnxEngine(onnx, input_name=INPUT_NAME, output_name=OUTPUT_NAME, threads=THREAD_COUNT)
    golden_files = pick_golden(order.calibration, seed=order.seed)
    frames = np.concatenate([tensor_of(one, recipe.preprocessing) for one in golden_files])
    difference = require_parity(model, engine, frames)
    logger.info("exported recipe=%s bytes=%d parity=%.2g", order.recipe, len(onnx), difference)
    scores = _scores([*order.search, *order.gate], recipe.preprocessing, engine, pace)
    search, gate = scores[: len(order.search)], scores[len(order.search) :]
    threshold = choose_threshold(search, _is_defect(order.search))
    pace.begin("packaging", of=1)
    return Trained(
        order=order,
        onnx=onnx,
        golden=golden_of(golden_files, recipe.preprocessing, engine),
        golden_count=len(golden_files),
        report=gate_report(gate, _is_defect(order.gate), threshold_ratio=threshold),
    )


def _require_splits(order: TrainingOrder) -> None:
    for name in ("train", "search", "gate"):
        kinds = {one.is_defect for one in getattr(order, name)}
        if len(kinds) < 2:
            raise DataUnfit(f"The {name} split needs good images and defects.")
    if not order.calibration:
        raise DataUnfit("The calibration split is empty.")


def _scores(
    files: Sequence[LabelledFile], spec: PreprocessingSpec, engine: OnnxEngine, pace: Pace
) -> NDArray[np.float64]:
    pace.begin("scoring", of=len(files))
    scores = np.zeros(len(files))
    for index, one in enumerate(files):
        scores[index] = engine.run(tensor_of(one, spec))
        pace.step(index + 1)
    return scores


def _is_defect(files: Sequence[LabelledFile]) -> NDArray[np.bool_]:
    return np.asarray([one.is_defect for one in files], np.bool_)
