from typing import Any

from django import forms
from django.core.validators import RegexValidator

from apps.accounts.forms import OwnPasswordForm
from apps.datasets.models import DatasetVersion
from apps.models.models import InspectionModel
from apps.models.training.catalogue import CATALOGUE

PACKAGE_BYTES_MAX = 600 * 1024**2
SEED_MAX = 2**31 - 1
EPOCHS_MAX = 200


class VersionChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # takes no argument when it runs
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.dataset.name}, version {obj.number}"


class TrainingForm(forms.Form):
    """A new training. The model's name may be one that exists, or a new one."""

    name = forms.CharField(
        label="Model",
        max_length=60,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$", "Small letters, digits and hyphens.")],
        help_text="Small letters, digits and hyphens. A name that exists gets its next version.",
        widget=forms.TextInput(attrs={"list": "model-names", "autocomplete": "off"}),
    )
    dataset_version = VersionChoice(label="Data", queryset=DatasetVersion.objects.none(), empty_label=None)
    recipe = forms.ChoiceField(
        label="Recipe",
        choices=[(name, f"{facts.title}: {facts.summary}") for name, facts in CATALOGUE.items()],
        widget=forms.RadioSelect,
    )
    epochs = forms.IntegerField(
        label="Passes over the images",
        min_value=1,
        max_value=EPOCHS_MAX,
        required=False,
        help_text="Empty takes the recipe's own number.",
    )
    seed = forms.IntegerField(
        label="Seed", min_value=0, max_value=SEED_MAX, initial=0, help_text="The same seed gives the same model."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = DatasetVersion.objects.select_related("dataset").order_by("-pk")
        self.fields["dataset_version"].queryset = versions  # type: ignore[attr-defined]
        self.model_names = list(InspectionModel.objects.order_by("name").values_list("name", flat=True))

    @property
    def parameters(self) -> dict[str, float]:
        epochs = self.cleaned_data["epochs"]
        return {"epochs": epochs} if epochs else {}


class UploadForm(forms.Form):
    package = forms.FileField(
        label="Package",
        max_length=200,
        help_text="A zip of stored files: manifest.json, the ONNX model, golden frames. See docs/training.md.",
        widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"}),
    )

    def clean_package(self) -> Any:
        package = self.cleaned_data["package"]
        if package.size > PACKAGE_BYTES_MAX:
            raise forms.ValidationError(f"The package has more than {PACKAGE_BYTES_MAX // 1024**2} MiB.")
        return package


class ApprovalForm(OwnPasswordForm):
    """A protected signing key needs its own passphrase beside the approver's password."""

    passphrase = forms.CharField(
        label="Passphrase of the signing key",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, is_protected: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_protected:
            del self.fields["passphrase"]
