"""The programs that make up one installation, in their start order."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hybridai.embedded import folders, ports
from hybridai.embedded.children import ChildSpec, Role, nothing
from hybridai.embedded.locations import Locations
from hybridai.embedded.postgres import postgres_spec
from hybridai.embedded.supervisor import Announce, Supervisor
from hybridai.embedded.valkey import valkey_spec

PROJECT_ROOT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, str(PROJECT_ROOT / "manage.py"))
CELERY = (sys.executable, "-m", "celery", "-A", "hybridai")
# The heavy worker starts afresh for each run, so that a training's memory goes back to the system.
LIGHT_TASKS_PER_CHILD = 500
HEAVY_TASKS_PER_CHILD = 1


@dataclass(frozen=True)
class Installation:
    """What `manage.py up` runs, and where."""

    where: Locations
    database_url: str
    redis_url: str
    host: str
    site_port: int
    gateway_port: int

    @property
    def site_url(self) -> str:
        return f"http://{self.probe_host}:{self.site_port}/"

    @property
    def probe_host(self) -> str:
        """Where a program on this machine reaches ours."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of every child: the same places, whatever the supervisor's own environment says."""
        return {
            "HYBRIDAI_DATA": str(self.where.data_dir),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "HYBRIDAI_SITE_PORT": str(self.site_port),
            "HYBRIDAI_GATEWAY_PORT": str(self.gateway_port),
            "PYTHONUNBUFFERED": "1",
            # Waiting threads sleep instead of spinning: a loaded core is worth more to its neighbours.
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
        }

    def require_startable(self) -> None:
        """Raises the EmbeddedError that a start would meet: a taken port, a full disk."""
        folders.require_room(self.where)
        for port, purpose, variable in (
            (self.site_port, "The site", "HYBRIDAI_SITE_PORT"),
            (self.gateway_port, "The device gateway", "HYBRIDAI_GATEWAY_PORT"),
        ):
            ports.require_free(self.host, port, purpose=purpose, variable=variable)

    def child(self, name: str, *argv: str, role: Role = Role.WORKER) -> ChildSpec:
        """One more program of this installation, with its own log file."""
        log_file = self.where.log_dir / f"{name}.log"
        return ChildSpec(name=name, argv=argv, log_file=log_file, role=role, env=self.env, cwd=PROJECT_ROOT)

    def manage(self, name: str, *arguments: str, role: Role = Role.WORKER) -> ChildSpec:
        """One more management command of this installation."""
        return self.child(name, *MANAGE, *arguments, role=role)


def installation_supervisor(
    plan: Installation, announce: Announce, *, on_site_ready: Callable[[], None] = nothing
) -> Supervisor:
    """A supervisor for the whole installation; more children may be added. The caller holds the data folder."""
    supervisor = Supervisor(announce)
    steps = [
        plan.manage("migrate", "migrate", "--noinput", role=Role.STEP),
        # Devices pin the artifact repository's root when they enrol, so it must be there first.
        plan.manage("tuf_init", "tuf_init", role=Role.STEP),
    ]
    for spec in [*_servers(plan), *steps]:
        supervisor.add(spec)
    for spec in [_web(plan, on_site_ready), _gateway(plan), plan.manage("reconcile", "reconcile"), *_celery(plan)]:
        supervisor.add(spec)
    return supervisor


def _servers(plan: Installation) -> list[ChildSpec]:
    """Those whose place was not taken by a server of the owner's."""
    embedded = []
    if plan.database_url == plan.where.database_url:
        embedded.append(postgres_spec(plan.where))
    if plan.redis_url == plan.where.redis_url:
        embedded.append(valkey_spec(plan.where))
    return embedded


def _web(plan: Installation, on_site_ready: Callable[[], None]) -> ChildSpec:
    listen = ("-b", plan.host, "-p", str(plan.site_port), "--application-close-timeout", "2")
    return replace(
        plan.child("web", sys.executable, "-m", "daphne", *listen, "hybridai.asgi:application"),
        is_ready=partial(ports.answers_http, plan.probe_host, plan.site_port),
        on_ready=on_site_ready,
    )


def _gateway(plan: Installation) -> ChildSpec:
    listen = ("--host", plan.host, "--port", str(plan.gateway_port), "--timeout-graceful-shutdown", "2")
    return replace(
        plan.child("gateway", sys.executable, "-m", "uvicorn", "hybridai.gateway_asgi:app", "--no-access-log", *listen),
        is_ready=partial(ports.accepts, plan.probe_host, plan.gateway_port),
    )


def _celery(plan: Installation) -> list[ChildSpec]:
    quiet = ("--without-gossip", "--without-mingle", "-l", "INFO")
    light = ("-n", "light@%h", "-Q", "default", "-c", "2", f"--max-tasks-per-child={LIGHT_TASKS_PER_CHILD}")
    heavy = ("-n", "heavy@%h", "-Q", "train,optimize", "-c", "1", f"--max-tasks-per-child={HEAVY_TASKS_PER_CHILD}")
    schedule = ("-s", str(plan.where.data_dir / "beat-schedule"), "--pidfile=")
    return [
        plan.child("worker", *CELERY, "worker", *light, *quiet),
        replace(
            plan.child("trainer", *CELERY, "worker", *heavy, *quiet),
            # A training takes minutes: give it back to the queue instead of waiting for its end.
            stop_signal=signal.SIGQUIT,
            env={**plan.env, "OMP_NUM_THREADS": str(os.cpu_count() or 1)},
        ),
        plan.child("beat", *CELERY, "beat", *schedule, "-l", "INFO"),
    ]
