"""A TCP proxy on loopback with the faults of bad links: delay, stall, cut, changed bytes. One thread per connection."""

import contextlib
import random
import selectors
import socket
import threading
from dataclasses import dataclass

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Link:
    """How the link is now. All zero: well."""

    delay_s: float = 0.0
    """Before each piece."""
    cut_after_bytes: int | None = None
    """The connection is reset after so many bytes, both ways together. 0: none comes through."""
    is_stalled: bool = False
    """Connections stay open, and nothing moves."""
    flip_ratio: float = 0.0
    """The share of pieces in which one bit is changed."""


WELL = Link()


class Proxy:
    """Forwards one port to another. `link` holds for what moves from now on; `cut_now` ends what is open."""

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self.link = WELL
        self.cut_count = 0
        self.flipped_count = 0
        self._target_port = target_port
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_now(self) -> None:
        with self._lock:
            open_now = list(self._open)
        for end in open_now:
            _reset(end)

    def stop(self) -> None:
        self._stopping.set()
        # Wakes the thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut_now()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.callback(near.close)
            far = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            stack.callback(far.close)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {near, far}
            try:
                self._forward(near, far)
            finally:
                with self._lock:
                    self._open -= {near, far}

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        moved_bytes = 0
        with selectors.DefaultSelector() as ready:
            for source, sink in ((near, far), (far, near)):
                ready.register(source, selectors.EVENT_READ, sink)
            while not self._stopping.is_set():
                link = self.link
                if link.is_stalled:
                    self._stopping.wait(0.02)
                    continue
                for key, _ in ready.select(timeout=0.05):
                    piece = key.fileobj.recv(PIECE_BYTES)
                    if not piece:
                        return
                    moved_bytes = self._move(piece, key.data, moved_bytes)
                    if moved_bytes < 0:
                        _reset(near)
                        return

    def _move(self, piece: bytes, sink: socket.socket, moved_bytes: int) -> int:
        """What moved on this connection by now; -1 when it is to be cut here."""
        link = self.link
        if link.delay_s:
            self._stopping.wait(link.delay_s)
        piece = self._spoilt(piece, link)
        is_end = link.cut_after_bytes is not None and moved_bytes + len(piece) > link.cut_after_bytes
        if is_end:
            piece = piece[: max(0, link.cut_after_bytes - moved_bytes)]
            self.cut_count += 1
        sink.sendall(piece)
        return -1 if is_end else moved_bytes + len(piece)

    def _spoilt(self, piece: bytes, link: Link) -> bytes:
        if self._chance.random() >= link.flip_ratio:
            return piece
        self.flipped_count += 1
        changed = bytearray(piece)
        changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        end.shutdown(socket.SHUT_RDWR)


class Flapping:
    """Changes a proxy's link at seeded moments, as long as the block lasts; leaves it well."""

    def __init__(self, proxy: Proxy, *, seed: int) -> None:
        self._proxy = proxy
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._flap, name="flapping")
        self.links: list[Link] = []

    def __enter__(self) -> "Flapping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._proxy.link = WELL
        self._proxy.cut_now()

    def _flap(self) -> None:
        while not self._stop.wait(self._chance.uniform(0.05, 0.4)):
            self._proxy.link = self._next()
            self.links.append(self._proxy.link)
            if self._chance.random() < 0.5:
                self._proxy.cut_now()

    def _next(self) -> Link:
        chance = self._chance
        # No changed bytes: between device and cloud that is what TLS is for.
        return chance.choice(
            [
                WELL,
                Link(delay_s=chance.uniform(0.01, 0.1)),
                Link(is_stalled=True),
                Link(cut_after_bytes=chance.choice([0, 10, 300, 3000, 40_000])),
            ]
        )
