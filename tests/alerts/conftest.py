import pytest

from apps.alerts.models import Rule
from apps.alerts.states import RuleKind, Severity

MIGRATED = {"limit": 90, "severity": Severity.ACT_THIS_SHIFT}


@pytest.fixture(autouse=True)
def rule(db):
    """The rule that a migration makes: a test with real transactions, run before in this process, emptied its table."""
    return Rule.objects.get_or_create(kind=RuleKind.DEVICE_SILENT, defaults=MIGRATED)[0]
