"""Flagged images come in, people judge them one at a time, and each verdict's label goes back to the data set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.core import files
from apps.core.doorbell import ring
from apps.core.errors import Conflict, NotFound, Wrong
from apps.core.moves import move, require_legal
from apps.core.services import audit
from apps.datasets.services import review_label_add, review_label_undo
from apps.defects import policy
from apps.defects.events import ReviewChanged
from apps.defects.models import FlaggedImage, Review
from apps.defects.selectors import SITE, choices_of, is_free
from apps.defects.states import REVIEW_MOVES, Answer, ReviewState

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
UNDO_DEPTH = 20
UNSURE_MAX = 2
"""So many people may be unsure of one image before it leaves the queue and waits for a lead."""


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """An item whose image a device kept for people, as its result says."""

    device_id: UUID
    stream_id: str
    seq: int
    sha256: str
    size_bytes: int
    at: datetime
    line: str
    item: str
    product: str
    lot: str
    verdict: str
    label: str
    score_ratio: float | None
    threshold_ratio: float | None
    model_digest: str | None
    reason: str
    selection_ratio: float
    source: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """One person's verdict on one image. `uuid` was made where the key was pressed; `label` names a defect's class."""

    uuid: UUID
    answer: Answer
    label: str = ""
    note: str = ""
    seconds: float | None = None


@transaction.atomic
def flags_store(flags: Sequence[FlagFacts], now: datetime) -> None:
    """Keep these flags, in the caller's transaction; one that is known already changes nothing."""
    if not flags:
        return
    rows = [_flag_row(facts, now) for facts in flags]
    FlaggedImage.objects.bulk_create(rows, ignore_conflicts=True)
    ring(ReviewChanged(0))


def _flag_row(facts: FlagFacts, now: datetime) -> FlaggedImage:
    return FlaggedImage(
        **{name: getattr(facts, name) for name in FlagFacts.__slots__},
        arrived_at=now,
        state=ReviewState.WAITING if files.exists(facts.sha256) else ReviewState.AWAITING_IMAGE,
        rank=policy.rank(
            score_ratio=facts.score_ratio,
            threshold_ratio=facts.threshold_ratio,
            reason=facts.reason,
            sha256=facts.sha256,
        ),
    )


@transaction.atomic
def image_arrived(sha256: str, now: datetime) -> int:
    """The image is in the store: whatever waited for it joins the queue. Returns how many did."""
    return _join_queue(FlaggedImage.objects.filter(sha256=sha256), now)


def _join_queue(rows: QuerySet[FlaggedImage], now: datetime) -> int:
    require_legal(REVIEW_MOVES, ReviewState.AWAITING_IMAGE, ReviewState.WAITING)
    count = rows.filter(state=ReviewState.AWAITING_IMAGE).update(state=ReviewState.WAITING, arrived_at=now)
    if count:
        ring(ReviewChanged(0))
    return count


def review_next(*, by: User, now: datetime) -> FlaggedImage | None:
    """The image this person should judge now, leased for two minutes; None when nothing waits."""
    return next(iter(reviews_claim(by=by, now=now, count=1)), None)


@transaction.atomic
def reviews_claim(*, by: User, now: datetime, count: int) -> list[FlaggedImage]:
    """Up to `count` images for this person alone, leased for two minutes from now, most urgent first.

    What the person holds already is leased on and comes first. Rows that another claim holds this moment are skipped,
    not waited for, so two people never get the same image and never wait for each other.
    """
    mine = FlaggedImage.objects.filter(state=ReviewState.CLAIMED, claimed_by=by, claimed_until__gt=now)
    mine.update(claimed_until=now + LEASE)
    held = list(mine.select_related("device__line__site").order_by("-rank", "id")[:count])
    return held + _claim_more(by, now, count - len(held))


