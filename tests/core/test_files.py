import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.core import files
from apps.core.errors import Conflict, Wrong

CONTENT = bytes(range(256)) * 40
NAME = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def files_dir(settings, tmp_path):
    settings.FILES_DIR = tmp_path / "files"


def test_what_was_stored_is_read_back_under_its_sha256():
    assert files.store(CONTENT) == NAME
    assert files.read(NAME) == CONTENT


@given(cuts=st.lists(st.integers(1, len(CONTENT) - 1), max_size=6))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_upload_in_any_pieces_is_the_same_file(cuts, settings, tmp_path_factory):
    settings.FILES_DIR = tmp_path_factory.mktemp("files")
    bounds = sorted({0, *cuts, len(CONTENT)})
    for start, end in itertools.pairwise(bounds):
        assert files.upload_offset(NAME) == start
        files.upload_append(NAME, offset=start, data=CONTENT[start:end], size_bytes=len(CONTENT))
    assert files.read(NAME) == CONTENT


def test_a_piece_at_the_wrong_offset_changes_nothing_and_names_the_right_one():
    files.upload_append(NAME, offset=0, data=CONTENT[:100], size_bytes=len(CONTENT))
    with pytest.raises(Conflict) as refusal:
        files.upload_append(NAME, offset=0, data=CONTENT[:100], size_bytes=len(CONTENT))
    assert refusal.value.fields == {"offset": "100"}
    assert files.upload_offset(NAME) == 100


def test_bytes_that_are_not_what_their_name_says_are_dropped_whole():
    with pytest.raises(Wrong, match="SHA-256"):
        files.upload_append(NAME, offset=0, data=b"x" * 10, size_bytes=10)
    assert files.upload_offset(NAME) == 0
    assert not files.exists(NAME)


def test_more_bytes_than_announced_are_refused_before_they_are_written():
    with pytest.raises(Wrong, match="More bytes"):
        files.upload_append(NAME, offset=0, data=CONTENT, size_bytes=10)
    assert files.upload_offset(NAME) == 0


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "/"])
def test_a_name_that_is_no_sha256_never_becomes_a_path(name):
    with pytest.raises(Wrong):
        files.path_of(name)


def test_a_full_disk_is_unavailable_and_leaves_no_half_file(settings, tmp_path):
    blocked = tmp_path / "file-instead-of-folder"
    blocked.write_bytes(b"")
    settings.FILES_DIR = Path(blocked)
    with pytest.raises(files.Unavailable):
        files.store(CONTENT)
