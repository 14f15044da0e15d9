"""A device with a sensor in place of a camera: a signed signal model judges what a rotating part sounds like."""

import msgspec
import numpy as np
import pytest

from apps.models.outside.trial_child import package_try
from edge_agent.clock import SystemClock
from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.inputs import model_input
from edge_agent.contract.parity import GoldenBroken, GoldenFrames, golden_bytes, read_golden
from edge_agent.line.signals import SimulatedSensor, SimulatedSignal
from edge_agent.update.slots import LoadedModel
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.codec import decode_record
from edge_agent.wire.records import Result
from edge_agent.wire.signals import FeatureKind, FeatureSpec, SignalSpec
from edge_agent.wire.words import CannotJudge, StreamKind, UpdateState, Verdict
from tests.edge_agent.agent.test_update_story import Plant
from tests.kit.agents import wait_until
from tests.kit.models import sigmoid_model, tiny_package

RINGING = FeatureSpec(kind=FeatureKind.BAND_ENERGY, low_hz=1000.0, high_hz=2000.0)
"""Where a worn bearing rings, at 30 times 50 Hz."""
SPEC = SignalSpec(rate_hz=10_000.0, sample_count=2_000, features=(RINGING,))
CONFIG = """
cloud_url = "{cloud_url}"
data_folder = "data"
[[sensors]]
kind = "simulated"
product = "pump"
spike_ratio = 0.3
[line]
takt_ms = 50
[output]
kind = "lines"
file = "told.jsonl"
[sync]
interval_s = 0.05
"""


def recordings(count, *, spike_ratio):
    signal = SimulatedSignal(
        SimulatedSensor(spike_ratio=spike_ratio), seed=5, product="pump", lot="", clock=SystemClock()
    )
    return np.stack([signal.record().samples for _ in range(count)])


@pytest.fixture(scope="module")
def signal_package(tmp_path_factory):
    """Its model knows where between good and worn the energy of the ringing lies."""
    folder = tmp_path_factory.mktemp("package")
    plain = msgspec.structs.replace(tiny_package(folder).manifest, signal=SPEC)
    good, worn = (
        np.mean([model_input(one, plain) for one in recordings(20, spike_ratio=ratio)]) for ratio in (0.0, 1.0)
    )
    spec = msgspec.structs.replace(SPEC, mean=(float(good + worn) / 2,), std=(float(worn - good) / 10,))
    manifest = msgspec.structs.replace(plain, signal=spec)
    samples = recordings(4, spike_ratio=0.5)
    tensors = np.concatenate([model_input(one, manifest) for one in samples])
    engine = OnnxEngine(sigmoid_model(), input_name="input", output_name="score")
    scores = np.array([engine.run(tensor[np.newaxis]) for tensor in tensors], np.float32)
    golden = GoldenFrames(frames=samples, tensors=tensors, scores=scores)
    return tiny_package(folder, name="pumps", model=sigmoid_model(), golden=golden, signal=spec)


def loaded(package):
    engine = OnnxEngine(sigmoid_model(), input_name="input", output_name="score")
    return LoadedModel(InstalledVersion(digest=Digest("a" * 64), manifest=package.manifest, folder=""), engine)


def test_a_signal_model_reaches_the_device_and_tells_worn_parts_from_good_ones(tmp_path, signal_package):
    plant = Plant(tmp_path)
    (tmp_path / "agent.toml").write_text(CONFIG.format(cloud_url=plant.cloud.url))
    try:
        plant.agent.start()
        plant.offer(signal_package)
        assert plant.wait_for_end(signal_package).state is UpdateState.CONFIRMED
        count = len(plant.agent.told())
        wait_until(lambda: len(plant.agent.told()) > count + 30, 30)
        assert plant.agent.stop() == 0
    finally:
        plant.close()
    with plant.cloud.ledger.lock:
        bodies = [body for stream in plant.cloud.ledger.of_kind(StreamKind.INSPECTION) for body in stream.bodies]
    results = [one for one in map(decode_record, bodies) if isinstance(one, Result)]
    judged = [one for one in results if one.model_digest == signal_package.digest]
    assert {one.source: one.verdict for one in judged} == {
        "simulated-good": Verdict.OK,
        "simulated-worn": Verdict.DEFECT,
    }
    assert all((one.verdict is Verdict.DEFECT) == (one.source == "simulated-worn") for one in judged)
    assert {one.product for one in judged} == {"pump"}


def test_the_registry_tries_a_signal_package_on_its_golden_recordings(signal_package):
    report = package_try(signal_package.path)
    assert (report.code, report.text[:7]) == ("", "4 golde")


@pytest.mark.parametrize("spoil", ["shape", "missing"])
def test_a_recording_that_the_model_does_not_take_cannot_be_judged(signal_package, spoil):
    (samples,) = recordings(1, spike_ratio=0.0)
    spoilt = samples[:, :100] if spoil == "shape" else np.where(samples > samples.max() / 2, np.nan, samples)
    assert loaded(signal_package).judge_signal(spoilt).cannot_judge is CannotJudge.BAD_FRAME
    assert loaded(signal_package).judge_signal(samples).verdict is Verdict.OK


def test_a_picture_is_nothing_for_a_signal_model(signal_package):
    picture = np.full((32, 32, 3), 7, np.uint8)
    assert loaded(signal_package).judge(picture).cannot_judge is CannotJudge.BAD_FRAME


def test_golden_recordings_that_are_none_are_refused():
    scores = np.zeros(1, np.float32)
    for frames, tensors in (
        (np.zeros((1, 1, 9), np.int16), np.zeros((1, 1), np.float32)),
        (np.zeros((1, 1, 9)), np.zeros((1, 1, 9, 1), np.float32)),
    ):
        with pytest.raises(GoldenBroken, match="olden"):
            read_golden(golden_bytes(GoldenFrames(frames=frames, tensors=tensors, scores=scores)))
