from typing import Any
from uuid import UUID

from django import forms

from apps.accounts.forms import OwnPasswordForm
from apps.models.models import ModelVersion
from apps.models.states import VersionState
from apps.rollouts.policy import OnFailure, Plan, plan_faults
from apps.rollouts.selectors import Place
from apps.rollouts.services.authoring import Content

PERCENT = ("max_failure_ratio", "max_error_ratio", "max_late_ratio", "max_cannot_judge_ratio")
DEFAULT = Plan()


class VersionChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    def label_from_instance(self, version: Any) -> str:
        return f"{version.model.name} {version.number} ({version.digest[:12]})"


class RolloutForm(forms.Form):
    """What, where and how. Ratios are typed in per cent."""

    name = forms.CharField(max_length=120, label="Name")
    version = VersionChoice(
        ModelVersion.objects.none(), label="Version", empty_label=None, help_text="Only published versions are here."
    )
    device_ids = forms.TypedMultipleChoiceField(
        coerce=UUID, label="Devices", error_messages={"required": "Choose at least one device."}
    )
    shares = forms.CharField(
        initial="5, 25, 100", label="Stages, in % of all devices", help_text="Cumulative; each at least one device."
    )
    soak_s = forms.FloatField(initial=int(DEFAULT.soak_s), label="Soak per stage, s")
    min_items = forms.IntegerField(initial=DEFAULT.min_items, label="Items needed per stage")
    max_failure_ratio = forms.FloatField(initial=10, label="Update failures allowed, %")
    max_error_ratio = forms.FloatField(initial=2, label="Errors allowed, %")
    max_late_ratio = forms.FloatField(initial=5, label="Late items allowed, %")
    max_cannot_judge_ratio = forms.FloatField(initial=5, label="Items without a verdict allowed, %")
    offer_timeout_s = forms.FloatField(initial=int(DEFAULT.offer_timeout_s), label="Time a device has per step, s")
    max_wait_s = forms.FloatField(
        initial=int(DEFAULT.max_wait_s),
        label="Longest wait for data, s",
        help_text="Then the rollout holds for a person.",
    )
    probation_items = forms.IntegerField(initial=DEFAULT.probation_items, label="Items of a device's probation")
    probation_s = forms.FloatField(initial=int(DEFAULT.probation_s), label="Longest probation, s")
    on_failure = forms.ChoiceField(
        choices=[(OnFailure.PAUSE, "Pause and wait for a person"), (OnFailure.RETURN, "Go back by itself")],
        label="When a gate fails",
    )

    PLAN_FIELDS = (
        "soak_s", "min_items", "max_failure_ratio", "max_error_ratio", "max_late_ratio", "max_cannot_judge_ratio",
        "offer_timeout_s", "max_wait_s", "probation_items", "probation_s",
    )  # fmt: skip

    def __init__(self, *args: Any, places: list[Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        published = ModelVersion.objects.filter(state=VersionState.PUBLISHED).select_related("model")
        self.fields["version"].queryset = published.order_by("-id")  # type: ignore[attr-defined]  # a ModelChoiceField
        free = [(str(place.device_id), place.name) for place in places if not place.left_out]
        self.fields["device_ids"].choices = free  # type: ignore[attr-defined]  # a ChoiceField

    def clean_shares(self) -> tuple[float, ...]:
        try:
            return tuple(float(part) / 100 for part in self.cleaned_data["shares"].replace("%", "").split(","))
        except ValueError as exc:
            raise forms.ValidationError("Write the stages as numbers, e.g. 5, 25, 100.") from exc

    def clean(self) -> dict[str, Any]:
        given = dict(super().clean() or self.cleaned_data)
        if not self.errors:
            for name, fault in plan_faults(self._plan(given)).items():
                self.add_error(name if name in self.fields else None, fault)
        return given

    def content(self) -> Content:
        given = self.cleaned_data
        return Content(given["version"].pk, given["name"].strip(), tuple(given["device_ids"]), self._plan(given))

    def _plan(self, given: dict[str, Any]) -> Plan:
        values = {name: given[name] / 100 if name in PERCENT else given[name] for name in self.PLAN_FIELDS}
        return Plan(shares=given["shares"], on_failure=OnFailure(given["on_failure"]), **values)


class ApprovalForm(OwnPasswordForm):
    """Approves exactly what the page showed: the hash names it."""

    content_hash = forms.CharField(widget=forms.HiddenInput)
    comment = forms.CharField(required=False, max_length=500, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    field_order = ("content_hash", "comment", "password")


def initial_of(content: Content) -> dict[str, Any]:
    """A rollout as the form shows it."""
    plan = {name: _short(value) for name, value in content.plan.as_json().items()}
    percent = {name: _short(round(plan[name] * 100, 4)) for name in PERCENT}
    shares = ", ".join(f"{share * 100:g}" for share in content.plan.shares)
    where = {
        "version": content.version_id,
        "name": content.name,
        "device_ids": [str(one) for one in content.device_ids],
    }
    return plan | percent | where | {"shares": shares}


def _short(value: Any) -> Any:
    """600 rather than 600.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
