"""Pictures that came from outside, handed to a browser as pictures and as nothing else."""

from django.http import Http404, HttpResponse

from apps.core import files

YEAR_S = 365 * 24 * 3600
_KINDS = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"BM", "image/bmp"))


def picture_reply(sha256: str) -> HttpResponse:
    """The kept file with this content: never run, never guessed, kept by this person's browser alone.

    Raises Http404 when it is missing, or is not a picture that browsers show.
    """
    content = files.read(sha256) if files.exists(sha256) else b""
    kind = next((kind for magic, kind in _KINDS if content.startswith(magic)), None)
    if kind is None:
        raise Http404("The file of this picture is missing, or is not a picture.")
    return HttpResponse(
        content,
        content_type=kind,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": f"private, max-age={YEAR_S}, immutable",
        },
    )
