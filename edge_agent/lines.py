"""Puts the lines together: for each camera its loop, what keeps it alive, and who hears its verdicts."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_agent.clock import Clock
from edge_agent.config import (
    AnyCamera,
    AnySensor,
    Config,
    ModbusConfig,
    OutputConfig,
    OutputKind,
    ReplayConfig,
    VideoConfig,
)
from edge_agent.journal import Journal, JournalError
from edge_agent.line.cameras.choice import camera_of
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.line.cameras.supervised import SupervisedCamera
from edge_agent.line.modbus import ModbusLink
from edge_agent.line.mqtt import MqttSender
from edge_agent.line.outputs import LinesOutput, LogOutput, Output, SeveralOutputs, SilentOutput
from edge_agent.line.queued import QueuedOutput
from edge_agent.line.sensors import Sensor, sensor_of
from edge_agent.line.signal_port import LineSignal
from edge_agent.line.webhook import WebhookSender
from edge_agent.pipeline.baselines import Baselines
from edge_agent.pipeline.camera_watch import CameraWatch
from edge_agent.pipeline.judging import ModelSlots, Turn
from edge_agent.pipeline.loop import InspectionLoop, LineParts
from edge_agent.pipeline.onlookers import Onlooker
from edge_agent.pipeline.results import Collection, LineFacts
from edge_agent.supervisor import Part
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.records import Alarm
from edge_agent.wire.words import AlarmCode

QUALITY_FOLDER = "quality"
ANSWER_MARGIN_S = 0.05
"""What a verdict may be late before the controller is answered CANNOT JUDGE instead: the disk's least share."""


AnySource = ReplayCamera | SupervisedCamera | Sensor


@dataclass(frozen=True, slots=True)
class Station:
    """One camera or sensor with its line.

    signal: None where the device inspects at its own beat. watch: None where any picture is judged.
    """

    name: str
    line: str
    camera: AnySource
    loop: InspectionLoop
    signal: LineSignal | None
    watch: CameraWatch | None = None

    @property
    def fault(self) -> str:
        """Empty while all is well, as far as can be known without a picture."""
        camera = self.camera.fault if isinstance(self.camera, SupervisedCamera) else ""
        return camera or (self.signal.fault if self.signal else "")


@dataclass(frozen=True, slots=True)
class SharedByLines:
    slots: ModelSlots
    journal: Journal
    configuration: Callable[[], Configuration]
    is_time_trusted: Callable[[], bool]
    collection: Collection
    onlookers: tuple[Onlooker, ...]
    clock: Clock
    turn: Turn = field(default_factory=Turn)


