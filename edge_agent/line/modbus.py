"""A controller over Modbus TCP, through pymodbus (an extra of the wheel; BSD).

The controller is the server. All are holding registers: it writes trigger and acknowledgement (0 or 1) from
`input_register` on; the device writes ready, answered, result and count from `output_register` on.
"""

from typing import Any

from edge_agent.config import ModbusConfig
from edge_agent.line.handshake import ControllerSays, DeviceSays
from edge_agent.line.signal_port import LinkLost

NOT_AVAILABLE = (
    "Modbus is not available on this device: install the extra with `pip install 'hybridai-edge-agent[modbus]'`"
)
INPUT_COUNT = 2


class ModbusLink:
    """One connection, opened when needed. One thread at a time."""

    def __init__(self, config: ModbusConfig) -> None:
        self._config = config
        # Any: the library is an extra, and may not be there.
        self._client: Any = None

    def heard(self) -> ControllerSays:
        address = self._config.input_register
        answer = self._asked("read_holding_registers", address, count=INPUT_COUNT)
        if len(answer.registers) != INPUT_COUNT:
            raise self._lost(f"{len(answer.registers)} registers instead of {INPUT_COUNT}")
        trigger, acknowledgement = answer.registers
        return ControllerSays(is_triggered=bool(trigger), is_acknowledged=bool(acknowledgement))

    def say(self, says: DeviceSays) -> None:
        values = [int(says.is_ready), int(says.is_answered), int(says.result), says.count]
        self._asked("write_registers", self._config.output_register, values)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _asked(self, request: str, *arguments: object, **options: int) -> Any:
        from_pymodbus = _exceptions()
        try:
            client = self._connected()
            answer = getattr(client, request)(*arguments, **options, device_id=self._config.unit)
        except (OSError, from_pymodbus) as exc:
            raise self._lost(f"{type(exc).__name__}: {exc}") from exc
        if answer.isError():
            raise self._lost(f"the controller refuses: {answer}")
        return answer

    def _connected(self) -> Any:
        if self._client is None:
            from pymodbus.client import ModbusTcpClient

            config = self._config
            self._client = ModbusTcpClient(config.host, port=config.port, timeout=config.timeout_s, retries=0)
        if not self._client.connected and not self._client.connect():
            raise ConnectionRefusedError(f"{self._config.host}:{self._config.port} does not answer")
        return self._client

    def _lost(self, text: str) -> LinkLost:
        self.close()
        return LinkLost(text[:200])


def _exceptions() -> type[Exception]:
    try:
        from pymodbus.exceptions import ModbusException
    except ImportError as exc:
        raise LinkLost(NOT_AVAILABLE) from exc
    # Not typed here: see pyproject.toml.
    return ModbusException  # type: ignore[no-any-return]
