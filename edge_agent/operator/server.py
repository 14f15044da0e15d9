"""Serves the page: the standard library's server in a thread of its own, bounded in connections and in time."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge_agent.clock import Clock
from edge_agent.config import OperatorConfig

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 32
RETRY_S = 15.0
POLL_S = 0.25

NewHandler = Callable[[Any, Any, Any], BaseHTTPRequestHandler]


class PageServer(ThreadingHTTPServer):
    """One thread per connection, and no more than CONNECTIONS_MAX: the page must not starve the line."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: NewHandler, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        del request, client_address
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The TLS handshake is made here, in the connection's own thread, so that a silent peer delays nobody."""
        if self._context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(10)
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        logger.debug("page_connection_failed peer=%s", client_address)


class OperatorPage:
    """A part of the agent. A port that is taken costs the page, and is tried again; it never ends the agent."""

    name = "operator"

    def __init__(self, config: OperatorConfig, handler: NewHandler, clock: Clock) -> None:
        self._config = config
        self._handler = handler
        self._clock = clock
        self._trouble = ""
        self.port = 0
        """Where it listens; 0 while it does not."""

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                server = PageServer((self._config.bind, self._config.port), self._handler, _context(self._config))
            except OSError as exc:
                self._note(f"{self._config.bind}:{self._config.port}: {exc}")
                self._clock.wait(stop, RETRY_S)
                continue
            self._trouble = ""
            self._serve(server, stop)

    def _serve(self, server: PageServer, stop: threading.Event) -> None:
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="page", daemon=True)
        thread.start()
        logger.info("page_open bind=%s port=%d tls=%s", self._config.bind, self.port, bool(self._config.key_file))
        while thread.is_alive() and not self._clock.wait(stop, 1.0):
            pass
        server.shutdown()
        server.server_close()
        self.port = 0

    def _note(self, text: str) -> None:
        if text != self._trouble:
            logger.error("page_not_served error=%s", text)
        self._trouble = text


def _context(config: OperatorConfig) -> ssl.SSLContext | None:
    """Raises OSError when certificate or key cannot be read or do not fit."""
    if config.certificate_file is None or config.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(Path(config.certificate_file), Path(config.key_file))
    return context
