"""What an item costs beyond the inference: the whole loop against a bare `session.run` on the same frames, in turns.

`python benchmarks/inspection.py [FOLDER]`, on the disk to be measured. (Not named `inspect.py`: programs in this folder
would then import it in place of the standard library's.)
"""

import argparse
import functools
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_agent.clock import SystemClock
from edge_agent.config import ReplayConfig
from edge_agent.contract.engines.onnxruntime import OnnxEngine
from edge_agent.contract.preprocessing import decode, to_tensor
from edge_agent.journal import Journal
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.line.outputs import Told
from edge_agent.pipeline.loop import InspectionLoop, LineParts
from edge_agent.pipeline.onlookers import Seen
from edge_agent.pipeline.results import LineFacts
from edge_agent.update.slots import LoadedModel
from edge_agent.values import Digest, InstalledVersion, ItemObservation
from edge_agent.wire.configuration import CollectionSettings, Configuration
from edge_agent.wire.manifest import Decision, Manifest, PreprocessingSpec

SIDE_PX = 224
FRAME_SIDE_PX = 300
"""Of the pictures on disk: as the public solar cells that the demo shows."""
SPEC = PreprocessingSpec(height_px=SIDE_PX, width_px=SIDE_PX)
WARM_UP = 30
Rows = dict[str, list[float]]


def network(channels: int, layers: int) -> bytes:
    """Convolutions without a purpose, sized to take about 10 ms."""
    rng = np.random.default_rng(1)
    shapes = [(channels, 3, 3, 3), *[(channels, channels, 3, 3)] * layers]
    weights = [
        numpy_helper.from_array((rng.normal(0, 0.05, shape)).astype(np.float32), f"w{number}")
        for number, shape in enumerate(shapes)
    ]
    nodes, last = [], "input"
    for number in range(len(shapes)):
        strides = [2, 2] if number < 2 else [1, 1]
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"c{number}"], pads=[1] * 4, strides=strides))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        last = f"r{number}"
    nodes.append(helper.make_node("ReduceMean", [last], ["mean"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Sigmoid", ["mean"], ["score"]))
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())


class Heard:
    """The line, and an onlooker that keeps the time split."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.seen: list[Seen] = []

    def tell(self, told: Told) -> None:
        self.told.append(told)

    def saw(self, seen: Seen) -> None:
        self.seen.append(seen)


class OneSlot:
    def __init__(self, model: LoadedModel) -> None:
        self.current = model

    def observe(self, observation: ItemObservation) -> None:
        del observation


def loaded(model: bytes) -> LoadedModel:
    manifest = Manifest(
        name="bench", version="1", labels=[], preprocessing=SPEC, decision=Decision(threshold_ratio=0.5), files={}
    )
    engine = OnnxEngine(model, input_name="input", output_name="score")
    return LoadedModel(InstalledVersion(digest=Digest("b" * 64), manifest=manifest, folder=""), engine)


def bare_session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def write_frames(folder: Path, count: int) -> dict[str, NDArray[np.float32]]:
    """By the file's digest, the model's input that it becomes."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    tensors = {}
    for number in range(count):
        coarse = rng.integers(0, 255, (20, 20), dtype=np.uint8)
        grey = cv2.resize(coarse, (FRAME_SIDE_PX, FRAME_SIDE_PX), interpolation=cv2.INTER_CUBIC)
        encoded = cv2.imencode(".png", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))[1].tobytes()
        (folder / f"{number:03}.png").write_bytes(encoded)
        tensors[hashlib.sha256(encoded).hexdigest()] = to_tensor(decode(encoded), SPEC)
    return tensors


def measured(folder: Path, model: bytes, count: int) -> Rows:
    """Each frame through the loop and, at once after it, bare; which one comes first changes from frame to frame."""
    tensors = write_frames(folder / "images", 20)
    heard, journal = Heard(), Journal(folder / "journal", SystemClock())
    settings = Configuration(collection=CollectionSettings(images_per_hour=0))
    parts = LineParts(
        camera=ReplayCamera(ReplayConfig(folder=folder / "images"), SystemClock()),
        slots=OneSlot(loaded(model)),
        journal=journal,
        output=heard,
        configuration=lambda: settings,
        onlookers=(heard,),
    )
    loop = InspectionLoop(parts, LineFacts(line="l", sampling_seed="s"), SystemClock())
    session, held = bare_session(model), list(tensors.values())
    bare, whole = Stopwatch(), Stopwatch()
    for number in range(count + WARM_UP):
        bare_run = functools.partial(session.run, ["score"], {"input": held[number % len(held)]})
        turns: list[tuple[Stopwatch, Callable[[], object]]] = [
            (bare, bare_run),
            (whole, functools.partial(loop.inspect_next, settings)),
        ]
        for watch, act in turns if number % 2 else reversed(turns):
            watch.time(act)
    journal.close()
    cpu = {"CPU: bare session.run": bare.cpu_ms[WARM_UP:], "CPU: the loop's thread": whole.cpu_ms[WARM_UP:]}
    return rows(heard, bare.wall_ms) | cpu


class Stopwatch:
    """Wall time, and the processor time of this thread: the figure that a busy machine does not spoil."""

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.cpu_ms: list[float] = []

    def time(self, act: Callable[[], object]) -> None:
        start_s, cpu_s = time.perf_counter(), time.thread_time()
        act()
        self.wall_ms.append((time.perf_counter() - start_s) * 1000)
        self.cpu_ms.append((time.thread_time() - cpu_s) * 1000)


def rows(heard: Heard, bare_ms: list[float]) -> Rows:
    seen = [one for one in heard.seen[WARM_UP:] if one.frame is not None]
    split = [(one.judgement, one.frame.capture_ms, one.told) for one in seen if one.frame is not None]
    return {
        "bare session.run": bare_ms[WARM_UP:],
        "inference in the loop": [judgement.infer_ms for judgement, _, _ in split],
        "preprocessing": [judgement.preprocess_ms for judgement, _, _ in split],
        "capture (read, decode, name)": [capture_ms for _, capture_ms, _ in split],
        "frame to verdict": [told.total_ms - capture_ms for _, capture_ms, told in split],
        "trigger to verdict": [told.total_ms for _, _, told in split],
        "trigger to told, durable": [told.told_ms for _, _, told in split],
    }


def quantiles(values: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[94], cuts[98]


def report(measured_rows: Rows) -> None:
    print(f"{'ms':32}{'p50':>8}{'p95':>8}{'p99':>8}{'p50 - bare':>12}{'ratio':>8}")
    bare_ms = 0.0
    for name, values in measured_rows.items():
        p50, p95, p99 = quantiles(values)
        if "bare" in name:
            bare_ms = p50
        print(f"{name:32}{p50:8.2f}{p95:8.2f}{p99:8.2f}{p50 - bare_ms:+12.2f}{p50 / bare_ms:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="on the disk to be measured; default: a temporary one")
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    model = network(channels=56, layers=5)
    onnx.checker.check_model(onnx.load_from_string(model))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report(measured(Path(folder), model, options.count))


if __name__ == "__main__":
    main()
