import socket
from collections.abc import Iterator

import pytest

from hybridai.embedded import ports
from hybridai.embedded.errors import PortTaken


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_taken_port_is_named_with_the_setting_that_moves_it(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortTaken, match=f"The site cannot listen on 127.0.0.1:{port}.*HYBRIDAI_SITE_PORT"):
        ports.require_free("127.0.0.1", port, purpose="The site", variable="HYBRIDAI_SITE_PORT")


def test_a_port_is_free_again_while_old_connections_wind_down(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    listener.accept()[0].close()  # the side that closes first keeps the port for a minute
    client.close()
    listener.close()
    ports.require_free("127.0.0.1", port, purpose="The site", variable="HYBRIDAI_SITE_PORT")
    assert not ports.accepts("127.0.0.1", port)


def test_a_listener_that_speaks_no_http_is_no_site(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert ports.accepts("127.0.0.1", port)
    assert not ports.answers_http("127.0.0.1", port)
