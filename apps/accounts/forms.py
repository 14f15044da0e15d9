from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from apps.accounts.throttle import failure_count, wait_s

MINUTE_S = 60


class SignInForm(AuthenticationForm):
    """Says the same, after the same time, whether the name or the password was wrong."""

    error_messages = {
        "invalid_login": "This name and password do not belong together.",
        "inactive": "This name and password do not belong together.",
    }
    username = forms.CharField(
        label="Name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True})
    )

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address = address

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username", "")
        left_s = wait_s(name, self._address)
        if left_s:
            minutes = int(left_s // MINUTE_S) + 1
            raise ValidationError(
                f"Too many failed attempts. Try again in {minutes} min, or ask an admin.", code="throttled"
            )
        try:
            return super().clean()
        except ValidationError:
            failure_count(name, self._address)
            raise
