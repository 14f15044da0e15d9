"""Which event makes which task or page hear of it sooner, and what the reconciler asks each turn. The whole table.

Nothing here is needed for correctness: `manage.py reconcile` finds the same work in the rows.
"""

from apps.core.doorbell import doorbell


def connect() -> None:
    """Connect every listener; called once per process, when Django is ready."""
    from hybridai import celery  # noqa: F401  tasks need the app before the first delay()

    _ = doorbell
