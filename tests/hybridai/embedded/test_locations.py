import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hybridai.embedded.locations import LONGEST_SOCKET_PATH_BYTES, locations


def test_the_same_folder_gives_the_same_places_however_it_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert locations(tmp_path / "link") == locations(tmp_path / "x" / ".." / "data")


def test_sockets_of_a_deep_folder_have_a_short_path_of_their_own(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    one, other = locations(deep / "one"), locations(deep / "other")
    assert len(os.fsencode(one.valkey_socket)) <= LONGEST_SOCKET_PATH_BYTES
    assert not one.postgres_sockets.is_relative_to(deep)
    assert one.postgres_sockets != other.postgres_sockets


def test_the_urls_carry_folders_with_odd_names() -> None:
    where = locations(Path("/srv/plant 7 & 8?#%"))
    assert parse_qs(urlsplit(where.database_url).query)["host"] == [str(where.postgres_sockets)]
    assert unquote(urlsplit(where.redis_url).path) == str(where.valkey_socket)
    assert urlsplit(where.redis_url).query == "db=0"
