import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.accounts import throttle
from apps.accounts.models import User
from apps.accounts.rights import Permission, Role
from apps.accounts.selectors import may, may_open, scope
from apps.accounts.services import membership_set, require, user_activate, user_create
from apps.core.errors import Conflict, Forbidden, Wrong
from apps.core.models import AuditRow
from apps.devices.models import Site

pytestmark = pytest.mark.django_db
PASSWORD = "long enough for a test"
SIGN_IN = "/account/sign-in/"


@pytest.fixture(autouse=True)
def no_failures_before():
    cache.clear()


@pytest.fixture
def mara() -> User:
    return user_create(username="mara", password=PASSWORD, memberships=[(Role.VIEWER, None)])


def sign_in(client: Client, name: str, password: str):
    return client.post(SIGN_IN, {"username": name, "password": password})


def test_a_person_signs_in_leaves_an_audit_row_and_signs_out_by_post_only(client, mara):
    assert sign_in(client, "mara", PASSWORD).url == "/"
    assert AuditRow.objects.filter(verb="sign_in", actor="user:mara").count() == 1
    assert client.get(reverse("accounts:sign_out")).status_code == 405
    client.post(reverse("accounts:sign_out"))
    assert client.get("/").status_code == 302


def test_passwords_are_kept_as_argon2(mara):
    assert mara.password.startswith("argon2$argon2id$")


def test_a_wrong_password_an_unknown_name_and_a_locked_out_person_read_the_same(client, mara):
    pages = [sign_in(client, "mara", "wrong"), sign_in(client, "nobody", "wrong")]
    User.objects.update(is_active=False)
    pages.append(sign_in(client, "mara", PASSWORD))
    errors = {str(page.context["form"].non_field_errors()) for page in pages}
    assert len(errors) == 1
    assert "do not belong together" in errors.pop()


def test_after_ten_failures_even_the_right_password_waits_and_others_do_not(client, mara):
    user_create(username="nils", password=PASSWORD, memberships=[(Role.VIEWER, None)])
    for _ in range(throttle.FAILURES_PER_ACCOUNT):
        throttle.failure_count("mara", "10.0.0.1")
    page = sign_in(client, "mara", PASSWORD)
    assert "Too many failed attempts. Try again in" in page.content.decode()
    assert sign_in(client, "nils", PASSWORD).status_code == 302


def test_an_address_that_guesses_many_names_waits_too(client, mara):
    for number in range(throttle.FAILURES_PER_ADDRESS):
        throttle.failure_count(f"guess{number}", "127.0.0.1")
    assert "Too many failed attempts" in sign_in(client, "mara", PASSWORD).content.decode()


def test_sign_in_leads_on_to_where_one_wanted_to_go_but_never_off_the_site(client, mara):
    said = {"username": "mara", "password": PASSWORD}
    assert client.post(SIGN_IN, said | {"next": "/lines/"}).url == "/lines/"
    client.post(reverse("accounts:sign_out"))
    assert client.post(SIGN_IN, said | {"next": "https://evil.example/"}).url == "/"


def test_the_api_answers_in_its_one_error_shape(client, mara):
    stranger = client.get("/api/v1/me/")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "not_signed_in")
    client.force_login(mara)
    me = client.get("/api/v1/me/").json()
    assert me["memberships"] == [{"role": "viewer", "site_id": None}]
    assert "see_fleet" in me["permissions"]
    assert "manage_people" not in me["permissions"]


def test_a_fragment_sends_a_signed_out_page_to_sign_in_as_a_whole(client):
    reply = client.get(reverse("dashboard:overview_main"), headers={"hx-request": "true"})
    assert (reply.status_code, reply.headers["HX-Redirect"]) == (401, SIGN_IN)


def test_an_address_without_a_row_is_refused_to_everybody(mara):
    assert not may_open(mara, "dashboard:forgotten")


def test_a_role_at_one_site_reaches_that_site_only():
    here, there = (Site.objects.create(name=name) for name in ("Here", "There"))
    user = user_create(username="lead", password=PASSWORD, memberships=[(Role.LEAD, here.id)])
    assert may(user, Permission.REVIEW, here.id)
    assert not may(user, Permission.REVIEW, there.id)
    assert list(scope(user, Permission.REVIEW).narrow(Site.objects.all(), "id")) == [here]
    with pytest.raises(Forbidden, match="at this site"):
        require(user, Permission.REVIEW, there.id)


def test_a_locked_out_person_may_nothing_from_the_next_request_on(client, mara):
    admin = user_create(username="ada", password=PASSWORD, memberships=[(Role.ADMIN, None)])
    client.force_login(mara)
    assert client.get("/").status_code == 200
    user_activate(user_id=mara.id, is_active=False, by=admin)
    assert client.get("/").status_code == 302


def test_the_last_admin_can_neither_be_locked_out_nor_lose_the_role():
    admin = user_create(username="ada", password=PASSWORD, memberships=[(Role.ADMIN, None)])
    with pytest.raises(Conflict):
        user_activate(user_id=admin.id, is_active=False, by=admin)
    with pytest.raises(Conflict):
        membership_set(user_id=admin.id, role=Role.ADMIN, site_id=None, is_held=False, by=admin)


def test_an_admin_of_one_site_changes_nobodys_roles(mara):
    site = Site.objects.create(name="Here")
    admin = user_create(username="ada", password=PASSWORD, memberships=[(Role.ADMIN, site.id)])
    with pytest.raises(Forbidden):
        membership_set(user_id=admin.id, role=Role.ADMIN, site_id=None, is_held=True, by=admin)


def test_a_weak_password_and_a_taken_name_make_nobody(mara):
    with pytest.raises(Wrong) as weak:
        user_create(username="new", password="short")
    assert "password" in weak.value.fields
    with pytest.raises(Conflict):
        user_create(username="MARA", password=PASSWORD)
    assert User.objects.count() == 1


def test_the_first_person_made_on_the_command_line_is_an_admin_of_all_sites():
    user = User.objects.create_superuser(username="first", password=PASSWORD)
    assert scope(user, Permission.MANAGE_PEOPLE).is_all
