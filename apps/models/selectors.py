from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Count, QuerySet

from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.states import RunState, VersionState

if TYPE_CHECKING:
    from apps.models.training.evaluation import GateReport

PUBLISHED_CNN_RATIO, PUBLISHED_SVM_RATIO = 0.8842, 0.8244
"""Accuracy on ELPV in Deitsch et al. 2019, "Automatic classification of defective photovoltaic module cells in
electroluminescence images", Solar Energy 185."""
PROTOCOL_DIFFERENCE = (
    "Not the same protocol: another random split with fewer images to learn from (55 % instead of 75 %), and labels "
    "made binary at probability 0.5. ELPV does not say which module a cell comes from, so no split can keep cells of "
    "one module together, theirs or ours."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured share for people, all in per cent, with its 95 % interval."""

    name: str
    count: int
    of: int
    share_percent: float
    low_percent: float
    high_percent: float


_FIGURES = (
    ("accuracy", "Accuracy"),
    ("caught", "Defects caught"),
    ("false_rejects", "False rejects"),
    ("accuracy_at_half", "Accuracy at threshold 0.5"),
)


def gate_metrics(report: "GateReport") -> dict[str, object]:
    """The sealed gate's figures as the rows keep them."""
    return asdict(report)


def figures(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures of a version's or run's `metrics`, empty when there are none."""
    return [_figure(name, metrics[key]) for key, name in _FIGURES if key in metrics]


def gate_report(version: ModelVersion) -> list[str]:
    """Lines that say how good a version is, beside the published figures."""
    shown = figures(version.metrics)
    if not shown:
        return [f"{version.model.name} {version.number}: no figures of our own; it was uploaded."]
    lines = [f"{version.model.name} {version.number} on the sealed gate set ({shown[0].of} images):"]
    lines += [
        f"  {one.name.lower()}: {one.share_percent:.1f} % ({one.count} of {one.of}), "
        f"95 % interval {one.low_percent:.1f} to {one.high_percent:.1f} %"
        for one in shown
    ]
    lines.append(f"  AUROC {version.metrics['auroc_ratio']:.3f}, threshold {version.metrics['threshold_ratio']:.3f}")
    return [*lines, *_published_lines(version)]


def is_elpv(version: ModelVersion) -> bool:
    """Whether the published ELPV figures may stand beside this version's."""
    data = version.run.dataset_version if version.run else None
    return data is not None and data.dataset.source.startswith("elpv-dataset")


def models() -> QuerySet[Any]:
    """All models by name, with `version_count`."""
    return InspectionModel.objects.annotate(version_count=Count("versions")).order_by("name")


def versions() -> QuerySet[ModelVersion]:
    """All versions, newest first, with model, run and people."""
    return ModelVersion.objects.select_related(
        "model", "run__dataset_version__dataset", "created_by", "approved_by"
    ).order_by("-pk")


def runs() -> QuerySet[Run]:
    """All runs, newest first, with model, data and creator."""
    return Run.objects.select_related("model", "dataset_version__dataset", "created_by").order_by("-pk")


def runs_active() -> QuerySet[Run]:
    return runs().filter(state__in=[RunState.QUEUED, RunState.RUNNING])


def version_by_digest(digest: str) -> ModelVersion | None:
    return ModelVersion.objects.select_related("model").filter(digest=digest).first()


def published_versions() -> QuerySet[ModelVersion]:
    """What may be rolled out, newest first."""
    return versions().filter(state=VersionState.PUBLISHED)


def target_path(version: ModelVersion) -> str:
    """The version's path in the TUF repository."""
    return f"models/{version.model.name}/{version.number}.zip"


def authors(version: ModelVersion) -> frozenset[int]:
    """Who may not approve this version: whoever uploaded it or started its run."""
    people = {version.created_by_id, version.run.created_by_id if version.run else None}
    return frozenset(person for person in people if person is not None)


def _figure(name: str, share: Mapping[str, Any]) -> Figure:
    return Figure(
        name=name,
        count=share["count"],
        of=share["of"],
        share_percent=100 * (share["share_ratio"] or 0.0),
        low_percent=100 * share["low_ratio"],
        high_percent=100 * share["high_ratio"],
    )


def _published_lines(version: ModelVersion) -> list[str]:
    if not is_elpv(version):
        return []
    published = f"CNN {100 * PUBLISHED_CNN_RATIO:.2f} %, SVM {100 * PUBLISHED_SVM_RATIO:.2f} %"
    return [f"  published by Deitsch et al. 2019: accuracy {published}", f"  {PROTOCOL_DIFFERENCE}"]
