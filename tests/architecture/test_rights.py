"""One matrix for pages and operations: complete, without dead rows, and enforced for every role at every address."""

import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.accounts.rights import ANYONE, PERMISSIONS, SIGNED_IN, Role
from hybridai.rights import RIGHTS
from tests.factories.rollouts import PersonFactory

ARGUMENTS = {"uuid": uuid.UUID(int=0), "int": 0, "slug": "nothing", "str": "nothing", "path": "nothing"}


def patterns(resolver=None, spaces: tuple[str, ...] = ()):
    """Each address as (view name, its arguments)."""
    for one in (resolver or get_resolver()).url_patterns:
        if isinstance(one, URLResolver):
            yield from patterns(one, (*spaces, one.namespace) if one.namespace else spaces)
        elif isinstance(one, URLPattern):
            yield ":".join([*spaces, one.name or "?"]), one.pattern.converters


ADDRESSES = {name: converters for name, converters in patterns()}


def test_every_address_has_a_row_and_every_row_an_address():
    assert set(ADDRESSES) - set(RIGHTS) == set(), "without a row"
    assert set(RIGHTS) - set(ADDRESSES) == set(), "without an address"


def address(name: str) -> str:
    words = {key: ARGUMENTS[type(value).__name__.removesuffix("Converter").lower().replace("string", "str")]
             for key, value in ADDRESSES[name].items()}  # fmt: skip
    return reverse(name, kwargs=words)


def is_refused(reply) -> bool:
    return reply.status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_each_role_opens_exactly_what_the_matrix_gives_it(role):
    client = Client()
    client.force_login(PersonFactory(role=role))
    allowed = {name for name, right in RIGHTS.items() if right in (ANYONE, SIGNED_IN) or right in PERMISSIONS[role]}
    opened = {name for name in RIGHTS if not is_refused(client.get(address(name)))}
    assert opened == allowed


@pytest.mark.django_db
def test_a_stranger_opens_only_what_is_for_anyone():
    client = Client()
    replies = {name: client.get(address(name)) for name in RIGHTS}
    turned_away = {
        name
        for name, reply in replies.items()
        if reply.status_code == 401 or (reply.status_code == 302 and reverse("accounts:sign_in") in reply.url)
    }
    assert set(RIGHTS) - turned_away == {name for name, right in RIGHTS.items() if right == ANYONE}


@pytest.mark.django_db
def test_a_person_without_a_role_opens_nothing_that_needs_one():
    client = Client()
    client.force_login(PersonFactory())
    opened = {name for name in RIGHTS if not is_refused(client.get(address(name)))}
    assert opened == {name for name, right in RIGHTS.items() if right in (ANYONE, SIGNED_IN)}
