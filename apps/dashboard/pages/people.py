"""Who asks for a page."""

from django.http import HttpRequest

from apps.accounts.models import User

Asker = User


def asker(request: HttpRequest) -> User:
    """The signed-in person; the rights matrix lets nobody else through to a page that calls this."""
    assert isinstance(request.user, User), "the rights matrix must not leave this page open"
    return request.user
