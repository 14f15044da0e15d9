import tempfile
from pathlib import Path
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import may
from apps.core.errors import ProductError, Wrong
from apps.models import selectors, services
from apps.models.forms import ApprovalForm, TrainingForm, UploadForm
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.pages import run_figure, run_page, version_page
from apps.models.states import RunKind, RunState

RUNS_SHOWN = 20
VERSIONS_SHOWN = 100


def _user(request: HttpRequest) -> User:
    # The rights middleware let only signed-in people come here.
    return cast(User, request.user)


@require_GET
def model_list(request: HttpRequest) -> HttpResponse:
    return render(request, "models/list.html", _list_context(request))


@require_GET
def model_list_live(request: HttpRequest) -> HttpResponse:
    return render(request, "models/_list.html", _list_context(request))


@require_GET
def version_detail(request: HttpRequest, pk: int) -> HttpResponse:
    page = version_page(_version(pk), _user(request))
    form = ApprovalForm(user=_user(request), is_protected=page.is_key_protected)
    return render(request, "models/version.html", {"page": page, "form": form})


@require_GET
def version_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "models/_version.html", {"page": version_page(_version(pk), _user(request))})


@require_POST
def version_approve(request: HttpRequest, pk: int) -> HttpResponse:
    user = _user(request)
    page = version_page(_version(pk), user)
    form = ApprovalForm(request.POST, user=user, is_protected=page.is_key_protected)
    if form.is_valid():
        try:
            services.version_approve(
                version_id=pk, by=user, now=timezone.now(), passphrase=form.cleaned_data.get("passphrase")
            )
        except ProductError as exc:
            form.add_error("passphrase" if "passphrase" in exc.fields else None, exc.text)
        else:
            messages.success(request, "Approved, signed and published. A rollout can offer it to devices now.")
            return redirect("models:version", pk=pk)
    # What a failed publication left is shown as it is now.
    return render(request, "models/version.html", {"page": version_page(_version(pk), user), "form": form}, status=422)


@require_POST
def version_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    reason = request.POST.get("reason", "").strip()
    passphrase = request.POST.get("passphrase") or None
    try:
        if not reason:
            raise Wrong("Say why the version is withdrawn.")
        services.version_withdraw(
            version_id=pk, by=_user(request), reason=reason, now=timezone.now(), passphrase=passphrase
        )
    except ProductError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, "The version is withdrawn; no device is offered it any more.")
    return redirect("models:version", pk=pk)


@require_http_methods(["GET", "POST"])
def version_upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            version = _register(form.cleaned_data["package"], _user(request))
        except ProductError as exc:
            form.add_error("package", f"{exc.text} ({exc.code})")
        else:
            messages.success(request, f"{version.model.name} {version.number} is validated and waits for approval.")
            return redirect("models:version", pk=version.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "models/upload.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
def run_new(request: HttpRequest) -> HttpResponse:
    form = TrainingForm(request.POST or None, initial={"recipe": "efficientnet_lite0_quick"})
    if request.method == "POST" and form.is_valid():
        try:
            run = _start(form, _user(request))
        except ProductError as exc:
            form.add_error(None, exc.text)
        else:
            return redirect("models:run", pk=run.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "models/run_new.html", {"form": form}, status=status)


@require_GET
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "models/run.html", {"page": run_page(_run(pk), _user(request))})


@require_GET
def run_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "models/_run.html", {"page": run_page(_run(pk), _user(request))})


@require_GET
def run_curve(_request: HttpRequest, pk: int) -> JsonResponse:
    """The learning curve as a Plotly figure."""
    return JsonResponse(run_figure(_run(pk)))


@require_POST
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run = services.run_cancel(run_id=pk, by=_user(request))
    if run.state == RunState.RUNNING:
        messages.info(request, "The run ends at its next step, within seconds.")
    return redirect("models:run", pk=pk)


def _list_context(request: HttpRequest) -> dict[str, Any]:
    return {
        "versions": [(one, selectors.figures(one.metrics)) for one in selectors.versions()[:VERSIONS_SHOWN]],
        "runs": list(selectors.runs()[:RUNS_SHOWN]),
        "may_train": may(request.user, Permission.TRAIN),
        "may_submit": may(request.user, Permission.SUBMIT_VERSION),
        "now": timezone.now(),
    }


def _version(pk: int) -> ModelVersion:
    return get_object_or_404(selectors.versions(), pk=pk)


def _run(pk: int) -> Run:
    return get_object_or_404(selectors.runs(), pk=pk)


def _register(upload: Any, by: User) -> ModelVersion:
    """The upload's own file may be in memory only; the child process needs one on a disk."""
    with tempfile.NamedTemporaryFile(prefix="package-", suffix=".zip") as file:
        for piece in upload.chunks():
            file.write(piece)
        file.flush()
        return services.version_register(package=Path(file.name), run=None, by=by)


def _start(form: TrainingForm, by: User) -> Run:
    name = form.cleaned_data["name"]
    model = InspectionModel.objects.filter(name=name).first() or services.model_create(name=name)
    return services.run_create(
        kind=RunKind.TRAINING,
        model_id=model.pk,
        dataset_version_id=form.cleaned_data["dataset_version"].pk,
        recipe=form.cleaned_data["recipe"],
        parameters=form.parameters,
        seed=form.cleaned_data["seed"],
        by=by,
    )
