import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.core.models import AuditRow
from apps.core.selectors import audit_first_break
from apps.core.services import audit

pytestmark = pytest.mark.django_db


def three_rows() -> list[AuditRow]:
    return [audit(actor="user:kim", verb="approve", object=f"rollout:{n}", detail={"share": 0.05}) for n in range(3)]


def forge(sql: str, *values: object) -> None:
    """What someone with the database's own password could do."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditrow DISABLE TRIGGER USER")
        cursor.execute(sql, values)
        cursor.execute("ALTER TABLE core_auditrow ENABLE TRIGGER USER")


def test_an_untouched_chain_verifies():
    three_rows()
    assert audit_first_break() is None


@pytest.mark.parametrize("statement", ["UPDATE core_auditrow SET verb = 'x'", "DELETE FROM core_auditrow"])
def test_the_database_refuses_to_change_an_audit_row(statement):
    three_rows()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_changed_row_is_named():
    rows = three_rows()
    forge("UPDATE core_auditrow SET detail = '{\"share\": 1.0}' WHERE id = %s", rows[1].pk)
    assert audit_first_break() == f"row {rows[1].pk}: its content was changed"


def test_a_removed_row_is_noticed_at_the_next_one():
    rows = three_rows()
    forge("DELETE FROM core_auditrow WHERE id = %s", rows[1].pk)
    assert audit_first_break() == f"row {rows[2].pk}: the row before it is missing or was changed"


def test_the_command_fails_on_a_broken_chain(capsys):
    rows = three_rows()
    call_command("audit_verify")
    assert "3 audit rows" in capsys.readouterr().out
    forge("UPDATE core_auditrow SET actor = 'user:eve' WHERE id = %s", rows[0].pk)
    with pytest.raises(CommandError, match=f"row {rows[0].pk}"):
        call_command("audit_verify")


def test_an_act_that_rolls_back_leaves_no_audit_row():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit(actor="user:kim", verb="approve", object="rollout:1")
        raise ZeroDivisionError
    assert not AuditRow.objects.exists()
