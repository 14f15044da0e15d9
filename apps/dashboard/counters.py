"""What waits for this person, as the numbers beside the navigation."""

from typing import Any

from apps.accounts.rights import Permission
from apps.accounts.selectors import may, scope
from apps.alerts.models import Alert
from apps.alerts.states import AlertState
from apps.defects.models import FlaggedImage
from apps.defects.states import ReviewState
from apps.rollouts.models import Rollout
from apps.rollouts.states import RolloutState


def waiting_counts(user: Any) -> dict[str, int]:
    """By navigation entry. Only what this person may act on is counted."""
    counts: dict[str, int] = {}
    if may(user, Permission.REVIEW):
        waiting = FlaggedImage.objects.filter(state=ReviewState.WAITING)
        counts["review"] = scope(user, Permission.REVIEW).narrow(waiting, "device__line__site_id").count()
    if may(user, Permission.APPROVE_ROLLOUT):
        # What one submitted oneself waits for somebody else.
        asked = Rollout.objects.filter(state=RolloutState.AWAITING_APPROVAL).exclude(created_by=user)
        counts["rollouts"] = asked.count()
    if may(user, Permission.HANDLE_ALERT):
        opened = Alert.objects.filter(state=AlertState.OPEN)
        counts["alerts"] = scope(user, Permission.HANDLE_ALERT).narrow(opened, "device__line__site_id").count()
    return counts
