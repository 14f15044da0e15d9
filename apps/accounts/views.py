from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from apps.accounts.forms import SignInForm
from apps.accounts.models import User
from apps.accounts.services import sign_in_record


class SignInView(LoginView):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "address": address_of(self.request)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, is_demo=User.objects.filter(is_demo=True).exists())

    def form_valid(self, form: Any) -> HttpResponse:
        sign_in_record(user=form.get_user(), address=address_of(self.request))
        return super().form_valid(form)


def address_of(request: HttpRequest) -> str:
    """Where the request comes from. The forwarded address counts only when our own proxy stands in front."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.BEHIND_TLS else ""
    return forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
