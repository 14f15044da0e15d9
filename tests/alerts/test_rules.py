import pytest
from django.utils import timezone

from apps.alerts.models import Rule
from apps.alerts.services import rule_limit_set
from apps.alerts.states import RuleKind
from apps.core.errors import Wrong
from apps.core.models import AuditRow

pytestmark = pytest.mark.django_db


def limit_set(limit: float) -> bool:
    return rule_limit_set(kind=RuleKind.DEVICE_SILENT, limit=limit, actor="user:kim", now=timezone.now())


def test_a_changed_limit_holds_and_is_audited_once():
    assert limit_set(30)
    assert not limit_set(30)
    assert Rule.objects.get(kind=RuleKind.DEVICE_SILENT).limit == 30
    assert AuditRow.objects.filter(verb="alert_rule_limit", detail={"limit": 30}).count() == 1


def test_a_limit_that_would_always_alarm_is_refused():
    with pytest.raises(Wrong):
        limit_set(0)
