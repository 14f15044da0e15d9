"""Who may do what. Everything is asked of the memberships; there is no all-powerful flag beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet, prefetch_related_objects
from django.utils.module_loading import import_string

from apps.accounts.models import Membership, User
from apps.accounts.rights import ANYONE, PERMISSIONS, SIGNED_IN, Permission, Right, Role

Row = TypeVar("Row", bound=Model)
Person = User | AnonymousUser


@dataclass(frozen=True, slots=True)
class Scope:
    """The sites at which a person holds one permission."""

    is_all: bool
    site_ids: frozenset[int]

    def covers(self, site_id: int | None) -> bool:
        """Whether something at this site is within; what belongs to no site needs a permission for all of them."""
        return self.is_all or site_id in self.site_ids

    def narrow(self, rows: QuerySet[Row], field: str) -> QuerySet[Row]:
        """Only the rows whose `field` (a site id, e.g. `device__line__site_id`) is within."""
        return rows if self.is_all else rows.filter(**{f"{field}__in": self.site_ids})


NOWHERE = Scope(is_all=False, site_ids=frozenset())
EVERYWHERE = Scope(is_all=True, site_ids=frozenset())


def scope(user: Any, permission: Permission) -> Scope:
    """Where this person holds the permission. Memberships are read once per user object."""
    granting = [one for one in memberships(user) if permission in PERMISSIONS.get(one.role, frozenset())]
    if any(one.site_id is None for one in granting):
        return EVERYWHERE
    return Scope(is_all=False, site_ids=frozenset(one.site_id for one in granting if one.site_id is not None))


def may(user: Any, permission: Permission, site_id: int | None = None) -> bool:
    """Whether this person holds the permission at the site; without a site, whether at any site at all."""
    held = scope(user, permission)
    return held.covers(site_id) if site_id is not None else held != NOWHERE


def memberships(user: Any) -> Iterable[Membership]:
    if not isinstance(user, User) or not user.is_active:
        return []
    prefetch_related_objects([user], "memberships")
    return user.memberships.all()


def right_of(view_name: str) -> Right | None:
    """What the matrix asks for at this view; None: it is not listed, and so refused."""
    matrix: dict[str, Right] = import_string(settings.RIGHTS_MATRIX)
    return matrix.get(view_name)


def may_open(user: Any, view_name: str) -> bool:
    """Whether the matrix lets this person open the view, at some site at least."""
    right = right_of(view_name)
    if right is None:
        return False
    if right == ANYONE:
        return True
    if right == SIGNED_IN:
        return bool(user.is_authenticated)
    return isinstance(right, Permission) and may(user, right)


def people() -> QuerySet[User]:
    return User.objects.prefetch_related("memberships").order_by("-is_active", "username")


def is_last_admin(user: User) -> bool:
    """Whether nobody else who can sign in holds the admin role at all sites."""
    admins = Membership.objects.filter(role=Role.ADMIN, site_id=None, user__is_active=True)
    return admins.filter(user=user).exists() and not admins.exclude(user=user).exists()
