"""The life of one flagged image under review."""

from django.db.models import TextChoices


class ReviewState(TextChoices):
    AWAITING_IMAGE = "awaiting_image"
    WAITING = "waiting"
    CLAIMED = "claimed"
    LABELLED = "labelled"
    ADJUDICATED = "adjudicated"


REVIEW_MOVES: dict[str, frozenset[str]] = {
    ReviewState.AWAITING_IMAGE: frozenset({ReviewState.WAITING}),
    ReviewState.WAITING: frozenset({ReviewState.CLAIMED}),
    # A lease that ran out gives the item back; an undo does the same for a verdict.
    ReviewState.CLAIMED: frozenset({ReviewState.WAITING, ReviewState.LABELLED, ReviewState.CLAIMED}),
    ReviewState.LABELLED: frozenset({ReviewState.ADJUDICATED, ReviewState.WAITING}),
    ReviewState.ADJUDICATED: frozenset(),
}


class Answer(TextChoices):
    """What a person says of an image. `defect` comes with a class."""

    DEFECT = "defect"
    GOOD = "good"
    CANNOT_JUDGE = "cannot_judge"
    UNSURE = "unsure"
