"""The demo as a stranger starts it, on a folder of made-up cells, for stories and screenshots."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from hybridai.demo.factory import accounts_file
from tests.kit.pictures import write_cells
from tests.kit.programs import PROJECT_ROOT, Run, eventually

OURS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "HYBRIDAI_DATA")


class Demo:
    """A running `manage.py demo`, its people, and its programs by name."""

    def __init__(self, folder: Path, *, good: int = 420, cracked: int = 180) -> None:
        self.data_dir = folder / "data"
        site_port, gateway_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{site_port}"
        self.env = {name: value for name, value in os.environ.items() if name not in OURS} | {
            "HYBRIDAI_DATA": str(self.data_dir),
            "HYBRIDAI_SITE_PORT": str(site_port),
            "HYBRIDAI_GATEWAY_PORT": str(gateway_port),
            "HYBRIDAI_SILENT_AFTER_S": "8",
            "HYBRIDAI_CHECKIN_INTERVAL_S": "2",
        }
        pictures = write_cells(folder / "cells", good=good, cracked=cracked)
        argv = ["manage.py", "demo", "--images", str(pictures), "--recipe", "small_cnn"]
        self.run = Run(self.data_dir, argv, self.env)

    def wait_for(self, words: str) -> str:
        """The console's next line with these words."""
        return self.run.line(words)

    def listen_no_more(self) -> None:
        """From now on nobody reads the console; it must not fill up and stop the demo."""
        threading.Thread(target=lambda: list(self.run.program.stdout or []), daemon=True).start()

    def password(self, name: str) -> str:
        rows = (line.split() for line in accounts_file(self.data_dir).read_text().splitlines())
        return next(row[1] for row in rows if row[0] == name)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "manage.py", *arguments]
        return subprocess.run(argv, cwd=PROJECT_ROOT, env=self.env, capture_output=True, text=True, check=False)

    @contextmanager
    def stopped(self, *words: str) -> Iterator[None]:
        """Freeze the programs whose command line has all these words: sockets stay open, nobody answers."""
        frozen = [one for one in self.run.children() if all(word in " ".join(one.cmdline()) for word in words)]
        assert frozen, f"no program with {words}"
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in frozen:
                process.send_signal(signal.SIGCONT)

    def close(self) -> bool:
        """Stop as Ctrl-C does. True: nothing stayed behind."""
        if self.run.program.poll() is None:
            self.run.program.send_signal(signal.SIGINT)
            try:
                self.run.program.wait(timeout=30)
            except subprocess.TimeoutExpired:
                psutil.Process(self.run.program.pid).kill()
        is_clean = self.run.is_empty_within(5)
        self.run.close()
        return is_clean


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


__all__ = ["Demo", "eventually"]
