"""F04 and F05: an update in a process of its own, ended at one system call, or by the loss of its supply.

`python -m tests.kit.update_cuts FOLDER URL ROOT OFFER [--careless]` takes the device in FOLDER to the offered version.
`--careless` is the planted bug: the old choice is removed before the new one is there.
"""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.identity import Credentials, KeyPair
from edge_agent.update.slots import Slots
from edge_agent.wire.messages import ModelOffer
from tests.kit.agents import ROOT
from tests.kit.artifacts import ArtifactRepository
from tests.kit.fileserver import FileServer
from tests.kit.handclock import HandClock
from tests.kit.models import TinyPackage, tiny_package
from tests.kit.updating import UpdatingDevice, run_for_good

CALLS = ("write", "fsync", "rename", "unlink", "mkdir", "rmdir")
KILLED = (-9, 137)


class CarelessSlots(Slots):
    def _save(self, chosen):
        if self._path.exists():
            self._path.unlink()
        super()._save(chosen)


def connected(url: str) -> HttpCloud:
    keys = KeyPair(Ed25519PrivateKey.generate())
    return HttpCloud(url, credentials=Credentials(keys=keys, subject="device-1"), clock=SystemClock())


@dataclass
class UpdateWorld:
    """A repository with a new version, and devices on which the old one runs."""

    folder: Path
    server: FileServer
    artifacts: ArtifactRepository
    old: TinyPackage
    new: TinyPackage

    @classmethod
    def made(cls, folder: Path, server: FileServer, artifacts: ArtifactRepository) -> "UpdateWorld":
        old = tiny_package(folder, score=0.1, version="old")
        new = tiny_package(folder, score=0.9, version="new")
        artifacts.add(new.offer().target_path, new.content)
        artifacts.publish()
        (folder / "root.json").write_bytes(artifacts.root_bytes)
        (folder / "offer.json").write_bytes(msgspec.json.encode(new.offer()))
        return cls(folder, server, artifacts, old, new)

    def device(self, folder: Path) -> Path:
        run_for_good(folder, self.old)
        return folder

    def update(self, device: Path, *options: str, before: tuple[str, ...] = ()) -> int:
        """The exit status."""
        program = [sys.executable, "-m", "tests.kit.update_cuts", str(device), self.server.url]
        files = [str(self.folder / "root.json"), str(self.folder / "offer.json")]
        with (self.folder / "update.log").open("ab") as log:
            done = subprocess.run([*before, *program, *files, *options], cwd=ROOT, stderr=log, timeout=120, check=False)
        return done.returncode

    def calls(self, device: Path, *options: str) -> list[tuple[str, int, str]]:
        """Each change of an update that is let through: call, its number, its arguments. Those in `device` alone."""
        trace = self.folder / "trace"
        strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", str(trace), "-e", f"trace={','.join(CALLS)}")
        assert self.update(device, *options, before=strace) == 0
        counts: Counter[tuple[str, str]] = Counter()
        found = []
        for thread, call, arguments in re.findall(r"^(\d+) +(\w+)\((.*)$", trace.read_text(), re.MULTILINE):
            # strace counts each thread's calls apart.
            counts[thread, call] += 1
            if str(device) in arguments:
                found.append((call, counts[thread, call], arguments))
        return found

    def kill_at(self, device: Path, call: str, number: int, *options: str) -> bool:
        """False when the update ended before."""
        inject = f"inject={call}:signal=KILL:when={number}"
        before = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", inject)
        return self.update(device, *options, before=before) in KILLED

    def running_after(self, device: Path) -> str | None:
        """What runs after the next start: "old", "new", or None. The update then ends as it should."""
        cloud = connected(self.server.url)
        try:
            again = UpdatingDevice(device, cloud=cloud, root=self.artifacts.root_bytes, clock=HandClock())
            names = {self.old.digest: "old", self.new.digest: "new"}
            running = names.get(again.slots.active_digest or "")
            if running is None:
                return None
            again.order(self.new.offer())
            again.settle()
            assert again.slots.active_digest == self.new.digest, again.journal.states
        finally:
            cloud.close()
        return running


def main() -> None:
    folder, url, root, offer = sys.argv[1:5]
    device = UpdatingDevice(
        Path(folder),
        cloud=connected(url),
        root=Path(root).read_bytes(),
        clock=HandClock(),
        slots_class=CarelessSlots if "--careless" in sys.argv else Slots,
    )
    device.order(msgspec.json.decode(Path(offer).read_bytes(), type=ModelOffer))
    device.settle()


if __name__ == "__main__":
    main()
