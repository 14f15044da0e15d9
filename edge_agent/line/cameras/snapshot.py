"""A camera that answers a GET with one picture.

Over the standard library's client: this side of the agent shares nothing with the one that talks to the cloud, and
one GET on a kept connection needs no more.
"""

import base64
import http.client
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.config import SnapshotConfig
from edge_agent.contract.preprocessing import IMAGE_BYTES_MAX, NotAnImage, decode
from edge_agent.line.camera import BadPicture, Shot, SourceLost

HTTP_OK = 200


class SnapshotSource:
    """The connection is kept. A redirect is not followed: the camera is where it was said to be, or it is lost."""

    is_live = True
    is_streaming = False

    def __init__(self, config: SnapshotConfig) -> None:
        self._config = config
        self._url = urlsplit(config.url)
        self._path = self._url.path + (f"?{self._url.query}" if self._url.query else "") or "/"
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def open(self) -> None:
        config = self._config
        if self._url.scheme not in {"http", "https"} or not self._url.hostname:
            raise SourceLost(f"{config.url} is no http address")
        self._headers = _authorization(config.username, config.password_file)
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(self._url.hostname, self._url.port, timeout=config.timeout_s)

    def read(self) -> Shot:
        encoded = self._fetched()
        try:
            return Shot(decode(encoded), encoded)
        except NotAnImage as exc:
            raise BadPicture(str(exc)) from exc

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _fetched(self) -> bytes:
        assert self._connection is not None, "read before open"
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read(IMAGE_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as exc:
            raise SourceLost(f"{type(exc).__name__}: {exc}") from exc
        if answer.status != HTTP_OK:
            raise SourceLost(f"the camera answers {answer.status}")
        return body


def _authorization(username: str, password_file: Path | None) -> dict[str, str]:
    if not username:
        return {}
    try:
        password = password_file.read_text().strip() if password_file else ""
    except OSError as exc:
        raise SourceLost(f"{password_file} cannot be read: {exc.strerror}") from exc
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}
