"""Tells the service manager that the agent is ready, alive or ending (sd_notify(3)); silent where there is none."""

import os
import socket
from collections.abc import Mapping

DEFAULT_BEAT_S = 10.0


class Watchdog:
    """Messages to the socket that `NOTIFY_SOCKET` names. A lost one is repeated with the next beat."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ names a socket in Linux's abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period_us = environment.get("WATCHDOG_USEC", "")
        self.beat_s = int(period_us) / 2_000_000 if period_us.isdigit() and int(period_us) else DEFAULT_BEAT_S
        """Half of what the service manager waits for before it starts the agent anew."""

    def ready(self) -> None:
        self._send("READY=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def ending(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(0)
            try:
                channel.sendto(message.encode(), self._address)
            except OSError:
                # The manager decides by what it hears; a full or missing socket is its own finding.
                return
