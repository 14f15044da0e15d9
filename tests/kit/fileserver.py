"""A folder over HTTP on loopback, with byte ranges, and with the faults of bad links."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FileServer:
    """Serves `folder`. cut_every_bytes: the link breaks after so many body bytes of each answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_every_bytes: int | None = None
        self.cut_only = ""
        """Only files whose path has this in it are cut."""
        self.endless_path = ""
        """This file never ends."""
        self.ignores_ranges = False
        self.bytes_sent: dict[str, int] = {}
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    server = FileServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _handler(files: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            files.requests.append(self.path)
            path = files.folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send(path.read_bytes())

        def _send(self, content: bytes) -> None:
            begin = self._first_byte()
            is_endless = bool(files.endless_path) and files.endless_path in self.path
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(10**9 if is_endless else len(content) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            body = content[begin:]
            with contextlib.suppress(OSError):
                if is_endless:
                    while True:
                        self._count(body + b"x" * 65536)
                elif self._is_cut(len(body)):
                    self._count(body[: files.cut_every_bytes])
                    self.wfile.flush()
                    # The pieces sent arrive; then the line is dead.
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self._count(body)

        def _is_cut(self, size_bytes: int) -> bool:
            return (
                files.cut_every_bytes is not None and files.cut_only in self.path and size_bytes > files.cut_every_bytes
            )

        def _first_byte(self) -> int:
            header = self.headers.get("Range", "")
            return 0 if files.ignores_ranges or not header else int(header.removeprefix("bytes=").rstrip("-"))

        def _count(self, body: bytes) -> None:
            files.bytes_sent[self.path] = files.bytes_sent.get(self.path, 0) + len(body)
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler
