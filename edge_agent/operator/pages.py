"""The page's addresses. All but signing in and out only read."""

import html
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

import msgspec

from edge_agent.operator.board import Board
from edge_agent.operator.facts import PageFactsReader
from edge_agent.operator.server import NewHandler
from edge_agent.operator.sessions import LIFETIME_S, Sessions, TooManyFailures

COOKIE = "operator"
BODY_BYTES_MAX = 4096
EVENT_GAP_S = 1.0
"""One event a second is enough for eyes."""
HEARTBEAT_S = 5.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "html": "text/html; charset=utf-8"}
_OPEN_ASSETS = frozenset({"page.css", "page.js"})


class PageParts:
    """What the handler works with."""

    def __init__(
        self,
        *,
        reader: PageFactsReader,
        board: Board,
        sessions: Sessions,
        has_password: Callable[[], bool],
        is_secure: bool,
    ) -> None:
        """is_secure: served over TLS, so the cookie travels over nothing else."""
        self.reader = reader
        self.board = board
        self.sessions = sessions
        self.has_password = has_password
        self.is_secure = is_secure


def handler_of(parts: PageParts) -> NewHandler:
    def build(request: Any, client_address: Any, server: Any) -> BaseHTTPRequestHandler:
        return PageHandler(parts, request, client_address, server)

    return build


class PageHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "edge-agent"
    sys_version = ""
    timeout = 20

    def __init__(self, parts: PageParts, request: Any, client_address: Any, server: Any) -> None:
        self._parts = parts
        super().__init__(request, client_address, server)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/static/") and path.removeprefix("/static/") in _OPEN_ASSETS:
            self._send_asset(path.removeprefix("/static/"))
        elif path == "/sign-in":
            self._send_sign_in("")
        elif not self._is_signed_in():
            self._refuse(path)
        else:
            self._send_page(path)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"", "text/plain")
            return
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        if self.path == "/sign-in":
            self._sign_in(parse_qs(body).get("password", [""])[0])
        elif self.path == "/sign-out":
            self._parts.sessions.sign_out(self._token())
            self._redirect("/sign-in", f"{COOKIE}=; Max-Age=0; {self._cookie_marks()}")
        else:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line per second and viewer would drown the log."""

    # Answers

    def _send_page(self, path: str) -> None:
        if path == "/":
            self._send_asset("page.html")
        elif path == "/status.json":
            self._send(HTTPStatus.OK, self._facts(), "application/json")
        elif path == "/events":
            self._send_events()
        elif path.startswith("/pictures/"):
            self._send_picture(path.removeprefix("/pictures/").removesuffix(".jpg"))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"not found", "text/plain")

    def _send_picture(self, name: str) -> None:
        picture = self._parts.board.picture(int(name)) if name.isdigit() and len(name) < 16 else None
        if picture is None:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
        else:
            self._send(HTTPStatus.OK, picture, "image/jpeg")

    def _send_events(self) -> None:
        """Server-sent events: the whole state at most once a second, and a beat when nothing happens."""
        self.send_response(HTTPStatus.OK)
        for name, value in {**_HEADERS, "Content-Type": "text/event-stream", "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        version, gap = self._parts.board.version, threading.Event()
        while self._is_signed_in():
            try:
                self.wfile.write(b"data: " + self._facts() + b"\n\n")
                self.wfile.flush()
            except OSError:
                # The viewer went away.
                return
            gap.wait(EVENT_GAP_S)
            version = self._parts.board.wait_for_change(version, HEARTBEAT_S - EVENT_GAP_S)

    def _send_sign_in(self, error: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        if not self._parts.has_password():
            error = "No password is set on this device yet. Set one with: edge-agent operator-password"
        page = _asset("sign-in.html").decode().replace("{error}", html.escape(error))
        self._send(status, page.encode(), _KINDS["html"])

    def _sign_in(self, password: str) -> None:
        try:
            token = self._parts.sessions.sign_in(password)
        except TooManyFailures:
            self._send_sign_in("Too many wrong passwords. Try again in a minute.", HTTPStatus.TOO_MANY_REQUESTS)
            return
        if token is None:
            self._send_sign_in("This password is not right.", HTTPStatus.FORBIDDEN)
        else:
            self._redirect("/", f"{COOKIE}={token}; Max-Age={LIFETIME_S:.0f}; {self._cookie_marks()}")

    def _refuse(self, path: str) -> None:
        if path == "/":
            self._redirect("/sign-in")
        else:
            self._send(
                HTTPStatus.UNAUTHORIZED, b'{"error": "Sign in first.", "code": "signed_out"}', "application/json"
            )

    def _redirect(self, to: str, cookie: str = "") -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()

    def _send_asset(self, name: str) -> None:
        self._send(HTTPStatus.OK, _asset(name), _KINDS[name.rpartition(".")[2]])

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    # Who asks

    def _is_signed_in(self) -> bool:
        return self._parts.sessions.is_signed_in(self._token())

    def _token(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _cookie_marks(self) -> str:
        return "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if self._parts.is_secure else "")

    def _facts(self) -> bytes:
        return msgspec.json.encode(self._parts.reader.facts())


def _asset(name: str) -> bytes:
    return resources.files("edge_agent.operator").joinpath("static", name).read_bytes()
