"""Approval, signing, publication. The files come between two short transactions, so each step can be repeated."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.services import require
from apps.core import files
from apps.core.doorbell import ring
from apps.core.errors import Conflict, Forbidden, NotFound, Unavailable, Wrong
from apps.core.moves import move
from apps.core.services import audit
from apps.models.events import VersionChanged
from apps.models.models import ModelVersion
from apps.models.outside.signer import PassphraseWrong, Signer, SigningError
from apps.models.outside.tuf_repository import RepositoryFailed, RoleState, TufRepository
from apps.models.selectors import authors, target_path
from apps.models.states import VERSION_MOVES, VersionState

logger = logging.getLogger(__name__)

PUBLISHING_LOCK = 0x5055424C
UNFINISHED = (VersionState.APPROVED, VersionState.SIGNED)


def repository() -> TufRepository:
    return TufRepository(settings.TUF_DIR, settings.KEYS_DIR)


def repository_create(*, now: datetime, passphrase: str | None = None) -> TufRepository:
    """The TUF repository, made when it is not there; a passphrase then protects the key that signs versions."""
    here = repository()
    with _repository_errors():
        here.create(now=now, passphrase=passphrase)
    return here


def repository_roles() -> list[RoleState]:
    """Each signing role with its expiry; none before the first publication. Raises Unavailable."""
    here = repository()
    with _repository_errors():
        return here.states() if here.exists else []


def version_approve(*, version_id: int, by: User, now: datetime, passphrase: str | None = None) -> ModelVersion:
    """Approve, sign and publish a validated version; for one whose publication was cut off, finish it.

    Four eyes: whoever trained or uploaded it may not approve it. The key is unlocked first, so that a wrong passphrase
    changes nothing. Raises Forbidden, Forbidden(own_work), Wrong(wrong_passphrase), Conflict, Unavailable.
    """
    require(by, Permission.APPROVE_VERSION)
    with _alone(version_id) as version:
        if by.pk in authors(version):
            raise Forbidden("You trained or uploaded this version; another person must approve it.", code="own_work")
        if version.state not in {VersionState.VALIDATED, *UNFINISHED}:
            raise Conflict(f"This version is {version.state}; only a validated one can be approved.")
        with _repository_errors():
            signer = repository_create(now=now).targets_key().unlock(passphrase)
        if version.state == VersionState.VALIDATED:
            _approve(version, by, now)
        _publish(version, signer, now, actor=f"user:{by.username}")
    return _version(version_id)


def version_withdraw(
    *, version_id: int, by: User, reason: str, now: datetime, passphrase: str | None = None
) -> ModelVersion:
    """Take a version back: it is offered no more, and its target is signed out of the repository."""
    require(by, Permission.APPROVE_VERSION)
    actor = f"user:{by.username}"
    with _alone(version_id) as version:
        if version.state in {*UNFINISHED, VersionState.PUBLISHED}:
            with _repository_errors():
                here = repository_create(now=now)
                here.target_remove(target_path(version), signer=here.targets_key().unlock(passphrase), now=now)
                here.release(now=now)
        if version.state != VersionState.WITHDRAWN:
            _step(version, VersionState.WITHDRAWN, verb="version_withdraw", actor=actor, state_reason=reason[:300])
    return _version(version_id)


def publications_finish_due(*, now: datetime) -> int:
    """Finish publications that were cut off, where the key needs no person. Returns how many were finished."""
    waiting = list(ModelVersion.objects.filter(state__in=UNFINISHED).order_by("pk").values_list("pk", flat=True))
    here = repository()
    if not waiting or not here.exists:
        return 0
    with _repository_errors():
        if here.targets_key().is_protected:
            return 0
        signer = here.targets_key().unlock()
    return sum(_finish(version_id, signer, now) for version_id in waiting)


def tuf_refresh_due(*, now: datetime) -> list[str]:
    """Sign metadata again before it expires, and say which roles. Protected keys wait for their person."""
    here = repository()
    if not here.exists:
        return []
    with _repository_errors():
        roles = here.refresh_due(now=now)
    if roles:
        logger.info("tuf_refreshed roles=%s", ",".join(roles))
    return roles


def _finish(version_id: int, signer: Signer, now: datetime) -> bool:
    with _alone(version_id) as version:
        # The request that approved it may have finished meanwhile.
        if version.state not in UNFINISHED:
            return False
        _publish(version, signer, now, actor="system:models")
        return True


@transaction.atomic
def _approve(version: ModelVersion, by: User, now: datetime) -> None:
    _step(
        version,
        VersionState.APPROVED,
        verb="version_approve",
        actor=f"user:{by.username}",
        approved_by=by,
        approved_at=now,
    )


def _publish(version: ModelVersion, signer: Signer, now: datetime, *, actor: str) -> None:
    """Approved > signed > published; each state is recorded when its files are on the disk."""
    here = repository()
    if version.state == VersionState.APPROVED:
        with _repository_errors():
            here.target_sign(target_path(version), files.read(version.digest), signer=signer, now=now)
        _step(version, VersionState.SIGNED, verb="version_sign", actor=actor)
    with _repository_errors():
        here.release(now=now)
    _step(version, VersionState.PUBLISHED, verb="version_publish", actor=actor, published_at=now)


@transaction.atomic
def _step(version: ModelVersion, new: VersionState, *, verb: str, actor: str, **changes: object) -> None:
    """Move, with its audit row. Raises Conflict when somebody moved the version first."""
    if not move(ModelVersion, pk=version.pk, moves=VERSION_MOVES, old=version.state, new=new, **changes):
        raise Conflict("Somebody changed this version a moment ago; look again.")
    detail = {"model": version.model.name, "number": version.number, "digest": version.digest}
    audit(actor=actor, verb=verb, object=f"version:{version.pk}", detail=detail)
    ring(VersionChanged(version.pk))
    version.state = new


@contextmanager
def _alone(version_id: int) -> Iterator[ModelVersion]:
    """The version as it is now, while nobody else publishes or withdraws: the files follow the state in step.

    The lock is held on the connection and not by a transaction, because each step commits for itself.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PUBLISHING_LOCK])
        try:
            yield _version(version_id)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PUBLISHING_LOCK])


def _version(version_id: int) -> ModelVersion:
    version = ModelVersion.objects.select_related("model", "run").filter(pk=version_id).first()
    if version is None:
        raise NotFound("There is no such version.")
    return version


@contextmanager
def _repository_errors() -> Iterator[None]:
    try:
        yield
    except PassphraseWrong as exc:
        raise Wrong(str(exc), code="wrong_passphrase", fields={"passphrase": str(exc)}) from exc
    except (RepositoryFailed, SigningError) as exc:
        raise Unavailable(str(exc), code="repository_unavailable") from exc
