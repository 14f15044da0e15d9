"""What a model package says of itself. The package is a zip of stored files; this is its `manifest.json`."""

from enum import StrEnum
from typing import Annotated

import msgspec

from edge_agent.wire.records import NonNegative, Ratio, Sha256, ShortText
from edge_agent.wire.signals import SignalSpec

MANIFEST_NAME = "manifest.json"


class ColourOrder(StrEnum):
    RGB = "rgb"
    BGR = "bgr"
    GREY = "grey"


class ResizeKernel(StrEnum):
    NEAREST = "nearest"
    LINEAR = "linear"
    AREA = "area"
    CUBIC = "cubic"


class ResizeMode(StrEnum):
    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CENTRE_CROP = "centre_crop"


class Layout(StrEnum):
    NCHW = "nchw"
    NHWC = "nhwc"


Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]


class PreprocessingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From decoded pixels to the model's input, executed identically in training and on the device.

    Tensor value = (pixel * scale - mean[c]) / std[c], per channel in `colour_order`.
    """

    height_px: Pixels
    width_px: Pixels
    colour_order: ColourOrder = ColourOrder.RGB
    kernel: ResizeKernel = ResizeKernel.AREA
    mode: ResizeMode = ResizeMode.STRETCH
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: Layout = Layout.NCHW
    pad_value: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0


class PackageFile(msgspec.Struct, frozen=True, kw_only=True):
    sha256: Sha256
    size_bytes: NonNegative


class Compatibility(msgspec.Struct, frozen=True, kw_only=True):
    engine: ShortText = "onnxruntime"
    machines: list[ShortText] = []
    """Allowed `platform.machine()` values; empty allows any."""
    min_memory_bytes: NonNegative = 0
    min_agent_version: ShortText = "0.1.0"
    cpu_flags: list[ShortText] = []
    """Instructions that the processor must have, as Linux names them, e.g. `avx2`."""
    min_disk_free_bytes: NonNegative = 0


class ReferenceManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a package of reference data says of itself: golden frames, quality baselines, masks.

    A zip of stored files like a model's package; this is its `manifest.json`.
    """

    format: int = 1
    name: ShortText
    version: ShortText
    files: dict[str, PackageFile]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How a score becomes a verdict: defect when score >= threshold."""

    threshold_ratio: Ratio
    defect_label: ShortText = "defect"
    good_label: ShortText = "good"


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """Frames whose outputs are known: `golden.npz` holds `frames` (N, H, W, 3) uint8 BGR, `tensors`, `scores` (N,)."""

    file: ShortText = "golden.npz"
    count: NonNegative = 0
    score_tolerance: float = 0.02
    tensor_tolerance: float = 1e-3


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    dataset: ShortText = ""
    dataset_digest: ShortText = ""
    recipe: ShortText = ""
    seed: int = 0
    code: ShortText = ""
    parent_digest: ShortText = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int = 1
    name: ShortText
    version: ShortText
    task: ShortText = "classification"
    model_file: ShortText = "model.onnx"
    input_name: ShortText = "input"
    output_name: ShortText = "score"
    labels: list[ShortText]
    preprocessing: PreprocessingSpec
    decision: Decision
    compatibility: Compatibility = Compatibility()
    golden: Golden = Golden()
    lineage: Lineage = Lineage()
    metrics: dict[str, float] = {}
    signal: SignalSpec | None = None
    """For models of a sensor's samples: replaces `preprocessing`, which then says nothing."""
    files: dict[str, PackageFile]
    """Every other file in the package; one that is not listed here makes the package wrong."""
