import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hybridai.embedded import folders
from hybridai.embedded.errors import DataFolderInUse, DiskFull, EmbeddedError, NoPermission
from hybridai.embedded.locations import Locations, locations
from tests.hybridai.embedded.conftest import PROJECT_ROOT

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


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


def test_a_folder_that_may_not_be_made_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may make any folder; see the test below")
    tmp_path.chmod(0o500)
    with pytest.raises(NoPermission, match="HYBRIDAI_DATA"):
        folders.hold(locations(tmp_path / "data"))


def test_an_account_without_rights_reads_a_sentence_and_no_traceback() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to act as an account without rights")
    script = "from pathlib import Path\nfrom hybridai.embedded import folders, locations as l\n"
    script += "try: folders.hold(l.locations(Path('/root-of-nobody')))\n"
    script += "except Exception as exc: print(type(exc).__name__)"
    argv = [*AS_NOBODY, sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    if "Permission denied" in done.stderr and not done.stdout:
        pytest.skip("the interpreter itself is closed to other accounts here")
    assert done.stdout.strip() == "NoPermission", done.stderr
