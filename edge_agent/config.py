"""The agent's one TOML file. What a person may change from the cloud is not here but in the configuration it sends."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ConfigError(Exception):
    """The file is missing or wrong; the text names the field."""


class OutputKind(StrEnum):
    LOG = "log"
    NONE = "none"
    LINES = "lines"


class LineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    """As it appears in every record; empty: the line that this device was enrolled for."""
    takt_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] | None = None
    """Replaces the cloud's setting, for tests and benches."""


class CameraConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera that shows the images of a folder, again and again, each as a part on the line."""

    folder: Path
    seed: int = 0
    product: str = ""
    lot: str = ""
    rescan_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: OutputKind = OutputKind.LOG
    file: Path | None = None


class SyncConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] | None = None
    """Replaces the cloud's setting, for tests and benches."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths are relative to the file. Unknown keys are an error: a misspelt setting must not pass as set."""

    cloud_url: Text
    data_folder: Path
    ca_file: Path | None = None
    """The plant's own certificate authority."""
    camera: CameraConfig
    line: LineConfig = LineConfig()
    output: OutputConfig = OutputConfig()
    sync: SyncConfig = SyncConfig()


def load_config(path: Path) -> Config:
    """Raises ConfigError with a sentence that names the file and the field."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc

    def to_path(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return path.absolute().parent / value
        raise ValueError(f"a path is a text, not {value!r}")

    try:
        config = msgspec.toml.decode(content, type=Config, dec_hook=to_path)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if config.output.kind is OutputKind.LINES and config.output.file is None:
        raise ConfigError(f"{path}: output.file is needed when output.kind is `lines`")
    return config
