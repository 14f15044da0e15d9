"""A site with a made-up plant behind it, for looking at pages: `python -m tests.kit.pages FOLDER PORT`.

No picture in it is anybody's: no data set is imported.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hybridai.embedded import postgres, valkey
from hybridai.embedded.children import Child
from hybridai.embedded.locations import locations
from tests.kit.programs import PROJECT_ROOT

PASSWORD = "a password for looking at pages"


def main(folder: Path, port: int) -> None:
    """Serve until a signal comes, then leave nothing running."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    where = locations(folder)
    children = [
        Child(postgres.postgres_spec(where, postgres.FORGETFUL)),
        Child(valkey.valkey_spec(where, valkey.FORGETFUL)),
    ]
    site = None
    try:
        for child in children:
            child.start()
            child.wait_ready()
        os.environ |= {
            "HYBRIDAI_DATA": str(folder),
            "DATABASE_URL": where.database_url,
            "REDIS_URL": where.redis_url,
            "DJANGO_SETTINGS_MODULE": "hybridai.settings",
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=PROJECT_ROOT, check=True)
        seed()
        argv = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "hybridai.asgi:application"]
        site = subprocess.Popen(argv, cwd=PROJECT_ROOT)
        while site.poll() is None:
            time.sleep(0.5)
    finally:
        if site is not None:
            site.terminate()
            site.wait()
        for child in reversed(children):
            child.stop()


def seed() -> None:
    """People of every role and, beside them, a plant with everything that pages can show."""
    import django

    django.setup()
    from django.utils import timezone

    from apps.accounts.rights import Role
    from tests.factories import plant

    if plant.User.objects.exists():
        return
    plant.PASSWORD = PASSWORD
    persons = plant.people()
    if os.environ.get("EMPTY_PLANT") != "1":
        plant.Plant(timezone.now(), hours=24).work_for_people(author=persons[Role.ADMIN])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
