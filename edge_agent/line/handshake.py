"""The handshake between device and controller. Pure: registers in, registers out.

1. The device says ready.                     4. The controller acknowledges, and takes the trigger away.
2. The controller triggers.                   5. The device takes the answer away.
3. The device answers with result and count.  6. The controller takes the acknowledgement away; on with 1.

Each trigger gets one answer. A controller that starts anew has neither trigger nor acknowledgement set; it counts as
one that acknowledged.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from edge_agent.wire.words import Verdict

COUNT_MODULUS = 65_536


class Phase(StrEnum):
    CLEARING = "clearing"
    READY = "ready"
    INSPECTING = "inspecting"
    ANSWERED = "answered"


class ResultCode(IntEnum):
    NONE = 0
    OK = 1
    NOK = 2
    CANNOT_JUDGE = 3


CODE_OF_VERDICT = {
    Verdict.OK: ResultCode.OK,
    Verdict.DEFECT: ResultCode.NOK,
    Verdict.CANNOT_JUDGE: ResultCode.CANNOT_JUDGE,
}


@dataclass(frozen=True, slots=True)
class ControllerSays:
    is_triggered: bool = False
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSays:
    """count: of the trigger that the result belongs to, so that no controller takes one answer for two."""

    is_ready: bool = False
    is_answered: bool = False
    result: ResultCode = ResultCode.NONE
    count: int = 0


@dataclass(frozen=True, slots=True)
class Handshake:
    """A part that was in the controller's hands when the device started is inspected: the trigger still stands."""

    phase: Phase = Phase.READY
    result: ResultCode = ResultCode.NONE
    count: int = 0

    @property
    def says(self) -> DeviceSays:
        return DeviceSays(
            is_ready=self.phase is Phase.READY,
            is_answered=self.phase is Phase.ANSWERED,
            result=self.result,
            count=self.count,
        )

    def after(self, heard: ControllerSays, answer: ResultCode | None) -> "Handshake":
        """The next step, if one is due. answer: to the trigger under inspection, once there is one."""
        match self.phase:
            case Phase.READY if heard.is_triggered:
                return Handshake(Phase.INSPECTING, count=(self.count + 1) % COUNT_MODULUS)
            case Phase.INSPECTING if answer is not None:
                return replace(self, phase=Phase.ANSWERED, result=answer)
            case Phase.ANSWERED if heard.is_acknowledged or not heard.is_triggered:
                return replace(self, phase=Phase.CLEARING, result=ResultCode.NONE)
            case Phase.CLEARING if not heard.is_triggered and not heard.is_acknowledged:
                return replace(self, phase=Phase.READY)
        return self
