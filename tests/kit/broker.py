"""As much of an MQTT 3.1.1 broker as a publisher meets: CONNECT, PUBLISH with QoS 1, PING, DISCONNECT."""

import socketserver
import struct
import threading

CONNECT, PUBLISH, PINGREQ, DISCONNECT = 1, 3, 12, 14


class Broker(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Session)
        self.published: list[tuple[str, bytes]] = []
        self.users: list[tuple[str, str]] = []
        self.may_acknowledge = threading.Event()
        self.may_acknowledge.set()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def close(self):
        self.may_acknowledge.set()
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self._packet():
                pass
        except (OSError, EOFError):
            return

    def _packet(self):
        kind, body = self._received()
        if kind == CONNECT:
            self._note_user(body)
            self.wfile.write(b"\x20\x02\x00\x00")
        elif kind == PUBLISH:
            topic_end = 2 + struct.unpack(">H", body[:2])[0]
            if not self.server.may_acknowledge.is_set():
                return True
            self.server.published.append((body[2:topic_end].decode(), body[topic_end + 2 :]))
            self.wfile.write(b"\x40\x02" + body[topic_end : topic_end + 2])
        elif kind == PINGREQ:
            self.wfile.write(b"\xd0\x00")
        return kind != DISCONNECT

    def _received(self):
        first = self._exactly(1)[0]
        length, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return first >> 4, self._exactly(length)

    def _exactly(self, count):
        data = self.rfile.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _note_user(self, body):
        has_user, rest, texts = body[7] & 0x80, body[10:], []
        while rest:
            length = struct.unpack(">H", rest[:2])[0]
            texts.append(rest[2 : 2 + length].decode())
            rest = rest[2 + length :]
        if has_user:
            self.server.users.append((texts[1], texts[2]))
