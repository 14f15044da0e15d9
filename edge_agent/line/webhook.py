"""Verdicts to a server of the plant, by HTTP POST.

Over the standard library's client, as the snapshot camera: the line shares nothing with the client for the cloud.
"""

import hashlib
import hmac
import http.client
import ssl
from urllib.parse import urlsplit

from edge_agent.config import WebhookConfig
from edge_agent.line.queued import SendFailed, SendRefused

SIGNATURE_HEADER = "X-Signature-256"
_TRY_AGAIN = frozenset({408, 425, 429})


class WebhookSender:
    """One kept connection. Redirects are not followed: verdicts go where they were sent to, or nowhere."""

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._url = urlsplit(config.url)
        self._path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> None:
        try:
            status = self._posted(body)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise SendFailed(f"{type(exc).__name__}: {exc}") from exc
        if 200 <= status < 300:
            return
        if status >= 500 or status in _TRY_AGAIN:
            raise SendFailed(f"the server answers {status}")
        raise SendRefused(f"the server answers {status}")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _posted(self, body: bytes) -> int:
        if self._connection is None:
            self._connection = self._opened()
        headers = {"Content-Type": "application/json"} | self._signature(body)
        self._connection.request("POST", self._path, body=body, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def _opened(self) -> http.client.HTTPConnection:
        host, port, timeout_s = self._url.hostname, self._url.port, self._config.timeout_s
        if self._url.scheme not in {"http", "https"} or not host:
            raise SendRefused(f"{self._config.url} is no http address")
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        context = ssl.create_default_context(cafile=self._config.ca_file)
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)

    def _signature(self, body: bytes) -> dict[str, str]:
        if self._config.secret_file is None:
            return {}
        # Read each time: a replaced secret holds at once.
        secret = self._config.secret_file.read_bytes().strip()
        return {SIGNATURE_HEADER: hmac.new(secret, body, hashlib.sha256).hexdigest()}
