import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hybridai.embedded import folders
from hybridai.embedded.errors import DataFolderInUse, DiskFull, EmbeddedError, NoPermission
from hybridai.embedded.locations import Locations
from hybridai.embedded.postgres import ordinary_user_prefix
from tests.kit.programs import PROJECT_ROOT

SMALL_INSTALLATION = "tests.hybridai.embedded.small_installation"


def test_the_data_folder_is_closed_to_others(where: Locations) -> None:
    with folders.hold(where):
        assert stat.S_IMODE(where.data_dir.stat().st_mode) == 0o700


def test_a_held_folder_is_refused_until_it_is_released(where: Locations) -> None:
    with folders.hold(where), pytest.raises(DataFolderInUse, match="in use by another running installation"):
        folders.hold(where)
    folders.hold(where).release()


def test_a_disk_without_room_is_refused(where: Locations) -> None:
    with folders.hold(where):
        free_bytes = shutil.disk_usage(where.data_dir).free
        with pytest.raises(DiskFull, match="HYBRIDAI_DATA"):
            folders.require_room(where, least_free_bytes=2 * free_bytes)


def test_a_file_in_place_of_the_folder_is_refused(where: Locations) -> None:
    where.data_dir.write_text("not a folder")
    with pytest.raises(EmbeddedError, match="data"):
        folders.hold(where)


def test_a_folder_of_another_account_is_refused(where: Locations) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a folder away")
    where.data_dir.mkdir()
    os.chown(where.data_dir, 65534, 65534)
    with pytest.raises(NoPermission, match="belongs to another account"):
        folders.hold(where)


def test_an_account_without_rights_is_told_which_folder_and_what_to_do(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    argv = [*ordinary_user_prefix(), sys.executable, "-m", SMALL_INSTALLATION, str(closed / "data"), "steady"]
    done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"No permission to use {closed / 'data'}"), done.stderr
    assert "HYBRIDAI_DATA" in done.stderr
    assert done.returncode == 1
