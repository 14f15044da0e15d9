"""The two TCP ports of an installation, asked before anything starts, and probed afterwards."""

import errno
import http.client
import socket

from hybridai.embedded.errors import EmbeddedError, NoPermission, PortTaken


def require_free(host: str, port: int, *, purpose: str, variable: str) -> None:
    """Raises an EmbeddedError that names `variable`, the setting with which another port can be chosen."""
    try:
        _bind(host, port)
    except OSError as exc:
        raise _translated(exc, f"{purpose} cannot listen on {host}:{port}", variable) from exc


def _bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As the servers do: connections of an earlier run that are still winding down do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)


def _translated(error: OSError, beginning: str, variable: str) -> EmbeddedError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"{beginning}: another program uses that port. Stop it, or set {variable} to a free port.")
    if error.errno == errno.EACCES:
        return NoPermission(f"{beginning}: this account may not use it. Set {variable} to a port above 1023.")
    return EmbeddedError(f"{beginning}: {error}.")


def answers_http(host: str, port: int) -> bool:
    """Whether a page comes back, with whatever status but an error of the server's own."""
    connection = http.client.HTTPConnection(host, port, timeout=1.0)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True
