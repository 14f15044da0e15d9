"""A supervisor with small fake children, run as a program of its own: `python -m … <data folder> <scenario>`."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from hybridai.embedded.children import ChildSpec, Role
from hybridai.embedded.errors import EmbeddedError
from hybridai.embedded.folders import hold
from hybridai.embedded.locations import locations
from hybridai.embedded.postgres import postgres_spec
from hybridai.embedded.supervisor import Supervisor
from hybridai.embedded.valkey import valkey_spec


def shell(folder: Path, name: str, script: str, role: Role = Role.WORKER) -> ChildSpec:
    """A child whose command line names the folder, so that a test can find all that is left of a run."""
    argv = ["/bin/bash", "-c", script, name, str(folder)]
    log_file = folder / "log" / f"{name}.log"
    return ChildSpec(name=name, argv=argv, log_file=log_file, cwd=folder, role=role, is_ready=log_file.exists)


def steady(supervisor: Supervisor, folder: Path) -> None:
    supervisor.add(shell(folder, "migrate", "sleep 0.3; touch migrated", Role.STEP))
    supervisor.add(
        shell(folder, "web", "test -e migrated && touch web-saw-it; exec tail -f /dev/null -- $1/log/web.log")
    )


def with_family(supervisor: Supervisor, folder: Path) -> None:
    """A child with a child of its own, both deaf to polite requests."""
    supervisor.add(shell(folder, "pool", "trap '' TERM; (trap '' TERM; tail -f $1/log/pool.log) & wait"))


def crashing(supervisor: Supervisor, folder: Path) -> None:
    supervisor.add(shell(folder, "weak", "echo out of luck; exit 3"))


def failing_step(supervisor: Supervisor, folder: Path) -> None:
    supervisor.add(shell(folder, "migrate", "echo no such table; exit 1", Role.STEP))
    supervisor.add(shell(folder, "web", "touch web-started; tail -f $1/log/web.log"))


def growing(supervisor: Supervisor, folder: Path) -> None:
    second = shell(folder, "second", "tail -f $1/log/second.log")
    first = shell(folder, "first", "tail -f $1/log/first.log")
    supervisor.add(replace(first, on_ready=partial(supervisor.add, second)))


def server_that_restarts(supervisor: Supervisor, folder: Path) -> None:
    """Its first life ends soon after it was ready; what depends on it must go on."""
    script = "test -e lived && exec tail -f $1/log/server.log; touch lived; sleep 0.5; exit 1"
    supervisor.add(shell(folder, "server", script, Role.SERVER))
    supervisor.add(shell(folder, "web", "tail -f $1/log/web.log"))


def real_servers(supervisor: Supervisor, folder: Path) -> None:
    supervisor.add(postgres_spec(locations(folder)))
    supervisor.add(valkey_spec(locations(folder)))
    supervisor.add(shell(folder, "web", "tail -f $1/log/web.log"))


SCENARIOS: dict[str, Callable[[Supervisor, Path], None]] = {
    scenario.__name__: scenario
    for scenario in (steady, with_family, crashing, failing_step, growing, server_that_restarts, real_servers)
}


def announce(name: str, message: str) -> None:
    sys.stdout.write(f"{name} {message}\n")
    sys.stdout.flush()


def main(folder: Path, scenario: str) -> None:
    supervisor = Supervisor(announce)
    SCENARIOS[scenario](supervisor, folder)
    try:
        with hold(locations(folder)):
            supervisor.run()
    except EmbeddedError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
