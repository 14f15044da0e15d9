"""Controllers of a line: one in memory for tests of the handshake, and a real Modbus TCP server."""

import asyncio
import threading

from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.line.handshake import ControllerSays, DeviceSays, ResultCode
from edge_agent.line.signal_port import LinkLost


class SimulatedController:
    """A link in memory. The test plays the controller's program: it sets `says` and reads `device`."""

    def __init__(self):
        self.says = ControllerSays()
        self.device = DeviceSays()
        self.is_cut = False
        self.is_closed = False

    def heard(self):
        if self.is_cut:
            raise LinkLost("the cable is pulled")
        return self.says

    def say(self, says):
        if self.is_cut:
            raise LinkLost("the cable is pulled")
        self.device = says

    def close(self):
        self.is_closed = True

    def trigger(self):
        self.says = ControllerSays(is_triggered=True)

    def acknowledge(self):
        self.says = ControllerSays(is_acknowledged=True)

    def rest(self):
        self.says = ControllerSays()


class ModbusController:
    """A Modbus TCP server with 32 holding registers, and the controller's program as a client of it."""

    INPUT, OUTPUT = 0, 16

    def __init__(self, port=0):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(port), self._loop).result(10)
        self.port = self._server.transport.sockets[0].getsockname()[1]
        self._program = ModbusTcpClient("127.0.0.1", port=self.port, timeout=5)
        assert self._program.connect()

    async def _serve(self, port):
        device = SimDevice(id=1, simdata=[SimData(0, count=32, values=0, datatype=DataType.REGISTERS)])
        server = ModbusTcpServer(device, address=("127.0.0.1", port))
        assert await server.listen()
        return server

    def set_inputs(self, *, trigger, acknowledgement):
        self._program.write_registers(self.INPUT, [int(trigger), int(acknowledgement)], device_id=1)

    def device(self):
        ready, answered, result, count = self._program.read_holding_registers(
            self.OUTPUT, count=4, device_id=1
        ).registers
        return DeviceSays(bool(ready), bool(answered), ResultCode(result), count)

    def close(self):
        self._program.close()
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
