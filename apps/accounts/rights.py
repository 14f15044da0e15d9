"""Who may do what. Roles are permission sets; a membership gives a role at one site or at all of them."""

from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    VIEWER = "viewer", "Plant manager"
    REVIEWER = "reviewer", "QA reviewer"
    LEAD = "lead", "QA lead"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Admin"
    AUDITOR = "auditor", "Auditor"


class Permission(StrEnum):
    SEE_FLEET = "see_fleet"
    SEE_DATA = "see_data"
    SEE_IMAGES = "see_images"
    REVIEW = "review"
    ADJUDICATE = "adjudicate"
    EDIT_DATA = "edit_data"
    TRAIN = "train"
    SUBMIT_VERSION = "submit_version"
    APPROVE_VERSION = "approve_version"
    PLAN_ROLLOUT = "plan_rollout"
    APPROVE_ROLLOUT = "approve_rollout"
    OPERATE_ROLLOUT = "operate_rollout"
    HANDLE_ALERT = "handle_alert"
    ENROL_DEVICE = "enrol_device"
    CONFIGURE_DEVICE = "configure_device"
    COMMAND_DEVICE = "command_device"
    MANAGE_SITES = "manage_sites"
    MANAGE_PEOPLE = "manage_people"
    SEE_AUDIT = "see_audit"


class Open(StrEnum):
    """Rights that no role has to give."""

    ANYONE = "anyone"
    SIGNED_IN = "signed_in"


ANYONE, SIGNED_IN = Open.ANYONE, Open.SIGNED_IN
Right = Permission | Open

_SEE = frozenset({Permission.SEE_FLEET, Permission.SEE_DATA})
_REVIEWER = _SEE | {Permission.SEE_IMAGES, Permission.REVIEW, Permission.HANDLE_ALERT}
_APPROVER = _SEE | {
    Permission.SEE_IMAGES,
    Permission.APPROVE_VERSION,
    Permission.APPROVE_ROLLOUT,
    Permission.OPERATE_ROLLOUT,
    Permission.HANDLE_ALERT,
}

PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.VIEWER: _SEE | {Permission.HANDLE_ALERT},
    Role.REVIEWER: _REVIEWER,
    Role.LEAD: _REVIEWER | {Permission.ADJUDICATE, Permission.EDIT_DATA, Permission.TRAIN, Permission.SUBMIT_VERSION},
    Role.APPROVER: _APPROVER,
    # Four eyes: an admin may also approve, but never what the same person submitted (checked by the services).
    Role.ADMIN: frozenset(Permission),
    Role.AUDITOR: _SEE | {Permission.SEE_AUDIT},
}
"""The whole matrix of roles; `hybridai/rights.py` is the matrix of pages and operations."""
