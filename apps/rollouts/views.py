from collections.abc import Callable
from typing import Any, cast

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import may
from apps.core.errors import Wrong
from apps.rollouts import services
from apps.rollouts.forms import ApprovalForm, RolloutForm, initial_of
from apps.rollouts.models import Rollout
from apps.rollouts.pages import rollout_page, stages_preview
from apps.rollouts.policy import Plan
from apps.rollouts.selectors import places, rollout_seen_by, rollouts_seen_by
from apps.rollouts.services.access import require_verb
from apps.rollouts.services.authoring import Content
from apps.rollouts.states import Verb

PAGE_ROWS = 50
VERBS: dict[str, Callable[..., Rollout]] = {
    Verb.PAUSE: services.rollout_pause,
    Verb.RESUME: services.rollout_resume,
    Verb.ADVANCE_NOW: services.rollout_advance_now,
    Verb.STOP: services.rollout_stop,
    Verb.ROLL_BACK: services.rollout_roll_back,
}


@require_GET
def rollout_list(request: HttpRequest) -> HttpResponse:
    return render(request, "rollouts/list.html", _list_context(request))


@require_GET
def rollout_list_live(request: HttpRequest) -> HttpResponse:
    return render(request, "rollouts/_list.html", _list_context(request))


@require_http_methods(["GET", "POST"])
def rollout_create(request: HttpRequest) -> HttpResponse:
    return _write(request, None)


@require_http_methods(["GET", "POST"])
def rollout_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rollout = rollout_seen_by(_person(request), pk)
    require_verb(rollout, Verb.EDIT, _person(request))
    return _write(request, rollout)


@require_POST
def rollout_submit(request: HttpRequest, pk: int) -> HttpResponse:
    rollout_seen_by(_person(request), pk)
    services.rollout_submit(rollout_id=pk, by=_person(request), now=timezone.now())
    return redirect("rollouts:detail", pk=pk)


@require_GET
def rollout_detail(request: HttpRequest, pk: int) -> HttpResponse:
    context = _detail_context(request, pk)
    form = ApprovalForm(initial={"content_hash": context["page"].rollout.content_hash}, user=_person(request))
    return render(request, "rollouts/detail.html", context | {"form": form})


@require_GET
def rollout_detail_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "rollouts/_detail.html", _detail_context(request, pk))


@require_POST
def rollout_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve or reject what the page showed: the form carries its content's hash."""
    by = _person(request)
    rollout_seen_by(by, pk)
    if request.POST.get("decision") != "approve":
        comment = request.POST.get("comment", "").strip()
        services.rollout_reject(rollout_id=pk, by=by, comment=comment, now=timezone.now())
        return redirect("rollouts:detail", pk=pk)
    form = ApprovalForm(request.POST, user=by)
    if not form.is_valid():
        return render(request, "rollouts/detail.html", _detail_context(request, pk) | {"form": form}, status=422)
    said = form.cleaned_data
    services.rollout_approve(
        rollout_id=pk, by=by, content_hash=said["content_hash"], comment=said["comment"], now=timezone.now()
    )
    return redirect("rollouts:detail", pk=pk)


@require_POST
def rollout_verb(request: HttpRequest, pk: int) -> HttpResponse:
    rollout_seen_by(_person(request), pk)
    act = VERBS.get(request.POST.get("verb", ""))
    if act is None:
        raise Wrong("There is no such verb.", code="unknown_verb")
    act(rollout_id=pk, by=_person(request), reason=request.POST.get("reason", "").strip(), now=timezone.now())
    return redirect("rollouts:detail", pk=pk)


@require_POST
def rollout_reason(request: HttpRequest, pk: int) -> HttpResponse:
    rollout_seen_by(_person(request), pk)
    reason = request.POST.get("reason", "").strip()
    services.rollout_reason_add(rollout_id=pk, by=_person(request), reason=reason, now=timezone.now())
    return redirect("rollouts:detail", pk=pk)


def _write(request: HttpRequest, rollout: Rollout | None) -> HttpResponse:
    """The form, its preview, or the draft that it makes."""
    here = places(_person(request), None)
    form = RolloutForm(request.POST or None, places=here, initial=_initial(rollout))
    preview: list[list[str]] = []
    if request.method == "POST" and form.is_valid():
        content = form.content()
        if request.POST.get("act") != "preview":
            return redirect("rollouts:detail", pk=_save(request, rollout, content).pk)
        preview = stages_preview(here, content.device_ids, content.plan)
    chosen = {str(one) for one in form["device_ids"].value() or []}
    context = {
        "form": form, "places": here, "chosen": chosen, "preview": preview, "rollout": rollout,
        "free_count": sum(not place.left_out for place in here),
        "has_version": cast(Any, form.fields["version"]).queryset.exists(),
    }  # fmt: skip
    return render(request, "rollouts/form.html", context)


def _save(request: HttpRequest, rollout: Rollout | None, content: Content) -> Rollout:
    by, now = _person(request), timezone.now()
    if rollout is not None:
        return services.rollout_edit(rollout_id=rollout.pk, content=content, by=by, now=now)
    return services.rollout_create(
        version_id=content.version_id,
        name=content.name,
        device_ids=content.device_ids,
        plan=content.plan,
        by=by,
        now=now,
    )


def _initial(rollout: Rollout | None) -> dict[str, Any] | None:
    if rollout is None:
        return None
    device_ids = tuple(rollout.targets.values_list("device_id", flat=True))
    return initial_of(Content(rollout.version_id, rollout.name, device_ids, Plan.from_json(rollout.plan)))


def _detail_context(request: HttpRequest, pk: int) -> dict[str, Any]:
    user = _person(request)
    return {"page": rollout_page(rollout_seen_by(user, pk), user, timezone.now())}


def _list_context(request: HttpRequest) -> dict[str, Any]:
    user = _person(request)
    rollouts = rollouts_seen_by(user).prefetch_related("stages")
    return {
        "page": Paginator(rollouts, PAGE_ROWS).get_page(request.GET.get("page")),
        "may_plan": may(user, Permission.PLAN_ROLLOUT),
    }


def _person(request: HttpRequest) -> User:
    # The rights middleware let only signed-in people come here.
    return cast(User, request.user)
