from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.accounts.throttle import failure_count, wait_s

MINUTE_S = 60


def _too_many(left_s: float) -> ValidationError:
    minutes = int(left_s // MINUTE_S) + 1
    return ValidationError(f"Too many failed attempts. Try again in {minutes} min, or ask an admin.", code="throttled")


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
            raise _too_many(left_s)
        try:
            return super().clean()
        except ValidationError:
            failure_count(name, self._address)
            raise


class OwnPasswordForm(forms.Form):
    """Who does something weighty says again who they are: a screen left open must not approve anything.

    Wrong ones count as failed sign-ins do, so that a stolen session is no way to guess the password.
    """

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        name = self._user.username
        # Not the network address: others behind the same one have done nothing wrong.
        source = f"session:{self._user.pk}"
        left_s = wait_s(name, source)
        if left_s:
            raise _too_many(left_s)
        if not self._user.check_password(password):
            failure_count(name, source)
            raise ValidationError("This is not your password.")
        return password
