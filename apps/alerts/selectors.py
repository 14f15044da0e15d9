from django.db.models import QuerySet

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import Scope, scope
from apps.alerts.models import Alert
from apps.alerts.states import AlertState

SITE = "device__line__site_id"


def alerts_seen_by(user: User) -> QuerySet[Alert]:
    """The alerts of the sites whose fleet this person may see, newest first."""
    rows = Alert.objects.select_related("rule", "device__line__site", "acknowledged_by")
    return scope(user, Permission.SEE_FLEET).narrow(rows, SITE).order_by("-opened_at", "-id")


def unresolved_count(scope: Scope) -> int:
    return scope.narrow(Alert.objects.exclude(state=AlertState.RESOLVED), SITE).count()


def open_count(scope: Scope) -> int:
    """Alerts that nobody has acknowledged."""
    return scope.narrow(Alert.objects.filter(state=AlertState.OPEN), SITE).count()
