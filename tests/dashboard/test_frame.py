import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.rights import Role
from apps.accounts.services import user_create

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client):
    user = user_create(username="mara", password="long enough for a test", memberships=[(Role.VIEWER, None)])
    client.force_login(user)
    return client


def test_a_stranger_is_sent_to_sign_in_and_back(client):
    reply = client.get("/")
    assert reply.status_code == 302
    assert reply.url == reverse("accounts:sign_in") + "?next=/"
    assert client.get(reply.url).status_code == 200


def test_the_frame_says_who_is_signed_in_and_where_one_is(manager):
    page = manager.get("/").content.decode()
    assert "mara" in page
    assert "Plant manager" in page
    assert 'aria-current="page"' in page
