from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReviewChanged:
    """The review queue moved: something arrived, was claimed, judged or given back. `flag_id` 0: several at once."""

    flag_id: int
