"""From a section of the configuration to a sensor, as the loop reads it."""

from edge_agent.clock import Clock
from edge_agent.config import AnySensor, CsvSensorConfig
from edge_agent.line.signals import CsvSignal, Recording, Signal, SimulatedSensor, SimulatedSignal


class Sensor:
    """Each recording is a part on the line."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def capture(self) -> Recording:
        """Raises CameraFault while nothing comes, or BadFrame for a part without samples."""
        return self._signal.record()


def sensor_of(config: AnySensor, clock: Clock) -> Sensor:
    if isinstance(config, CsvSensorConfig):
        return Sensor(CsvSignal(config.folder, seed=config.seed, product=config.product, lot=config.lot, clock=clock))
    sensor = SimulatedSensor(
        rate_hz=config.rate_hz, sample_count=config.sample_count, noise=config.noise, spike_ratio=config.spike_ratio
    )
    return Sensor(SimulatedSignal(sensor, seed=config.seed, product=config.product, lot=config.lot, clock=clock))
