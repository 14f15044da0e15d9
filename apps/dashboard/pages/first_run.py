"""What happens until the first model inspects, so that no page is ever empty."""

from dataclasses import dataclass

from apps.dashboard.addresses import address
from apps.datasets.models import Dataset
from apps.datasets.states import ImportState
from apps.models.models import ModelVersion, Run
from apps.models.states import RunState, VersionState
from apps.rollouts.models import Rollout
from apps.rollouts.states import RolloutState


@dataclass(frozen=True, slots=True)
class Step:
    """mark: `done`, `now`, `next` or `failed`."""

    mark: str
    title: str
    text: str = ""
    progress_ratio: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class FirstRun:
    steps: list[Step]
    run_url: str


def first_run(*, is_inspecting: bool) -> FirstRun | None:
    """None once a device inspects with a model: then the panel has done its work. Four queries."""
    if is_inspecting:
        return None
    run = Run.objects.select_related("model").order_by("-id").first()
    version = ModelVersion.objects.select_related("model").order_by("-id").first()
    rollout = Rollout.objects.order_by("-id").first()
    steps = [_import_step(Dataset.objects.order_by("id").first()), _run_step(run)]
    steps += [_version_step(version), _rollout_step(rollout)]
    return FirstRun(
        _in_order([*steps, Step("next", "Devices inspect", "Until then they answer “cannot judge”.")]), _url(run)
    )


def _url(run: Run | None) -> str:
    return address("models:run", run.pk) if run else address("datasets:list")


def _in_order(steps: list[Step]) -> list[Step]:
    """A step before one that is done is done too, e.g. when an old run's rows were removed."""
    last_done = max((number for number, step in enumerate(steps) if step.mark == "done"), default=-1)
    return [Step("done", step.title) if number < last_done else step for number, step in enumerate(steps)]


def _import_step(dataset: Dataset | None) -> Step:
    title = "Import images"
    if dataset is None:
        return Step("next", title, "No data set yet.")
    if dataset.state == ImportState.FAILED:
        return Step("failed", title, f"The import of {dataset.name} failed.")
    if dataset.state == ImportState.SUCCEEDED:
        return Step("done", title, dataset.name)
    done, of = dataset.progress.get("done", 0), dataset.progress.get("of", 0)
    return Step("now", title, f"{dataset.name}: {done:,} of {of:,}", done / of if of else None)


def _run_step(run: Run | None) -> Step:
    title = "Train the model"
    if run is None:
        return Step("next", title)
    if run.state == RunState.SUCCEEDED:
        return Step("done", title, f"{run.model.name} by {run.recipe}")
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        return Step("failed", title, run.error.partition("\n")[0][:160] or "Cancelled.")
    said = run.progress
    step, of, loss = said.get("step", 0), said.get("of", 0), said.get("loss")
    parts = [str(said.get("stage", "waiting for a worker")), f"step {step} of {of}" if of else ""]
    text = " · ".join(part for part in [*parts, f"loss {loss:.3f}" if loss is not None else ""] if part)
    return Step("now", title, text, step / of if of else None, said.get("eta_s"))


def _version_step(version: ModelVersion | None) -> Step:
    title = "Sign and publish the version"
    if version is None:
        return Step("next", title, "An approver signs it.")
    if version.state == VersionState.PUBLISHED:
        return Step("done", title, f"{version.model.name} {version.number}")
    return Step("now", title, f"{version.model.name} {version.number} is {version.state}.")


def _rollout_step(rollout: Rollout | None) -> Step:
    title = "Roll it out in stages"
    if rollout is None:
        return Step("next", title, "A second person approves it.")
    mark = "done" if rollout.state == RolloutState.COMPLETED else "now"
    return Step(mark, title, f"{rollout.name} is {rollout.get_state_display().lower()}.")
