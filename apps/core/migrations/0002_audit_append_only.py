from django.db import migrations

FORWARD = """
CREATE FUNCTION core_auditrow_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are append-only';
END
$$;
CREATE TRIGGER core_auditrow_append_only BEFORE UPDATE OR DELETE ON core_auditrow
    FOR EACH ROW EXECUTE FUNCTION core_auditrow_refuse();
CREATE TRIGGER core_auditrow_no_truncate BEFORE TRUNCATE ON core_auditrow
    FOR EACH STATEMENT EXECUTE FUNCTION core_auditrow_refuse();
"""
BACK = """
DROP TRIGGER core_auditrow_no_truncate ON core_auditrow;
DROP TRIGGER core_auditrow_append_only ON core_auditrow;
DROP FUNCTION core_auditrow_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACK)]
