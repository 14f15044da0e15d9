"""A version is loaded for the first time in a child process, and whatever it does there is a report."""

import dataclasses
import signal
import threading
import time

import numpy as np
import psutil
import pytest

from edge_agent.clock import SystemClock
from edge_agent.contract.parity import GoldenFrames
from edge_agent.update.manifest import open_package
from edge_agent.update.trial import TrialStopped, run_trial, try_version
from edge_agent.update.versions import Versions
from edge_agent.wire.manifest import Compatibility
from tests.kit.models import golden_frames, hanging_model, mean_model, nan_model, tiny_package
from tests.kit.runtimes import runtime_under_test


def installed(tmp_path, **fields):
    package = tiny_package(tmp_path, **fields)
    with package.path.open("rb") as file:
        return Versions(tmp_path / "models").install(open_package(file), package.digest)


def tried(version, timeout_s=60.0, stop=None):
    return run_trial(version, clock=SystemClock(), stop=stop or threading.Event(), timeout_s=timeout_s)


def in_process(tmp_path, **fields):
    version = installed(tmp_path, **fields)
    return try_version(tmp_path / "models" / version.digest)


def children_of_this_process(before):
    return [child for child in psutil.Process().children() if child.pid not in before]


def test_a_good_model_passes_with_its_measurements(tmp_path):
    report = tried(installed(tmp_path))
    assert (report.reason, report.text) == ("", "")
    assert report.frame_count == 4
    assert report.p95_ms > 0
    assert report.memory_bytes > 10**7
    assert report.evidence()["p95_ms"] > 0


def test_a_model_that_hangs_is_ended_and_refused(tmp_path):
    before = {child.pid for child in psutil.Process().children()}
    assert tried(installed(tmp_path, model=hanging_model()), timeout_s=3.0).reason == "trial_timeout"
    assert children_of_this_process(before) == []


def test_a_child_that_crashes_is_a_refusal_and_not_our_end(tmp_path):
    version = installed(tmp_path, model=hanging_model())
    before = {child.pid for child in psutil.Process().children()}
    killer = threading.Thread(target=kill_first_child, args=(before,))
    killer.start()
    report = tried(version)
    killer.join()
    assert report.reason == "trial_crashed"
    assert str(-signal.SIGSEGV) in report.text


def kill_first_child(before):
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        for child in children_of_this_process(before):
            child.send_signal(signal.SIGSEGV)
            return
        threading.Event().wait(0.05)


def test_a_stopping_agent_does_not_wait_for_a_trial(tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrialStopped):
        tried(installed(tmp_path, model=hanging_model()), stop=stop)


def test_a_model_that_returns_no_number_is_refused(tmp_path):
    assert in_process(tmp_path, model=nan_model()).reason == "model_broken"


def test_a_model_that_is_no_onnx_is_refused(tmp_path):
    assert in_process(tmp_path, model=b"#!/bin/sh").reason == "model_broken"


def test_a_model_that_disagrees_with_its_golden_frames_is_refused_by_stage(tmp_path):
    assert in_process(tmp_path, score=0.9, model=mean_model()).reason == "parity_score"


def test_a_package_preprocessed_otherwise_is_refused_by_stage(tmp_path):
    golden = golden_frames(mean_model())
    swapped = dataclasses.replace(golden, tensors=np.ascontiguousarray(golden.tensors[:, ::-1]))
    assert in_process(tmp_path, golden=swapped).reason == "parity_preprocess"


@pytest.mark.parametrize("name", ["openvino", "litert"])
def test_a_version_for_another_engine_passes_on_that_engine(tmp_path, name):
    runtime = runtime_under_test(name)
    version = installed(tmp_path, model=runtime.mean(), compatibility=Compatibility(engine=name))
    report = tried(version)
    assert (report.reason, report.text, report.frame_count) == ("", "", 4)


def test_a_version_for_an_engine_that_is_not_here_is_refused_with_the_reason(tmp_path):
    report = in_process(tmp_path, compatibility=Compatibility(engine="abacus"))
    assert report.reason == "engine_missing"
    assert "abacus" in report.text


def test_a_package_without_golden_frames_is_refused(tmp_path):
    none = GoldenFrames(
        frames=np.zeros((0, 4, 4, 3), np.uint8),
        tensors=np.zeros((0, 3, 16, 16), np.float32),
        scores=np.zeros(0, np.float32),
    )
    assert in_process(tmp_path, golden=none).reason == "golden_missing"
