"""Recordings of sensors, from files and made up, ready for the model's input."""

import numpy as np
import pytest

from edge_agent.contract.signals import to_signal_tensor
from edge_agent.line.camera import BadFrame, CameraFault
from edge_agent.line.signals import CsvSignal, SimulatedSensor, SimulatedSignal, read_recording
from edge_agent.wire.signals import FeatureKind, FeatureSpec, SignalSpec
from tests.kit.handclock import HandClock


def write(path, *rows):
    path.write_text("\n".join(rows) + "\n")
    return path


def csv_signal(folder, seed=1):
    return CsvSignal(folder, seed=seed, product="pump", lot="7", clock=HandClock())


def simulated(seed=1, **sensor):
    return SimulatedSignal(SimulatedSensor(**sensor), seed=seed, product="pump", lot="7", clock=HandClock())


def test_a_recording_has_a_channel_per_column_and_its_stamps_apart(tmp_path):
    samples, times_s = read_recording(write(tmp_path / "a.csv", "time_s,x,y", "0.0,1,2", "0.1,,4"))
    assert times_s.tolist() == [0.0, 0.1]
    assert samples[1].tolist() == [2.0, 4.0]
    assert samples[0, 0] == 1.0
    assert np.isnan(samples[0, 1])


def test_recordings_without_stamps_are_recordings(tmp_path):
    samples, times_s = read_recording(write(tmp_path / "a.csv", "x", "1", "2"))
    assert (samples.tolist(), times_s) == ([[1.0, 2.0]], None)


@pytest.mark.parametrize("rows", [["x"], [""], ["x,y", "1"], ["x", "one"], ["time_s", "1"], ["x", "1", "2,3"]])
def test_what_is_no_recording_is_a_part_without_one(tmp_path, rows):
    write(tmp_path / "a.csv", *rows)
    with pytest.raises(BadFrame) as caught:
        csv_signal(tmp_path).record()
    assert caught.value.part.product == "pump"


def test_a_file_of_bytes_is_a_part_without_a_recording(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFrame):
        csv_signal(tmp_path).record()


def test_each_pass_shows_every_recording_once_in_an_order_of_the_seed(tmp_path):
    for name in "abcdef":
        write(tmp_path / f"{name}.csv", "x", "1", "2")
    orders = []
    for seed in (1, 1, 2):
        signal = csv_signal(tmp_path, seed)
        orders.append([signal.record().part.source for _ in range(12)])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0][:6]) == sorted(orders[0][6:]) == [f"{name}.csv" for name in "abcdef"]


def test_an_empty_folder_is_a_fault_and_no_part(tmp_path):
    with pytest.raises(CameraFault):
        csv_signal(tmp_path).record()


def test_a_simulated_sensor_repeats_with_its_seed():
    first, second, other = simulated(5).record(), simulated(5).record(), simulated(6).record()
    assert np.array_equal(first.samples, second.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_a_worn_bearing_shows_in_the_features_that_models_use():
    spec = SignalSpec(
        rate_hz=10_000, sample_count=2_000, features=(FeatureSpec(kind=FeatureKind.BAND_ENERGY, low_hz=500),)
    )
    signal = simulated(spike_ratio=0.5)
    energies = {"simulated-good": [], "simulated-worn": []}
    for _ in range(40):
        recording = signal.record()
        energies[recording.part.source].append(float(to_signal_tensor(recording.samples, spec)[0, 0]))
    assert len(energies["simulated-worn"]) > 5
    assert min(energies["simulated-worn"]) > 5 * max(energies["simulated-good"])
