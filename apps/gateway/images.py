"""Flagged images in: only wanted ones, in pieces, and kept only when they are images."""

import io
import logging
import re
from datetime import datetime

from PIL import Image

from apps.core import files
from apps.core.errors import Conflict
from apps.defects.selectors import image_is_wanted, image_was_flagged
from apps.defects.services import image_arrived
from apps.gateway.errors import Refused
from apps.gateway.http import Head, Reply
from edge_agent.wire.messages import IMAGE_BYTES_MAX

logger = logging.getLogger(__name__)

PIXELS_MAX = 50_000_000
"""A decoded image of this size takes 150 MB and about a second."""
FORMATS = ("PNG", "JPEG")
_NAME = re.compile("[0-9a-f]{64}")
_BAD_IMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def offset_reply(device_id: str, sha256: str) -> Reply:
    """How much of the image is here. Raises Refused for one that this device was not asked for."""
    is_complete = _require_welcome(device_id, sha256)
    return Reply(headers=_progress(files.upload_offset(sha256), is_complete=is_complete))


def piece_store(device_id: str, sha256: str, head: Head, piece: bytes, *, now: datetime) -> Reply:
    """Keep a piece durably; with the last one, check that it all is an image and let it join the review queue."""
    offset, size_bytes = _number(head, "upload-offset"), _number(head, "upload-length")
    if not 0 < size_bytes <= IMAGE_BYTES_MAX:
        raise Refused(413, "image_too_large", f"An image has 1 to {IMAGE_BYTES_MAX} bytes.")
    if _require_welcome(device_id, sha256):
        return Reply(204, headers=_progress(files.upload_offset(sha256), is_complete=True))
    try:
        new_offset = files.upload_append(sha256, offset=offset, data=piece, size_bytes=size_bytes)
    except Conflict as exc:
        raise Refused(409, exc.code, exc.text, headers={"Upload-Offset": exc.fields["offset"]}) from exc
    is_complete = new_offset == size_bytes
    if is_complete:
        _require_image(sha256)
        image_arrived(sha256, now)
    return Reply(204, headers=_progress(new_offset, is_complete=is_complete))


def _require_welcome(device_id: str, sha256: str) -> bool:
    """True when the whole image is here already, which also answers a device whose last reply was lost."""
    if not _NAME.fullmatch(sha256):
        raise Refused(404, "image_not_wanted", "An image is named by its SHA-256, in hex.")
    is_here = files.exists(sha256)
    if image_is_wanted(device_id, sha256) or (is_here and image_was_flagged(device_id, sha256)):
        return is_here
    raise Refused(404, "image_not_wanted", "This device was not asked for this image.")


def _require_image(sha256: str) -> None:
    """Delete and refuse what does not decode as a whole, or would fill the memory."""
    try:
        fault = _image_fault(files.read(sha256))
    except _BAD_IMAGE as exc:
        fault = str(exc) or type(exc).__name__
    if fault:
        files.path_of(sha256).unlink(missing_ok=True)
        logger.warning("image_refused sha256=%s reason=%s", sha256, fault)
        raise Refused(422, "not_an_image", f"These bytes are no PNG or JPEG image: {fault}")


def _image_fault(content: bytes) -> str:
    """Why this image is not taken, "" when it is. Raises one of _BAD_IMAGE when it does not decode."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width_px, height_px = image.size
        if width_px * height_px > PIXELS_MAX:
            return f"{width_px} x {height_px} pixels are too many"
        # Pillow refuses a truncated file here; OpenCV would fill it with grey.
        image.load()
    return ""


def _progress(offset: int, *, is_complete: bool) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Complete": "?1" if is_complete else "?0"}


def _number(head: Head, name: str) -> int:
    text = head.headers.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Refused(400, "bad_header", f"{name} must be a number of bytes.")
    return int(text)
