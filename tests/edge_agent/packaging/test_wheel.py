"""The agent's wheel is whole, and needs nothing of the cloud."""

import subprocess
import sys
import zipfile

import pytest

from edge_agent.update.wheels import install_wheel
from tests.kit.agents import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT / "edge_agent")],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("hybridai_edge_agent-*.whl"))


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "edge_agent").rglob("*.py")}
    assets = {str(path.relative_to(ROOT)) for path in (ROOT / "edge_agent/operator/static").iterdir()}
    assert names == modules | assets | {"edge_agent/py.typed"}


def test_the_installed_wheel_composes_an_agent_without_django_or_the_checkout(wheel, tmp_path):
    target = tmp_path / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True)
    program = (
        "import sys, edge_agent, edge_agent.__main__, edge_agent.agent\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "foreign = roots & {'django', 'apps', 'hybridai', 'celery', 'psycopg'}\n"
        "print(edge_agent.__file__, sorted(foreign))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    file, _, foreign = answer.stdout.strip().partition(" ")
    assert file.startswith(str(target))
    assert foreign == "[]"


def test_a_device_takes_this_wheel_for_its_next_agent(wheel, tmp_path):
    installation = tmp_path / "agents" / "next"
    installation.parent.mkdir()
    install_wheel(wheel, installation)
    answer = subprocess.run(
        [sys.executable, "-P", "-c", "import edge_agent.agent; print(edge_agent.__file__)"],
        env={"PYTHONPATH": str(installation)},
        capture_output=True,
        text=True,
    )
    assert answer.stdout.startswith(str(installation)), answer.stderr


def test_a_version_is_told_by_the_installed_command(wheel, tmp_path):
    target = tmp_path / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True)
    answer = subprocess.run(
        [str(target / "bin" / "edge-agent"), "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "0.1.0", answer.stderr
