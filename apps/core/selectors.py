from apps.core.models import AuditRow
from apps.core.services import GENESIS_HASH, audit_hash


def audit_first_break() -> str | None:
    """What is wrong with the first audit row that does not fit the chain; None when all fit."""
    previous = GENESIS_HASH
    for row in AuditRow.objects.order_by("id").iterator(chunk_size=2000):
        if row.previous_hash != previous:
            return f"row {row.pk}: the row before it is missing or was changed"
        if row.hash != audit_hash(row):
            return f"row {row.pk}: its content was changed"
        previous = row.hash
    return None
