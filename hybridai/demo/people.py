"""The demo's sign-ins: one for each persona, with random passwords made on this machine."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.accounts.rights import Role

PEOPLE: Mapping[str, Role] = {
    "manager": Role.VIEWER,
    "reviewer": Role.REVIEWER,
    "lead": Role.LEAD,
    "admin": Role.ADMIN,
    "approver": Role.APPROVER,
    "auditor": Role.AUDITOR,
}


def people_make(file: Path) -> None:
    """Make whoever is missing and write the passwords to `file`, readable by its owner alone."""
    missing = [name for name in PEOPLE if not User.objects.filter(username=name).exists()]
    for name in missing:
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        # Written first: a password that nobody knows is worse than one that is not used yet.
        _note(file, f"{name:<10} {password:<22} {PEOPLE[name].label}")
        accounts.user_create(username=name, password=password, memberships=[(PEOPLE[name], None)], is_demo=True)


def demo_user(role: Role) -> User:
    return User.objects.get(username=next(name for name, its_role in PEOPLE.items() if its_role is role))


def _note(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    kept = [old for old in file.read_text().splitlines() if old.split()[0] != line.split()[0]]
    file.write_text("\n".join([*kept, line]) + "\n")
