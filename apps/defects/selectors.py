from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Min, Q, QuerySet, Sum

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import Scope, scope
from apps.core.errors import NotFound
from apps.defects.models import FlaggedImage, Review
from apps.defects.policy import RANDOM_SAMPLE, AuditCell, AuditFigures, audit_figures
from apps.defects.states import Answer, ReviewState
from apps.models.models import ModelVersion

WANTED_MAX = 50
"""Images asked for at a time: a device that was offline for days uploads in turns, newest need first."""
SITE = "device__line__site_id"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may call an image: the class that means good, and the defects in the model's order."""

    good: str = "good"
    defects: tuple[str, ...] = ("defect",)


@dataclass(frozen=True, slots=True)
class QueueNow:
    waiting_count: int
    claimed_count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pace:
    """What one person did today (UTC), and how fast: seconds per verdict over the last 20."""

    today_count: int
    seconds_per_verdict: float | None


def images_wanted(device_id: UUID | str) -> list[str]:
    """SHA-256 of the images that this device flagged and has not uploaded yet, most wanted first."""
    rows = FlaggedImage.objects.filter(device_id=device_id, state=ReviewState.AWAITING_IMAGE)
    return list(rows.order_by("-rank", "id").values_list("sha256", flat=True)[:WANTED_MAX])


def image_is_wanted(device_id: UUID | str, sha256: str) -> bool:
    """Whether this device flagged this image and has not uploaded it yet."""
    rows = FlaggedImage.objects.filter(device_id=device_id, sha256=sha256, state=ReviewState.AWAITING_IMAGE)
    return rows.exists()


def image_was_flagged(device_id: UUID | str, sha256: str) -> bool:
    """Whether this device ever flagged this image."""
    return FlaggedImage.objects.filter(device_id=device_id, sha256=sha256).exists()


def flags_seen_by(user: User) -> QuerySet[FlaggedImage]:
    """The flagged images of the sites whose images this person may see."""
    rows = FlaggedImage.objects.select_related("device__line__site")
    return scope(user, Permission.SEE_IMAGES).narrow(rows, SITE)


def pictures_of(user: User, items: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """By (stream, seq) the flag whose image has arrived and this person may see. One query."""
    rows = flags_seen_by(user).exclude(state=ReviewState.AWAITING_IMAGE)
    found = rows.filter(stream_id__in={stream for stream, _ in items}, seq__in={seq for _, seq in items})
    return {(stream, seq): pk for stream, seq, pk in found.values_list("stream_id", "seq", "pk")}


def flag_seen_by(user: User, flag_id: int) -> FlaggedImage:
    """Raises NotFound for an image of another site, as for one that does not exist."""
    flag = flags_seen_by(user).filter(pk=flag_id).first()
    if flag is None:
        raise NotFound("There is no such flagged image.")
    return flag


def review_queue(scope: Scope, now: datetime) -> QueueNow:
    rows = scope.narrow(FlaggedImage.objects.all(), SITE)
    waiting = rows.filter(is_free(now))
    claimed = rows.filter(state=ReviewState.CLAIMED, claimed_until__gt=now)
    return QueueNow(waiting.count(), claimed.count(), waiting.aggregate(at=Min("arrived_at"))["at"])


def is_free(now: datetime) -> Q:
    """Waits for a reviewer, or its lease ran out."""
    return Q(state=ReviewState.WAITING) | Q(state=ReviewState.CLAIMED, claimed_until__lte=now)


def pace(user: User, now: datetime) -> Pace:
    mine = Review.objects.filter(by=user, undone_at=None)
    today = mine.filter(at__gte=now - timedelta(hours=now.hour, minutes=now.minute, seconds=now.second))
    latest = mine.exclude(seconds=None).order_by("-at").values_list("seconds", flat=True)[:20]
    seconds = [second for second in latest if second is not None]
    return Pace(today.count(), sum(seconds) / len(seconds) if seconds else None)


def audited(*, device_ids: Collection[UUID], since: datetime, until: datetime) -> AuditFigures:
    """How often the models were wrong on these devices' items of this time. One query.

    Only verdicts that decide count, and only those that call the item good or defective.
    """
    deciding = Review.objects.filter(is_deciding=True, undone_at=None, answer__in=(Answer.GOOD, Answer.DEFECT))
    rows = deciding.filter(flag__device_id__in=device_ids, flag__at__gte=since, flag__at__lt=until)
    weight = 1.0 / F("flag__selection_ratio")
    sums = rows.filter(flag__selection_ratio__gt=0).values("flag__verdict", "flag__reason", "answer")
    counted = sums.annotate(n=Count("pk"), weight=Sum(weight), weight_square=Sum(weight * weight))
    return audit_figures(
        AuditCell(verdict, answer == Answer.DEFECT, reason == RANDOM_SAMPLE, n, one, square)
        for verdict, reason, answer, n, one, square in counted.values_list(
            "flag__verdict", "flag__reason", "answer", "n", "weight", "weight_square"
        )
    )


def choices_of(flags: Iterable[FlaggedImage]) -> dict[int, Choices]:
    """By flag id, what the model that judged it can tell apart; one query for all."""
    flags = list(flags)
    rows = ModelVersion.objects.filter(digest__in={flag.model_digest for flag in flags if flag.model_digest})
    known = {row.digest: _choices(row.manifest) for row in rows}
    return {flag.pk: known.get(flag.model_digest or "", Choices()) for flag in flags}


def _choices(manifest: dict[str, object]) -> Choices:
    """From the manifest's own words; a manifest was validated before it became a version."""
    decision, labels = manifest.get("decision"), manifest.get("labels")
    good = str(decision.get("good_label", "good")) if isinstance(decision, dict) else "good"
    defects = tuple(str(label) for label in labels if label != good) if isinstance(labels, list) else ()
    return Choices(good, defects or ("defect",))
