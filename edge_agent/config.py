"""The agent's one TOML file. What a person may change from the cloud is not here but in the configuration it sends."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
SidePx = Annotated[int, msgspec.Meta(ge=16, le=8192)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Register = Annotated[int, msgspec.Meta(ge=0, le=65_530)]
QueueLength = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


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


class ModbusConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The controller that triggers this camera and hears its verdicts: a Modbus TCP server (docs/agent.md)."""

    host: Text
    port: Port = 502
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    input_register: Register = 0
    """First of the two holding registers that the controller writes: trigger, acknowledgement."""
    output_register: Register = 16
    """First of the four holding registers that the device writes."""
    poll_s: Annotated[float, msgspec.Meta(ge=0.001, le=1)] = 0.01
    timeout_s: Seconds = 1.0


class QualityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether pictures that this camera's good ones say cannot be judged are held (docs/contract.md)."""

    enabled: bool | None = None
    """None: for every kind of camera but `replay`, whose folder may show anything."""
    frames_wanted: Annotated[int, msgspec.Meta(ge=30, le=10_000)] = 200
    """How many of the first good pictures of a product are learned."""


class CameraConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all cameras have. name: told in logs and on the local page; empty: its kind and place in the file."""

    name: str = ""
    line: str = ""
    """The line whose parts it sees; empty: the one of the section `line`."""
    product: str = ""
    lot: str = ""
    signal: ModbusConfig | None = None
    """Without one the device inspects at its own beat."""
    quality: QualityConfig = QualityConfig()


class ReplayConfig(CameraConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="replay"):
    """Shows the images of a folder, again and again, each as a part on the line."""

    folder: Path
    seed: int = 0
    rescan_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0


class SupervisedConfig(CameraConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What cameras have that may hang, vanish or freeze."""

    timeout_s: Seconds = 2.0
    """A picture that takes longer counts as none, and the camera is opened anew."""
    open_timeout_s: Seconds = 10.0
    width_px: SidePx | None = None
    height_px: SidePx | None = None
    """Pictures of another size are refused; without these the first picture after the start sets the size."""
    frozen_after: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 5
    """So many equal pictures in a row from a live camera are a fault; 0 switches this off."""


class VideoConfig(SupervisedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="video"):
    """Shows the frames of a video file, again and again, one per beat."""

    file: Path


class StreamConfig(SupervisedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stream"):
    """What OpenCV opens: `rtsp://…`, or a V4L2 device such as `/dev/video0`."""

    address: Text


class SnapshotConfig(SupervisedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="snapshot"):
    """A camera that answers each request with one JPEG or PNG."""

    url: Text
    username: str = ""
    password_file: Path | None = None


class GenicamConfig(SupervisedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="genicam"):
    """GigE Vision and USB3 Vision through the maker's GenTL producer; needs the extra `genicam`."""

    producer_file: Path
    serial_number: str = ""
    """Empty: the first camera that the producer finds."""


class SensorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all sensors have. name and line: as for a camera."""

    name: str = ""
    line: str = ""
    product: str = ""
    lot: str = ""
    seed: int = 0
    signal: ModbusConfig | None = None
    """Without one the device inspects at its own beat."""


class CsvSensorConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="csv"):
    """Shows the recordings of a folder, again and again, each as a part on the line."""

    folder: Path


class SimulatedSensorConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="simulated"):
    """A rotating part, made up; spike_ratio of the parts have a worn bearing."""

    rate_hz: Annotated[float, msgspec.Meta(gt=0, le=10_000_000)] = 10_000.0
    sample_count: Annotated[int, msgspec.Meta(ge=8, le=1_048_576)] = 2_000
    noise: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.05
    spike_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1


AnySensor = CsvSensorConfig | SimulatedSensorConfig
AnyCamera = ReplayConfig | VideoConfig | StreamConfig | SnapshotConfig | GenicamConfig


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: OutputKind = OutputKind.LOG
    file: Path | None = None


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Publishes each verdict as JSON to a broker of the plant; needs the extra `mqtt`."""

    host: Text
    port: Port = 1883
    topic: Text = "inspection/verdicts"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Given: TLS with this authority; usually with port 8883."""
    queue_length: QueueLength = 1000
    timeout_s: Seconds = 5.0


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Posts each verdict as JSON to a server of the plant."""

    url: Text
    secret_file: Path | None = None
    """Given: each request carries an HMAC-SHA256 of its body, so that the receiver can tell who sent it."""
    ca_file: Path | None = None
    queue_length: QueueLength = 1000
    timeout_s: Seconds = 5.0


class OperatorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local page. It opens to the plant only with a certificate, or when plain HTTP is allowed by name."""

    bind: Text = "127.0.0.1"
    port: Port = 8470
    certificate_file: Path | None = None
    key_file: Path | None = None
    is_plain_http_allowed: bool = False


class SyncConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] | None = None
    """Replaces the cloud's setting, for tests and benches."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths are relative to the file. Unknown keys are an error: a misspelt setting must not pass as set."""

    cloud_url: Text
    data_folder: Path
    ca_file: Path | None = None
    """The plant's own certificate authority."""
    camera: AnyCamera | None = None
    cameras: Annotated[list[AnyCamera], msgspec.Meta(max_length=16)] = []
    """Several cameras, each with a line of its own in time: the fault of one leaves the others alone."""
    sensors: Annotated[list[AnySensor], msgspec.Meta(max_length=16)] = []
    """Each with a line of its own too. A device runs one model: of pictures, or of recordings."""
    line: LineConfig = LineConfig()
    output: OutputConfig = OutputConfig()
    mqtt: MqttConfig | None = None
    webhook: WebhookConfig | None = None
    operator: OperatorConfig | None = None
    sync: SyncConfig = SyncConfig()

    @property
    def all_cameras(self) -> list[AnyCamera]:
        """Whichever way they were written; none where all are sensors."""
        return [self.camera] if self.camera else self.cameras


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
        document = tomllib.loads(content.decode())
        _name_camera_kinds(document)
        config = msgspec.convert(document, Config, dec_hook=to_path)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if refusal := _refusal(config):
        raise ConfigError(f"{path}: {refusal}")
    return config


def _name_camera_kinds(document: dict[str, object]) -> None:
    """A camera without a kind shows a folder."""
    many = document.get("cameras")
    for camera in [document.get("camera"), *(many if isinstance(many, list) else [])]:
        if isinstance(camera, dict):
            # TOML's tables have texts as keys.
            cast("dict[str, object]", camera).setdefault("kind", "replay")


def _refusal(config: Config) -> str:
    """What no single field can tell; empty when all is well."""
    if config.camera is not None and config.cameras:
        return "either one `camera` or a list `cameras`, not both"
    if not config.all_cameras and not config.sensors:
        return "one `camera`, or a list `cameras` or `sensors`, is needed"
    if config.output.kind is OutputKind.LINES and config.output.file is None:
        return "output.file is needed when output.kind is `lines`"
    return _operator_refusal(config.operator) if config.operator else ""


def _operator_refusal(operator: OperatorConfig) -> str:
    if (operator.certificate_file is None) != (operator.key_file is None):
        return "operator.certificate_file and operator.key_file go together"
    is_local = operator.bind in {"127.0.0.1", "::1", "localhost"}
    if not is_local and operator.certificate_file is None and not operator.is_plain_http_allowed:
        return "operator.bind opens the page to the plant: give certificate_file, or set is_plain_http_allowed"
    return ""