class Lines:
    """All stations of a device and the outputs that they share."""

    def __init__(self, config: Config, *, default_line: str, seed: str, shared: SharedByLines) -> None:
        """default_line: where the configuration names none. seed: of the random slice, the device's own."""
        self._config = config
        self._default_line = config.line.name or default_line
        self._seed = seed
        self._shared = shared
        self._baselines = None
        if any(map(_is_watched, config.all_cameras)):
            self._baselines = Baselines(config.data_folder / QUALITY_FOLDER)
        self.outputs = self._queued_outputs()
        self._told = [_output(config.output), *self.outputs]
        self.stations = [
            self._station(camera, camera.name or str(number))
            for number, camera in enumerate(config.all_cameras, start=1)
        ]
        self.stations += [
            self._sensor_station(sensor, sensor.name or f"sensor-{number}")
            for number, sensor in enumerate(config.sensors, start=1)
        ]

    def parts(self) -> list[Part]:
        """In the order in which they stop: the loops first, then what they need."""
        found: list[Part] = [station.loop for station in self.stations]
        found += [station.camera for station in self.stations if isinstance(station.camera, SupervisedCamera)]
        found += [station.signal for station in self.stations if station.signal]
        found += [self._baselines] if self._baselines else []
        return [*found, *self.outputs]

    def _station(self, config: AnyCamera, name: str) -> Station:
        return self._composed(config, name, camera_of(config, name, self._shared.clock), self._watch(config, name))

    def _sensor_station(self, config: AnySensor, name: str) -> Station:
        return self._composed(config, name, sensor_of(config, self._shared.clock), None)

    def _composed(
        self, config: AnyCamera | AnySensor, name: str, camera: AnySource, watch: CameraWatch | None
    ) -> Station:
        signal = self._signal(config.signal, name) if config.signal else None
        line = config.line or self._default_line
        loop = InspectionLoop(
            self._line_parts(camera, signal, watch),
            self._facts(line),
            self._shared.clock,
            name=f"inspect-{name}",
        )
        return Station(name=name, line=line, camera=camera, loop=loop, signal=signal, watch=watch)

    def _line_parts(self, camera: AnySource, signal: LineSignal | None, watch: CameraWatch | None) -> LineParts:
        shared = self._shared
        # The controller hears first: it holds the part.
        outputs: list[Output] = [signal, *self._told] if signal else self._told
        return LineParts(
            camera=camera,
            slots=shared.slots,
            journal=shared.journal,
            output=SeveralOutputs(outputs) if len(outputs) > 1 else outputs[0],
            configuration=shared.configuration,
            is_time_trusted=shared.is_time_trusted,
            pace=signal,
            watch=watch,
            turn=shared.turn,
            collection=shared.collection,
            onlookers=shared.onlookers,
        )

    def _watch(self, config: AnyCamera, name: str) -> CameraWatch | None:
        if self._baselines is None or not _is_watched(config):
            return None
        return CameraWatch(
            name,
            self._baselines,
            report=self._alarm(AlarmCode.CAMERA_MAINTENANCE),
            may_repeat=isinstance(config, ReplayConfig | VideoConfig),
            frames_wanted=config.quality.frames_wanted,
        )

    def _facts(self, line: str) -> LineFacts:
        return LineFacts(
            line=line,
            sampling_seed=self._seed,
            takt_ms=self._config.line.takt_ms,
            camera_count=max(1, len(self._config.all_cameras)),
        )

    def _signal(self, config: ModbusConfig, name: str) -> LineSignal:
        configuration = self._shared.configuration
        return LineSignal(
            name,
            ModbusLink(config),
            answer_within_s=lambda: configuration().inspection.deadline_ms / 1000 + ANSWER_MARGIN_S,
            poll_s=config.poll_s,
            report=self._alarm(AlarmCode.LINE_SIGNAL_FAULT),
            clock=self._shared.clock,
        )

    def _queued_outputs(self) -> list[QueuedOutput]:
        mqtt, webhook = self._config.mqtt, self._config.webhook
        report, clock = self._alarm(AlarmCode.OUTPUT_DROPPED), self._shared.clock
        outputs = []
        if mqtt:
            sender = MqttSender(mqtt)
            outputs.append(QueuedOutput("mqtt", sender, queue_length=mqtt.queue_length, report=report, clock=clock))
        if webhook:
            poster = WebhookSender(webhook)
            outputs.append(
                QueuedOutput("webhook", poster, queue_length=webhook.queue_length, report=report, clock=clock)
            )
        return outputs

    def _alarm(self, code: AlarmCode) -> Callable[[str], None]:
        def report(text: str) -> None:
            alarm = Alarm(at_ms=self._shared.clock.wall_ms(), code=code, text=text[:200])
            try:
                self._shared.journal.submit(alarm)
            except JournalError:
                # The log has it; a journal that takes nothing says so itself.
                return

        return report


def _is_watched(config: AnyCamera) -> bool:
    enabled = config.quality.enabled
    return not isinstance(config, ReplayConfig) if enabled is None else enabled


def _output(config: OutputConfig) -> Output:
    if config.kind is OutputKind.LINES and config.file is not None:
        return LinesOutput(config.file)
    return LogOutput() if config.kind is OutputKind.LOG else SilentOutput()
