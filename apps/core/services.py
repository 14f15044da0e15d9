import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from apps.core.models import AuditRow

GENESIS_HASH = "0" * 64
AUDIT_LOCK = 0x41554449
"""Advisory lock: audit rows are written one after the other, because each hash needs the one before."""


@transaction.atomic
def audit(
    *,
    actor: str,
    verb: str,
    object: str,
    site_id: int | None = None,
    detail: Mapping[str, object] | None = None,
    at: datetime | None = None,
) -> AuditRow:
    """Append one row to the audit chain, in the caller's transaction: no act without its row, no row without its act.

    actor: `user:<name>`, `device:<id>` or `system:<part>`. detail: JSON values, no secrets.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [AUDIT_LOCK])
    last = AuditRow.objects.order_by("-id").first()
    row = AuditRow(
        at=at or timezone.now(),
        actor=actor,
        verb=verb,
        object=object,
        site_id=site_id,
        detail=dict(detail or {}),
        previous_hash=last.hash if last else GENESIS_HASH,
    )
    row.hash = audit_hash(row)
    row.save(force_insert=True)
    return row


def audit_hash(row: AuditRow) -> str:
    """SHA-256 over the previous hash and the row's own content, as canonical JSON."""
    content = [row.previous_hash, row.at.isoformat(), row.actor, row.verb, row.object, row.site_id, row.detail]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
