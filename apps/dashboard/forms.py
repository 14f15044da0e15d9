from typing import Any

import msgspec
from django import forms

from apps.accounts.rights import Role
from apps.accounts.selectors import Scope
from apps.devices.models import Line, Site
from apps.devices.selectors import time_zones
from apps.devices.states import Shown
from edge_agent.wire.configuration import Configuration, LogLevel


class DeviceFilterForm(forms.Form):
    text = forms.CharField(
        required=False, label="Name", widget=forms.SearchInput(attrs={"placeholder": "Name or line"})
    )
    state = forms.ChoiceField(required=False, label="State", choices=[("", "All states"), *Shown.choices])
    site = forms.ChoiceField(required=False, label="Site")

    def __init__(self, *args: Any, scope: Scope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sites = scope.narrow(Site.objects.order_by("name"), "id").values_list("id", "name")
        self.fields["site"].choices = [("", "All sites"), *((str(key), name) for key, name in sites)]  # type: ignore[attr-defined]


class DeviceRegisterForm(forms.Form):
    line = forms.ModelChoiceField(queryset=Line.objects.none(), empty_label="Choose a line")
    name = forms.CharField(max_length=100, help_text="As people on the floor call it, e.g. cam-A1.")

    def __init__(self, *args: Any, scope: Scope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = Line.objects.select_related("site").order_by("site__name", "name")
        line: Any = self.fields["line"]
        line.queryset = scope.narrow(lines, "site_id")
        line.label_from_instance = lambda one: f"{one.site.name} · {one.name}"
        self.has_line = line.queryset.exists()


class SiteForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="As people call the plant, e.g. Plant North.")
    time_zone = forms.ChoiceField(
        choices=lambda: [(one, one) for one in time_zones()],
        label="Time zone",
        initial="UTC",
        help_text="Times on the pages of this site are shown in it.",
    )


class LineForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="As people on the floor call it, e.g. Line A1.")
    product = forms.CharField(max_length=100, required=False, help_text="What it makes, e.g. Solar cell.")


class ConfigurationForm(forms.Form):
    """The device's settings; the limits are the wire's own and are checked by it once more."""

    threshold_ratio = forms.FloatField(
        required=False, min_value=0, max_value=1, label="Decision threshold", help_text="Empty: the model's own."
    )
    low_confidence_band_ratio = forms.FloatField(min_value=0, max_value=1, label="Low-confidence band (share)")
    takt_ms = forms.IntegerField(min_value=20, max_value=600_000, label="Takt (ms)")
    deadline_ms = forms.IntegerField(min_value=5, max_value=60_000, label="Deadline for a verdict (ms)")
    random_sample_ratio = forms.FloatField(min_value=0, max_value=1, label="Random sample for review (share)")
    images_per_hour = forms.IntegerField(min_value=0, max_value=100_000, label="Images kept per hour, at most")
    log_level = forms.ChoiceField(choices=[(one.value, one.value) for one in LogLevel], label="Log level")
    health_interval_s = forms.IntegerField(min_value=5, max_value=3600, label="Health report every (s)")
    window_s = forms.IntegerField(min_value=5, max_value=3600, label="Window (s)")
    sync_interval_s = forms.IntegerField(min_value=1, max_value=3600, label="Send every (s)")
    disk_budget_mb = forms.IntegerField(min_value=50, max_value=10_000_000, label="Disk budget (MB)")
    reason = forms.CharField(max_length=200, label="Reason", help_text="Kept with the revision and in the audit.")

    SECTIONS = {
        "inspection": ("threshold_ratio", "low_confidence_band_ratio", "takt_ms", "deadline_ms"),
        "collection": ("random_sample_ratio", "images_per_hour"),
        "operation": ("log_level", "health_interval_s", "window_s", "sync_interval_s", "disk_budget_mb"),
    }

    @classmethod
    def initial_of(cls, configuration: Configuration) -> dict[str, Any]:
        body = msgspec.to_builtins(configuration)
        return {name: body[section][name] for section, names in cls.SECTIONS.items() for name in names}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            body = {section: {name: cleaned[name] for name in names} for section, names in self.SECTIONS.items()}
            try:
                cleaned["configuration"] = msgspec.convert(body, Configuration)
            except msgspec.ValidationError as exc:
                raise forms.ValidationError(str(exc)) from exc
        return cleaned


class PersonForm(forms.Form):
    username = forms.CharField(max_length=150, label="Name")
    password = forms.CharField(
        label="First password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Tell it to the person; nobody can read it again.",
    )
    role = forms.ChoiceField(choices=Role.choices, label="Role")
    site = forms.ModelChoiceField(queryset=Site.objects.order_by("name"), required=False, empty_label="All sites")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        site: Any = self.fields["site"]
        site.label_from_instance = lambda one: one.name


class AuditFilterForm(forms.Form):
    actor = forms.CharField(required=False, max_length=200)
    verb = forms.CharField(required=False, max_length=100)
    object = forms.CharField(required=False, max_length=200)
