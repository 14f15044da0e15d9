"""A package: a zip of stored files whose bytes depend on its content alone."""

import hashlib
import io
import zipfile
from collections.abc import Mapping

import msgspec

from apps.models.training.catalogue import recipe_named
from apps.models.training.export import INPUT_NAME, OUTPUT_NAME
from apps.models.training.order import Trained
from edge_agent.wire.manifest import (
    MANIFEST_NAME,
    Compatibility,
    Decision,
    Golden,
    Manifest,
    PackageFile,
)

MODEL_NAME, GOLDEN_NAME = "model.onnx", "golden.npz"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


def package_of(trained: Trained, *, name: str, number: int) -> bytes:
    """The package of version `number` of the model `name`. Same model and number: same bytes."""
    files = {MODEL_NAME: trained.onnx, GOLDEN_NAME: trained.golden}
    order, report = trained.order, trained.report
    manifest = Manifest(
        name=name,
        version=str(number),
        model_file=MODEL_NAME,
        input_name=INPUT_NAME,
        output_name=OUTPUT_NAME,
        labels=[order.good_label, order.defect_label],
        preprocessing=recipe_named(order.recipe).preprocessing,
        decision=Decision(
            threshold_ratio=report.threshold_ratio, defect_label=order.defect_label, good_label=order.good_label
        ),
        compatibility=Compatibility(),
        golden=Golden(file=GOLDEN_NAME, count=trained.golden_count),
        lineage=order.lineage,
        metrics={
            "accuracy_ratio": report.accuracy.share_ratio or 0.0,
            "defects_caught_ratio": report.caught.share_ratio or 0.0,
            "false_reject_ratio": report.false_rejects.share_ratio or 0.0,
            "auroc_ratio": report.auroc_ratio,
        },
        files={name: _listed(content) for name, content in files.items()},
    )
    return zip_of({MANIFEST_NAME: msgspec.json.encode(manifest), **files})


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Stored, sorted by name, without times: equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _PLAIN_FILE
            entry.create_system = _UNIX
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _listed(content: bytes) -> PackageFile:
    return PackageFile(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
