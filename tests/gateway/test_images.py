import hashlib
import io
import struct
import zlib

import httpx
import pytest
from PIL import Image

from apps.core import files
from apps.defects.models import FlaggedImage
from apps.defects.states import ReviewState
from edge_agent.wire import paths
from edge_agent.wire.messages import IMAGE_BYTES_MAX
from edge_agent.wire.records import ImageKept
from edge_agent.wire.words import FlagReason
from tests.factories.telemetry import Journal, result
from tests.kit.gateway import SigningDevice, acks, device_at, refusal


def picture(width_px: int = 40, height_px: int = 30) -> bytes:
    """A PNG that no other call makes."""
    picture.count += 1
    stream = io.BytesIO()
    image = Image.new("RGB", (width_px, height_px), (picture.count % 256, picture.count // 256, 7))
    image.save(stream, "PNG")
    return stream.getvalue()


picture.count = 0


def flag(device: SigningDevice, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    image = ImageKept(sha256=sha256, size_bytes=len(content), reason=FlagReason.LOW_CONFIDENCE)
    acks(device.sync(Journal().write(result(1, image=image)).batch()))
    return sha256


def send(device: SigningDevice, sha256: str, piece: bytes, *, offset: int = 0, size: int | None = None):
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(len(piece) if size is None else size)}
    return device.request("PATCH", paths.IMAGES + sha256, piece, headers=headers)


def test_an_image_goes_up_in_pieces_and_joins_the_review_queue(device):
    content = picture()
    sha256 = flag(device, content)
    head = device.request("HEAD", paths.IMAGES + sha256)
    assert (head.status_code, head.headers["upload-offset"], head.headers["upload-complete"]) == (200, "0", "?0")
    first = send(device, sha256, content[:40], size=len(content))
    assert (first.status_code, first.headers["upload-offset"]) == (204, "40")
    head = device.request("HEAD", paths.IMAGES + sha256)
    assert head.headers["upload-offset"] == "40"
    last = send(device, sha256, content[40:], offset=40, size=len(content))
    assert (last.status_code, last.headers["upload-complete"]) == (204, "?1")
    assert files.read(sha256) == content
    assert FlaggedImage.objects.get().state == ReviewState.WAITING


def test_after_a_lost_reply_the_device_learns_that_its_image_is_here(device):
    content = picture()
    sha256 = flag(device, content)
    send(device, sha256, content)
    head = device.request("HEAD", paths.IMAGES + sha256)
    assert (head.status_code, head.headers["upload-complete"]) == (200, "?1")
    assert send(device, sha256, content).status_code == 204


def test_a_wrong_offset_is_answered_with_the_right_one(device):
    content = picture()
    sha256 = flag(device, content)
    send(device, sha256, content[:40], size=len(content))
    response = send(device, sha256, content[10:50], offset=10, size=len(content))
    assert (response.status_code, response.headers["upload-offset"]) == (409, "40")
    assert refusal(response).code == "wrong_offset"


def test_an_image_that_nobody_asked_for_is_refused(gateway, device):
    content = picture()
    sha256 = hashlib.sha256(content).hexdigest()
    response = send(device, sha256, content)
    assert (response.status_code, refusal(response).code) == (404, "image_not_wanted")
    assert device.request("HEAD", paths.IMAGES + sha256).status_code == 404
    flag(device_at(gateway), content)
    assert send(device, sha256, content).status_code == 404
    assert not files.exists(sha256)


def test_an_image_is_named_by_its_content_alone(device):
    for name in ("x", "../../etc/passwd", "0" * 63, "G" * 64):
        url = httpx.URL(device.url).copy_with(raw_path=(paths.IMAGES + name).encode())
        token = device.token("HEAD", paths.IMAGES + name, b"")
        assert httpx.head(url, headers={"Authorization": f"Device {token}"}).status_code == 404, name


@pytest.mark.parametrize("spoil", ["text", "truncated", "bomb", "gif", "long_header"])
def test_what_is_no_image_is_refused_and_not_kept(device, spoil):
    content = picture()
    if spoil == "text":
        content = b"<html>" + content[:9]
    elif spoil == "truncated":
        content = content[: len(content) // 2]
    elif spoil == "bomb":
        content = _huge()
    elif spoil == "gif":
        stream = io.BytesIO()
        Image.new("L", (3, 3)).save(stream, "GIF")
        content = stream.getvalue()
    else:
        content = content[:16] + b"\xff\xff\xff\xff" + content[20:]
    sha256 = flag(device, content)
    response = send(device, sha256, content)
    assert (response.status_code, refusal(response).code) == (422, "not_an_image")
    assert not files.exists(sha256)
    assert FlaggedImage.objects.get().state == ReviewState.AWAITING_IMAGE


def _huge() -> bytes:
    """A small file that says it has 900 million pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_bytes_that_are_not_what_their_name_says_are_dropped(device):
    content = picture()
    sha256 = flag(device, content)
    response = send(device, sha256, content[:-1] + b"!")
    assert (response.status_code, refusal(response).code) == (400, "bad_checksum")
    assert send(device, sha256, content).status_code == 204


WRONG_HEADERS = [
    ({}, 400, "bad_header"),
    ({"Upload-Offset": "-1", "Upload-Length": "9"}, 400, "bad_header"),
    ({"Upload-Offset": "0", "Upload-Length": str(IMAGE_BYTES_MAX + 1)}, 413, "image_too_large"),
    ({"Upload-Offset": "0", "Upload-Length": "0"}, 413, "image_too_large"),
    ({"Upload-Offset": "0", "Upload-Length": "2"}, 400, "too_many_bytes"),
]


def test_wrong_upload_headers_have_stable_codes(device):
    content = picture()
    path = paths.IMAGES + flag(device, content)
    for headers, status, code in WRONG_HEADERS:
        response = device.request("PATCH", path, content, headers=headers)
        assert (response.status_code, refusal(response).code) == (status, code), headers