def _claim_more(by: User, now: datetime, count: int) -> list[FlaggedImage]:
    require_legal(REVIEW_MOVES, ReviewState.WAITING, ReviewState.CLAIMED)
    free = scope(by, Permission.REVIEW).narrow(FlaggedImage.objects.filter(is_free(now)), SITE)
    judged = Review.objects.filter(by=by, undone_at=None).values("flag_id")
    rows = free.exclude(pk__in=judged).select_for_update(skip_locked=True, of=("self",))
    claimed = list(rows.select_related("device__line__site").order_by("-rank", "id")[:count])
    ids = [flag.pk for flag in claimed]
    lease = {"claimed_by": by, "claimed_until": now + LEASE}
    FlaggedImage.objects.filter(pk__in=ids).update(state=ReviewState.CLAIMED, **lease)
    if claimed:
        ring(ReviewChanged(0))
    return claimed


@transaction.atomic
def review_skip(*, flag_id: int, by: User, now: datetime) -> None:
    """Give the image back, behind all that nobody skipped. Without effect on one that somebody else holds."""
    mine = FlaggedImage.objects.filter(pk=flag_id, state=ReviewState.CLAIMED, claimed_by=by, claimed_until__gt=now)
    if mine.update(**_GIVEN_BACK, rank=F("rank") - policy.SKIP_COST):
        ring(ReviewChanged(flag_id))


_GIVEN_BACK = {"state": ReviewState.WAITING, "claimed_by": None, "claimed_until": None}


@transaction.atomic
def reviews_release_due(*, now: datetime) -> int:
    """Give back what was claimed and not judged in time, and find images whose arrival was not noticed."""
    require_legal(REVIEW_MOVES, ReviewState.CLAIMED, ReviewState.WAITING)
    lapsed = FlaggedImage.objects.filter(state=ReviewState.CLAIMED, claimed_until__lte=now)
    count = lapsed.update(**_GIVEN_BACK)
    if count:
        ring(ReviewChanged(0))
    return count + _notice_images(now)


def _notice_images(now: datetime) -> int:
    """An image that arrived while its flag was still being stored told nobody; the store itself does."""
    missing = FlaggedImage.objects.filter(state=ReviewState.AWAITING_IMAGE)
    names = missing.order_by("-id").values_list("sha256", flat=True)
    here = [sha256 for sha256 in names[:500] if files.exists(sha256)]
    return _join_queue(FlaggedImage.objects.filter(sha256__in=here), now) if here else 0


@transaction.atomic
def review_record(*, flag_id: int, by: User, opinion: Opinion, now: datetime) -> Review:
    """Keep one verdict and send its label back to the data set. The same uuid again returns the kept one.

    A verdict that arrives late (the link was down, the lease ran out) counts all the same. When somebody else judged
    the image before, it is kept as a second opinion and changes nothing.
    """
    flag = _flag_locked(flag_id, by)
    known = Review.objects.filter(uuid=opinion.uuid).first()
    if known is not None:
        return _require_same(known, flag_id, by)
    review = _review_row(flag, by, opinion, now)
    if review.is_deciding:
        _settle(flag, review, now)
    review.save()
    _write_down(flag, by, "review_record", now, detail=_audit_detail(review))
    return review


def _review_row(flag: FlaggedImage, by: User, opinion: Opinion, now: datetime) -> Review:
    return Review(
        flag=flag, uuid=opinion.uuid, by=by, at=now, answer=opinion.answer, label=_label_of(flag, opinion),
        note=opinion.note, seconds=opinion.seconds,
        is_deciding=flag.state in (ReviewState.WAITING, ReviewState.CLAIMED),
    )  # fmt: skip


def _label_of(flag: FlaggedImage, opinion: Opinion) -> str:
    """The data set's word for this answer; empty for an answer that names no class."""
    choices = choices_of([flag])[flag.pk]
    if opinion.answer == Answer.GOOD:
        return choices.good
    if opinion.answer != Answer.DEFECT:
        return ""
    label = opinion.label or choices.defects[0]
    if label not in choices.defects:
        raise Wrong(f"“{label}” is not a class of the model that judged this image.", code="unknown_label")
    return label


