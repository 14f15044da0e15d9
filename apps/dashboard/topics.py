"""Which live topics there are, what each needs, and where a person may hear of them."""

from uuid import UUID

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import NOWHERE, Scope, scope
from apps.devices.models import Device

TOPICS: dict[str, Permission] = {
    "overview": Permission.SEE_FLEET,
    "lines": Permission.SEE_FLEET,
    "devices": Permission.SEE_FLEET,
    "device": Permission.SEE_FLEET,
    "review": Permission.REVIEW,
    "data": Permission.SEE_DATA,
    "runs": Permission.SEE_DATA,
    "run": Permission.SEE_DATA,
    "versions": Permission.SEE_DATA,
    "rollouts": Permission.SEE_FLEET,
    "rollout": Permission.SEE_FLEET,
    "alerts": Permission.SEE_FLEET,
}
"""By the word before the colon: `device:<id>` and `rollout:<id>` are topics of their own."""


def heard_scopes(session_key: str, topics: frozenset[str]) -> dict[str, Scope] | None:
    """Per topic the sites a person hears of; topics without the right are left out. None: nobody is signed in.

    Asks the session, the person and the memberships anew, so that it also answers whether all that still holds.
    """
    person = _person(session_key)
    if person is None:
        return None
    allowed = {topic: _scope(person, topic) for topic in topics}
    return {topic: held for topic, held in allowed.items() if held != NOWHERE}


def _person(session_key: str) -> User | None:
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) else None


def _scope(person: User, topic: str) -> Scope:
    word, _, name = topic.partition(":")
    if word not in TOPICS:
        return NOWHERE
    held = scope(person, TOPICS[word])
    if word == "device" and not held.is_all and not held.covers(_site_of(name)):
        return NOWHERE
    return held


def _site_of(device_id: str) -> int | None:
    try:
        key = UUID(device_id)
    except ValueError:
        return None
    return Device.objects.filter(pk=key).values_list("line__site_id", flat=True).first()
