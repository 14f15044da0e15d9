"""The TUF repository's files as they lie, whole or from an offset on, in pieces."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from apps.gateway.errors import Refused
from apps.gateway.http import Head, Reply
from edge_agent.wire import paths

PIECE_BYTES = 256 * 1024
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` up to and without `end` of a file."""

    first: int
    end: int

    @property
    def size_bytes(self) -> int:
        return self.end - self.first


class FilePieces:
    """A span of an open file, read in a thread piece by piece: a large file never lies in memory."""

    def __init__(self, file: BinaryIO, span: Span) -> None:
        self._file = file
        self._span = span

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left_bytes = self._span.size_bytes
        await asyncio.to_thread(self._file.seek, self._span.first)
        while left_bytes > 0:
            piece = await asyncio.to_thread(self._file.read, min(PIECE_BYTES, left_bytes))
            if not piece:
                return
            left_bytes -= len(piece)
            yield piece

    def close(self) -> None:
        self._file.close()


async def file_reply(head: Head) -> Reply:
    """Raises Refused: 404 for what is not there, 416 for a range outside the file."""
    path = _path_of(head.path)
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as exc:
        raise Refused(404, "not_found", "There is no such file.") from exc
    try:
        return _reply(head, file)
    except Refused:
        file.close()
        raise


def _reply(head: Head, file: BinaryIO) -> Reply:
    stat = os.fstat(file.fileno())
    etag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if head.headers.get("if-none-match") == etag:
        file.close()
        return Reply(304, headers={"ETag": etag})
    span = _span_of(head, stat.st_size, etag)
    headers["Content-Length"] = str(span.size_bytes if span else stat.st_size)
    if span is None:
        return Reply(200, headers=headers, stream=FilePieces(file, Span(0, stat.st_size)))
    headers["Content-Range"] = f"bytes {span.first}-{span.end - 1}/{stat.st_size}"
    return Reply(206, headers=headers, stream=FilePieces(file, span))


def _span_of(head: Head, size_bytes: int, etag: str) -> Span | None:
    """The one range that is asked for; None for the whole file, also when it changed since (`If-Range`)."""
    found = _RANGE.fullmatch(head.headers.get("range", ""))
    if found is None or found.groups() == ("", "") or head.headers.get("if-range", etag) != etag:
        return None
    first_text, last_text = found.groups()
    if not first_text:
        return Span(max(0, size_bytes - int(last_text)), size_bytes)
    first, end = int(first_text), min(int(last_text) + 1 if last_text else size_bytes, size_bytes)
    if first >= end:
        unsatisfied = {"Content-Range": f"bytes */{size_bytes}"}
        raise Refused(416, "range_not_satisfiable", f"The file has {size_bytes} bytes.", headers=unsatisfied)
    return Span(first, end)


def _path_of(request_path: str) -> Path:
    """Where the file lies. Every segment is checked, so that no path leads out of the repository."""
    prefix, folder = next(
        (prefix, folder)
        for prefix, folder in ((paths.TUF_METADATA, "metadata"), (paths.TUF_TARGETS, "targets"))
        if request_path.startswith(prefix)
    )
    segments = request_path.removeprefix(prefix).split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise Refused(404, "not_found", "There is no such file.")
    path = Path(settings.TUF_DIR, folder, *segments)
    if not path.is_file():
        raise Refused(404, "not_found", "There is no such file.")
    return path