def _flag_locked(flag_id: int, by: User) -> FlaggedImage:
    """Verdicts on one image are taken one after the other. Raises NotFound outside the person's sites."""
    rows = scope(by, Permission.REVIEW).narrow(FlaggedImage.objects.all(), SITE)
    flag = rows.select_for_update(of=("self",)).select_related("device__line").filter(pk=flag_id).first()
    if flag is None:
        raise NotFound("There is no such flagged image.")
    if flag.state == ReviewState.AWAITING_IMAGE:
        raise Conflict("The image of this item has not arrived yet.", code="image_missing")
    return flag


def _require_same(known: Review, flag_id: int, by: User) -> Review:
    if known.flag_id != flag_id or known.by_id != by.pk:
        raise Conflict("This verdict's id was used for another one.", code="uuid_reused")
    return known


def _settle(flag: FlaggedImage, review: Review, now: datetime) -> None:
    """Move the image on, and its label back to the data set."""
    unsure_count = flag.reviews.filter(answer=Answer.UNSURE, undone_at=None).count()
    if flag.state == ReviewState.WAITING:
        _flag_move(flag, ReviewState.CLAIMED, claimed_by=review.by, claimed_until=now)
    if review.answer == Answer.UNSURE and unsure_count + 1 < UNSURE_MAX:
        _flag_move(flag, ReviewState.WAITING, claimed_by=None, claimed_until=None)
        return
    _flag_move(flag, ReviewState.LABELLED, claimed_by=None, claimed_until=None)
    if review.label:
        review.is_label_sent = _label_send(flag, review, now)


def _flag_move(flag: FlaggedImage, new: ReviewState, **changes: object) -> None:
    if not move(FlaggedImage, pk=flag.pk, moves=REVIEW_MOVES, old=flag.state, new=new, **changes):
        raise Conflict("Somebody else moved this image first.")
    flag.state = new


def _label_send(flag: FlaggedImage, review: Review, now: datetime) -> bool:
    """A replayed picture's label goes to the image it came from; any other picture becomes an image of the data set.

    False: no data set took it. The verdict stays on record either way.
    """
    try:
        sent = (
            review_label_add(sha256=sha256, label=review.label, by=review.by, flag_id=flag.pk, now=now)
            for sha256 in (flag.source, flag.sha256)
            if sha256
        )
        return any(sent)
    except Wrong as exc:
        logger.warning("review_label_refused flag=%s label=%s error=%s", flag.pk, review.label, exc)
        return False


@transaction.atomic
def review_undo(*, by: User, now: datetime) -> FlaggedImage | None:
    """Take back this person's latest verdict, up to 20 back, and hand out the image again; None: nothing to undo.

    The label that went to the data set is taken back, so that the one before it holds again; the verdict itself stays
    on record as undone.
    """
    latest = Review.objects.filter(by=by).order_by("-at", "-id")[:UNDO_DEPTH]
    review = next((review for review in latest if review.undone_at is None), None)
    if review is None:
        return None
    flag = _flag_locked(review.flag_id, by)
    Review.objects.filter(pk=review.pk).update(undone_at=now)
    if review.is_label_sent:
        review_label_undo(flag_id=flag.pk)
    _hand_out_again(flag, by, now)
    _write_down(flag, by, "review_undo", now, detail=_audit_detail(review))
    return flag


def _hand_out_again(flag: FlaggedImage, by: User, now: datetime) -> None:
    """Back to the person who undid it, unless somebody else holds it or has decided it by now."""
    others = flag.reviews.filter(is_deciding=True, undone_at=None).exclude(answer=Answer.UNSURE)
    if flag.state == ReviewState.LABELLED and not others.exists():
        _flag_move(flag, ReviewState.WAITING)
    if flag.state == ReviewState.WAITING:
        _flag_move(flag, ReviewState.CLAIMED, claimed_by=by, claimed_until=now + LEASE)


def _audit_detail(review: Review) -> dict[str, object]:
    return {"uuid": str(review.uuid), "answer": review.answer, "label": review.label}


def _write_down(flag: FlaggedImage, by: User, verb: str, now: datetime, *, detail: dict[str, object]) -> None:
    site_id = flag.device.line.site_id
    audit(actor=f"user:{by.username}", verb=verb, object=f"flag:{flag.pk}", site_id=site_id, detail=detail, at=now)
    ring(ReviewChanged(flag.pk))
