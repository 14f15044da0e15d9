"""What a rule says of a fact, in words. Pure."""

from datetime import timedelta


def silence(seconds: float) -> str:
    """How long, as people say it: `40 s`, `12 min`, `3 h`, `2 d`."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def silent_sentence(value_s: float, limit_s: float) -> str:
    return f"Not heard of for {silence(value_s)}; the limit is {silence(limit_s)}."


def heard_sentence(silent_for: timedelta) -> str:
    return f"Heard again after {silence(silent_for.total_seconds())}."
