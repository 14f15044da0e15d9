"""The agent's TOML file."""

import pytest

from edge_agent.config import ConfigError, OutputKind, SnapshotConfig, StreamConfig, load_config

LEAST = 'cloud_url = "http://127.0.0.1:1"\ndata_folder = "data"\n[camera]\nfolder = "images"\n'


def load(folder, text):
    path = folder / "agent.toml"
    path.write_text(text)
    return load_config(path)


def test_paths_are_relative_to_the_file(tmp_path):
    config = load(tmp_path, LEAST)
    assert config.data_folder == tmp_path / "data"
    assert config.camera.folder == tmp_path / "images"
    assert config.output.kind is OutputKind.LOG


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (LEAST + "takt_sm = 5\n", "takt_sm"),
        (LEAST + "[line]\ntakt_ms = 0\n", "line.takt_ms"),
        (LEAST.replace('"data"', "7"), "data_folder"),
        (LEAST + '[output]\nkind = "lines"\n', "output.file"),
        (LEAST + '[output]\nkind = "loud"\n', "output.kind"),
        (LEAST.partition("[camera]")[0], "camera"),
        ("not toml at all", "agent.toml"),
        (b"\xff\xfe".decode("latin1"), "agent.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_name_of_what_is_wrong(tmp_path, text, named):
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, text)


CAMERAS = """
[[cameras]]
kind = "stream"
name = "top"
address = "rtsp://10.0.0.7/1"
line = "line-2"
[[cameras]]
kind = "snapshot"
url = "http://10.0.0.8/snap.jpg"
[cameras.signal]
host = "10.0.0.9"
"""


def test_several_cameras_each_have_their_own_section(tmp_path):
    config = load(tmp_path, LEAST.partition("[camera]")[0] + CAMERAS)
    top, side = config.all_cameras
    assert (type(top), top.line, top.signal) == (StreamConfig, "line-2", None)
    assert (type(side), side.signal.port) == (SnapshotConfig, 502)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("[operator]\nbind = '0.0.0.0'\n", "certificate_file"),
        ("[operator]\ncertificate_file = 'a'\n", "go together"),
        (CAMERAS, "either one"),
        ("[mqtt]\nport = 1883\n", "host"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, section, named):
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, LEAST + section)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml")


def test_a_sensor_may_stand_in_place_of_a_camera(tmp_path):
    without_camera = LEAST.partition("[camera]")[0]
    config = load(tmp_path, without_camera + '[[sensors]]\nkind = "csv"\nfolder = "recordings"\n')
    assert config.all_cameras == []
    assert config.sensors[0].folder == tmp_path / "recordings"


@pytest.mark.parametrize("section", ['kind = "sonar"', 'kind = "csv"', 'kind = "simulated"\nspike_ratio = 2'])
def test_a_wrong_sensor_is_refused(tmp_path, section):
    with pytest.raises(ConfigError, match="sensors"):
        load(tmp_path, LEAST + f"[[sensors]]\n{section}\n")
