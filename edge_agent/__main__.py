"""The command line: enrol | run | status | doctor | bench | operator-password.

Answers on standard output, the log on standard error.
"""

import argparse
import contextlib
import getpass
import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from edge_agent import __version__
from edge_agent.agent import VERSIONS_FOLDER, Agent
from edge_agent.bench import RUNS, BenchPlan, bench_rows, file_digest, signed_card, table_text
from edge_agent.clock import Clock, SystemClock
from edge_agent.cloud import CloudProbe, CloudRefused, CloudUnreachable, HttpCloud
from edge_agent.config import Config, ConfigError, load_config
from edge_agent.doctor import diagnose, diagnosis_text
from edge_agent.enrolment import AlreadyEnrolled, EnrolmentOrder, enrol
from edge_agent.identity import Credentials, Identity, IdentityError, load_identity
from edge_agent.journal import JournalRefused
from edge_agent.operator.password import PasswordRefused, set_password
from edge_agent.status import status_text
from edge_agent.update.manifest import PackageRefused, open_package
from edge_agent.update.versions import Versions
from edge_agent.values import Digest

logger = logging.getLogger("edge_agent")

EXIT_FAILED = 1
EXIT_WRONG = 2
"""The command or the configuration is wrong; starting again will not help."""
EXIT_TRY_LATER = 75
"""As sysexits.h says for a passing failure."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    log_to_stderr()
    answer: int = options.act(options)
    return answer


def log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(threadName)s %(name)s %(message)s"
    )
    # A line per request would drown what matters.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def run_agent(config_file: Path, compose: Callable[[Config, Clock], Agent]) -> int:
    """Inspect until SIGTERM or SIGINT. Returns the exit status."""
    stop = threading.Event()

    def stop_on(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_on)
    try:
        agent = compose(load_config(config_file), SystemClock())
    except (ConfigError, IdentityError, JournalRefused) as exc:
        return _refused("agent_not_started", exc)
    return 0 if agent.run(stop) else EXIT_FAILED


def _run(options: argparse.Namespace) -> int:
    return run_agent(options.config, Agent)


def _enrol(options: argparse.Namespace) -> int:
    order = EnrolmentOrder(cloud_url=options.cloud, code=options.code, folder=options.data, replaces=options.replace)
    try:
        device = enrol(order, connect=lambda credentials: _connected(options.cloud, credentials, options))
    except CloudUnreachable as exc:
        logger.error("cloud_unreachable error=%s", exc)  # noqa: TRY400  a sentence, not a stack
        return EXIT_TRY_LATER
    except (CloudRefused, AlreadyEnrolled, IdentityError, OSError) as exc:
        return _refused("not_enrolled", exc)
    sys.stdout.write(f"Enrolled as {device.name} at {device.site}, {device.line}.\n")
    return 0


def _status(options: argparse.Namespace) -> int:
    try:
        sys.stdout.write(status_text(options.data) + "\n")
    except IdentityError as exc:
        return _refused("status_unreadable", exc)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    def probe(identity: Identity) -> CloudProbe:
        with contextlib.closing(_connected(identity.device.cloud_url, identity.credentials(), options)) as cloud:
            return cloud.probe()

    try:
        diagnosis = diagnose(options.data, versions_folder=options.data / VERSIONS_FOLDER, probe=probe)
    except OSError as exc:
        return _refused("data_folder_unreadable", exc)
    sys.stdout.write(diagnosis_text(diagnosis) + "\n")
    return EXIT_FAILED if diagnosis.problems else 0


def _bench(options: argparse.Namespace) -> int:
    try:
        identity = load_identity(options.data) if options.data else None
        with tempfile.TemporaryDirectory() as folder, options.package.open("rb") as file:
            version = Versions(Path(folder)).install(open_package(file), Digest(file_digest(options.package)))
            rows = bench_rows(version, BenchPlan(run_count=max(1, options.runs)))
    except (IdentityError, PackageRefused, OSError) as exc:
        return _refused("not_measured", exc)
    answer = msgspec.json.encode(rows)
    if identity is not None:
        size_bytes = options.package.stat().st_size
        card = signed_card(version, rows, identity=identity, size_bytes=size_bytes, clock=SystemClock())
        answer = msgspec.json.encode(card)
    sys.stdout.write((answer.decode() if options.json else table_text(rows)) + "\n")
    return EXIT_FAILED if all(row.error for row in rows) else 0


def _operator_password(options: argparse.Namespace) -> int:
    """Asks for it at a terminal; otherwise takes one line of standard input, so that no password is an argument."""
    password = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        set_password(options.data, password)
    except (PasswordRefused, OSError) as exc:
        return _refused("password_not_set", exc)
    sys.stdout.write("The password is set.\n")
    return 0


def _connected(cloud_url: str, credentials: Credentials, options: argparse.Namespace) -> HttpCloud:
    return HttpCloud(cloud_url, credentials=credentials, clock=SystemClock(), ca_file=options.ca_file)


def _refused(event: str, error: Exception) -> int:
    logger.error("%s error=%s", event, error)
    return EXIT_WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-agent", description="Inspects every item locally.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="enrol | run | status | doctor | bench | operator-password")
    verb = verbs.add_parser("enrol", aliases=["enroll"], help="become a device of a cloud with a one-time code")
    verb.add_argument("--cloud", required=True, metavar="URL")
    verb.add_argument("--code", required=True)
    verb.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    verb.add_argument("--ca-file", type=Path, metavar="FILE", help="the plant's own certificate authority")
    verb.add_argument("--replace", action="store_true", help="give up the identity that the folder has")
    verb.set_defaults(act=_enrol)
    verb = verbs.add_parser("run", help="inspect until stopped")
    verb.add_argument("--config", required=True, type=Path, metavar="FILE")
    verb.set_defaults(act=_run)
    verb = verbs.add_parser("operator-password", help="set the password of the device's own page")
    verb.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    verb.set_defaults(act=_operator_password)
    verb = verbs.add_parser("status", help="show what the data folder says")
    verb.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    verb.set_defaults(act=_status)
    verb = verbs.add_parser("doctor", help="look for what is wrong, the cloud's answer included")
    verb.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    verb.add_argument("--ca-file", type=Path, metavar="FILE", help="the plant's own certificate authority")
    verb.set_defaults(act=_doctor)
    verb = verbs.add_parser("bench", help="measure a package with every engine that can run it here")
    verb.add_argument("--package", required=True, type=Path, metavar="FILE")
    verb.add_argument("--data", type=Path, metavar="FOLDER", help="sign the card as the device that this folder is of")
    verb.add_argument("--runs", type=int, default=RUNS)
    verb.add_argument("--json", action="store_true", help="the signed card, or the bare rows without --data")
    verb.set_defaults(act=_bench)
    return parser


if __name__ == "__main__":
    sys.exit(main())
