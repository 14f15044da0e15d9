import logging
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import Membership, User
from apps.accounts.rights import Permission, Role
from apps.accounts.selectors import is_last_admin, may, scope
from apps.core.errors import Conflict, Forbidden, Wrong
from apps.core.services import audit

logger = logging.getLogger(__name__)

SYSTEM_ACTOR = "system:accounts"


def require(user: Any, permission: Permission, site_id: int | None = None) -> None:
    """Return only if this person holds the permission (at this site); raise Forbidden otherwise."""
    if not may(user, permission, site_id):
        where = " at this site" if site_id is not None else ""
        raise Forbidden(f"Your roles do not include “{words(permission)}”{where}.")


def words(permission: Permission) -> str:
    return permission.value.replace("_", " ")


@transaction.atomic
def user_create(
    *,
    username: str,
    password: str,
    memberships: Sequence[tuple[Role, int | None]] = (),
    is_demo: bool = False,
    by: User | None = None,
) -> User:
    """Make a person with these roles. Raises Wrong if the password is weak, Conflict if the name is taken."""
    if User.objects.filter(username__iexact=username).exists():
        raise Conflict(f"The name {username} is taken.", fields={"username": "This name is taken."})
    user = User(username=username, is_demo=is_demo)
    _check_password(password, user)
    user.set_password(password)
    user.save()
    Membership.objects.bulk_create(Membership(user=user, role=role, site_id=site) for role, site in memberships)
    roles = ", ".join(f"{role} at site {site}" if site else str(role) for role, site in memberships)
    audit(actor=_actor(by), verb="user_create", object=f"user:{username}", detail={"roles": roles})
    return user


@transaction.atomic
def membership_set(*, user_id: int, role: Role, site_id: int | None, is_held: bool, by: User) -> None:
    """Give or take one role at one site (None: at all sites). Repeating it changes nothing."""
    _require_all_sites(by)
    user = _locked(user_id)
    if not is_held and role == Role.ADMIN and site_id is None and is_last_admin(user):
        raise Conflict("This is the last admin of all sites. Make another one first.")
    if _membership_change(user=user, role=role, site_id=site_id, is_held=is_held):
        verb = "role_give" if is_held else "role_take"
        audit(actor=_actor(by), verb=verb, object=f"user:{user.username}", site_id=site_id, detail={"role": role})


def _membership_change(*, user: User, role: Role, site_id: int | None, is_held: bool) -> bool:
    if is_held:
        return Membership.objects.get_or_create(user=user, role=role, site_id=site_id)[1]
    return Membership.objects.filter(user=user, role=role, site_id=site_id).delete()[0] > 0


@transaction.atomic
def user_activate(*, user_id: int, is_active: bool, by: User) -> None:
    """Let a person in or lock them out. Whoever is locked out is refused at the next request."""
    _require_all_sites(by)
    user = _locked(user_id)
    if not is_active and is_last_admin(user):
        raise Conflict("This is the last admin of all sites. Make another one first.")
    if User.objects.filter(id=user_id, is_active=not is_active).update(is_active=is_active):
        verb = "user_let_in" if is_active else "user_lock_out"
        audit(actor=_actor(by), verb=verb, object=f"user:{user.username}")


def sign_in_record(*, user: User, address: str) -> None:
    audit(actor=_actor(user), verb="sign_in", object=f"user:{user.username}", detail={"address": address})


def _require_all_sites(by: User) -> None:
    # A person's roles reach over sites, so whoever changes them must hold the right for all of them.
    if not scope(by, Permission.MANAGE_PEOPLE).is_all:
        raise Forbidden("Only an admin of all sites may change people.")


def _locked(user_id: int) -> User:
    # Every admin's row: two admins that take each other's role at once must not leave none.
    list(User.objects.select_for_update().filter(memberships__role=Role.ADMIN).order_by("id").values_list("id"))
    try:
        return User.objects.get(id=user_id)
    except User.DoesNotExist as exc:
        raise Wrong("This person does not exist.", code="unknown_user") from exc


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as exc:
        raise Wrong("The password is too weak.", fields={"password": " ".join(exc.messages)}) from exc


def _actor(user: User | None) -> str:
    return f"user:{user.username}" if user else SYSTEM_ACTOR
