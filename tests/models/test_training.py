import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.models.training.errors import Cancelled, DataUnfit
from apps.models.training.evaluation import gate_report
from apps.models.training.order import LabelledFile, TrainingOrder
from apps.models.training.pace import Pace
from apps.models.training.packaging import package_of
from apps.models.training.run import train
from apps.models.training.threshold import choose_threshold
from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.package import open_package
from edge_agent.contract.parity import check_parity, package_steps, read_golden
from tests.factories.datasets import png


@pytest.fixture(scope="module")
def order(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    files = []
    for n in range(160):
        file = folder / f"{n}.png"
        file.write_bytes(png(n, is_defect=n % 2 == 0, side_px=64))
        files.append(LabelledFile(file, is_defect=n % 2 == 0))
    return TrainingOrder(
        recipe="small_cnn",
        seed=3,
        train=files[:90],
        calibration=files[90:110],
        search=files[110:130],
        gate=files[130:],
        parameters={"epochs": 8},
    )


@pytest.fixture(scope="module")
def heard():
    """The progress of the training that `trained` did."""
    return []


@pytest.fixture(scope="module")
def trained(order, heard):
    return train(order, heard.append)


def test_scratches_are_told_from_clean_parts(trained):
    assert trained.report.auroc_ratio > 0.9
    assert trained.report.accuracy.of == 30
    assert trained.report.accuracy.low_ratio < trained.report.accuracy.share_ratio


def test_the_same_order_gives_the_same_package_bytes(order, trained):
    first = package_of(trained, name="parts", number=1)
    assert package_of(trained, name="parts", number=1) == first
    assert package_of(train(order, [].append), name="parts", number=1) == first


def test_a_device_computes_what_training_computed(trained, tmp_path):
    file = tmp_path / "package.zip"
    file.write_bytes(package_of(trained, name="parts", number=1))
    with file.open("rb") as stream:
        package = open_package(stream)
        manifest = package.manifest
        model = b"".join(package.pieces(manifest.model_file))
        golden = read_golden(b"".join(package.pieces(manifest.golden.file)))
    engine = OnnxEngine(model, input_name=manifest.input_name, output_name=manifest.output_name)
    report = check_parity(golden, manifest=manifest, steps=package_steps(manifest, engine))
    assert (report.diverged, report.frame_count, report.verdict_flips) == (None, 8, 0)


def test_a_package_names_no_file_of_the_machine_that_trained(trained):
    assert str(Path(__file__).parents[2]).encode() not in trained.onnx


def test_a_package_is_stored_and_sorted(trained, tmp_path):
    file = tmp_path / "package.zip"
    file.write_bytes(package_of(trained, name="parts", number=1))
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["golden.npz", "manifest.json", "model.onnx"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


@pytest.mark.usefixtures("trained")
def test_progress_goes_up_and_says_when_it_ends(heard):
    shares = [progress.share_ratio for progress in heard]
    assert shares == sorted(shares)
    assert {progress.stage for progress in heard} == {
        "loading images",
        "training",
        "export",
        "scoring",
        "packaging",
    }
    losses = [progress.loss for progress in heard if progress.loss is not None]
    assert losses[-1] < losses[0]
    assert heard[-1].eta_s is not None


def test_a_cancel_ends_the_training_at_the_next_step(order):
    heard = []

    def cancel_in_training(progress):
        heard.append(progress)
        if progress.stage == "training" and progress.step == 2:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        train(order, cancel_in_training)
    assert (heard[-1].stage, heard[-1].step) == ("training", 2)


@pytest.mark.parametrize("split", ["train", "search", "gate"])
def test_a_split_with_one_kind_of_image_is_refused(order, split):
    good = [one for one in getattr(order, split) if not one.is_defect]
    values = {name: getattr(order, name) for name in ("recipe", "seed", "train", "calibration", "search", "gate")}
    with pytest.raises(DataUnfit, match=f"{split} split"):
        train(TrainingOrder(**values | {split: good}), [].append)


def test_an_image_that_was_lost_is_named(order, tmp_path):
    lost = LabelledFile(tmp_path / "gone.png", is_defect=True)
    broken = TrainingOrder(
        recipe="small_cnn",
        seed=1,
        train=[*order.train, lost],
        calibration=order.calibration,
        search=order.search,
        gate=order.gate,
    )
    with pytest.raises(DataUnfit, match=r"gone\.png cannot be read"):
        train(broken, [].append)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=2, max_size=60))
def test_the_threshold_is_near_the_best_balance(rows):
    scores = np.asarray([score for score, _ in rows])
    is_defect = np.asarray([kind for _, kind in rows])
    if is_defect.all() or not is_defect.any():
        return

    def balance(level):
        return ((scores[is_defect] >= level).mean() + (scores[~is_defect] < level).mean()) / 2

    best = max(balance(level) for level in scores)
    assert balance(choose_threshold(scores, is_defect)) >= best - 0.011


def test_the_gate_counts_what_people_count():
    scores = np.asarray([0.9, 0.6, 0.4, 0.3, 0.1])
    is_defect = np.asarray([True, True, True, False, False])
    report = gate_report(scores, is_defect, threshold_ratio=0.5)
    assert (report.caught.count, report.caught.of) == (2, 3)
    assert (report.false_rejects.count, report.false_rejects.of) == (0, 2)
    assert (report.accuracy.count, report.accuracy.of) == (4, 5)
    assert report.auroc_ratio == 1.0


def test_the_time_left_follows_from_the_share_done():
    clock, heard = [0.0], []
    pace = Pace({"learn": 30, "test": 10}, heard.append, clock=lambda: clock[0])
    pace.begin("learn", of=10)
    clock[0] = 15.0
    pace.step(5)
    assert heard[-1].share_ratio == pytest.approx(0.375)
    assert heard[-1].eta_s == pytest.approx(25.0)


def test_the_demo_recipe_learns_exports_and_agrees_with_itself(order):
    some = {name: getattr(order, name)[:8] for name in ("calibration", "search", "gate")} | {"train": order.train[:24]}
    quick = TrainingOrder(recipe="efficientnet_lite0_quick", seed=1, parameters={"epochs": 1}, **some)
    heard = []
    trained = train(quick, heard.append)
    assert {"computing features", "training"} <= {progress.stage for progress in heard}
    assert trained.golden_count == 8
    assert trained.report.accuracy.of == 8
