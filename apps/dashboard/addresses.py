from typing import Any

from django.urls import NoReverseMatch, reverse


def address(view: str, *args: Any) -> str:
    """The view's address; empty while the product has no such page, so that no link leads nowhere."""
    try:
        return reverse(view, args=args)
    except NoReverseMatch:
        return ""
