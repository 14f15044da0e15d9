"""The handshake with the line's controller: one trigger, one answer, whatever breaks."""

import threading

import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import ModbusConfig
from edge_agent.line.handshake import ControllerSays, DeviceSays, Handshake, Phase, ResultCode
from edge_agent.line.modbus import ModbusLink
from edge_agent.line.outputs import Told
from edge_agent.line.signal_port import LineSignal, LinkLost
from edge_agent.wire.words import Verdict
from tests.kit.agents import wait_until
from tests.kit.controllers import ModbusController, SimulatedController
from tests.kit.handclock import HandClock

TRIGGERED = ControllerSays(is_triggered=True)
ACKNOWLEDGED = ControllerSays(is_acknowledged=True)
AT_REST = ControllerSays()


def told(verdict=Verdict.OK):
    return Told(item="a", verdict=verdict, label="", cannot_judge=None, seq=1, total_ms=1.0)


def test_the_handshake_goes_round():
    steps = [(TRIGGERED, None), (TRIGGERED, ResultCode.NOK), (TRIGGERED, None), (ACKNOWLEDGED, None), (AT_REST, None)]
    handshake, said = Handshake(), []
    for heard, answer in steps:
        handshake = handshake.after(heard, answer)
        said.append(handshake.says)
    assert said == [
        DeviceSays(count=1),
        DeviceSays(is_answered=True, result=ResultCode.NOK, count=1),
        DeviceSays(is_answered=True, result=ResultCode.NOK, count=1),
        DeviceSays(count=1),
        DeviceSays(is_ready=True, count=1),
    ]


def test_a_trigger_that_stays_is_one_part():
    handshake = Handshake(Phase.CLEARING, count=4)
    for _ in range(5):
        handshake = handshake.after(TRIGGERED, None)
    assert (handshake.phase, handshake.count) == (Phase.CLEARING, 4)


def test_an_acknowledgement_that_stays_delays_the_next_part():
    assert Handshake(Phase.CLEARING).after(ACKNOWLEDGED, None).phase is Phase.CLEARING


def test_a_controller_that_starts_anew_finds_a_device_that_is_ready():
    handshake = Handshake(Phase.ANSWERED, result=ResultCode.OK, count=7)
    assert handshake.after(AT_REST, None).after(AT_REST, None).says == DeviceSays(is_ready=True, count=7)


def test_the_count_fits_into_a_register():
    assert Handshake(count=65_535).after(TRIGGERED, None).count == 0


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("heard", [TRIGGERED, ACKNOWLEDGED, AT_REST, ControllerSays(True, True)])
def test_only_an_answered_trigger_shows_a_result(phase, heard):
    says = Handshake(phase).after(heard, ResultCode.OK).says
    assert says.is_answered == (says.result is not ResultCode.NONE) or phase is Phase.ANSWERED
    assert not (says.is_ready and says.is_answered)


class Station:
    def __init__(self, clock=None):
        self.clock = clock or HandClock()
        self.controller = SimulatedController()
        self.reports = []
        self.signal = LineSignal(
            "1",
            self.controller,
            answer_within_s=lambda: 0.25,
            poll_s=0.001,
            report=self.reports.append,
            clock=self.clock,
        )

    def exchange(self, count=1):
        for _ in range(count):
            self.signal.exchange()
        return self.controller.device


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.OK, ResultCode.OK), (Verdict.DEFECT, ResultCode.NOK), (Verdict.CANNOT_JUDGE, ResultCode.CANNOT_JUDGE)],
)
def test_a_trigger_is_a_part_for_the_loop_and_its_verdict_the_answer(verdict, code):
    here = Station()
    assert here.exchange().is_ready
    here.controller.trigger()
    assert not here.exchange().is_ready
    assert here.signal.wait(threading.Event())
    here.signal.tell(told(verdict))
    assert here.exchange() == DeviceSays(is_answered=True, result=code, count=1)
    here.controller.acknowledge()
    here.exchange()
    here.controller.rest()
    assert here.exchange().is_ready


def test_a_model_that_hangs_is_answered_for():
    here = Station()
    here.controller.trigger()
    here.exchange()
    here.signal.wait(threading.Event())
    here.clock.turn(0.2)
    assert not here.exchange().is_answered
    here.clock.turn(0.1)
    assert here.exchange().result is ResultCode.CANNOT_JUDGE
    assert here.signal.late_count == 1


def test_a_verdict_that_comes_too_late_is_no_answer_to_the_next_trigger():
    here = Station()
    here.controller.trigger()
    here.exchange()
    here.signal.wait(threading.Event())
    here.clock.turn(1)
    here.exchange()
    here.controller.acknowledge()
    here.exchange()
    here.controller.rest()
    here.exchange()
    here.controller.trigger()
    here.exchange()
    here.signal.tell(told(Verdict.OK))  # of the first trigger
    assert not here.exchange().is_answered
    assert here.signal.wait(threading.Event())
    here.signal.tell(told(Verdict.DEFECT))
    assert here.exchange() == DeviceSays(is_answered=True, result=ResultCode.NOK, count=2)


def test_a_broken_link_changes_no_step():
    here = Station()
    here.controller.trigger()
    here.exchange()
    here.signal.wait(threading.Event())
    here.controller.is_cut = True
    here.signal.tell(told(Verdict.DEFECT))
    with pytest.raises(LinkLost):
        here.exchange()
    here.controller.is_cut = False
    assert here.exchange().result is ResultCode.NOK


def test_a_lost_link_is_reported_once_and_comes_back_by_itself():
    here = Station(SystemClock())
    here.controller.is_cut = True
    stop = threading.Event()
    thread = threading.Thread(target=here.signal.run, args=(stop,))
    thread.start()
    wait_until(lambda: here.signal.fault == "the cable is pulled", 10)
    here.controller.is_cut = False
    wait_until(lambda: here.controller.device.is_ready, 10)
    assert (here.reports, here.signal.fault) == (["signal-1: the cable is pulled"], "")
    stop.set()
    thread.join(10)
    assert not here.controller.device.is_ready
    assert here.controller.is_closed


def test_waiting_for_a_trigger_ends_with_the_agent():
    here, stop = Station(), threading.Event()
    threading.Timer(0.05, stop.set).start()
    assert not here.signal.wait(stop)


@pytest.fixture
def plc():
    controller = ModbusController()
    yield controller
    controller.close()


def test_a_real_modbus_controller_gets_one_answer_per_trigger(plc):
    link = ModbusLink(ModbusConfig(host="127.0.0.1", port=plc.port))
    signal = LineSignal(
        "1", link, answer_within_s=lambda: 5, poll_s=0.002, report=lambda text: None, clock=SystemClock()
    )
    stop = threading.Event()

    def inspect():
        while signal.wait(stop):
            signal.tell(told(Verdict.DEFECT if signal._taken_count % 2 else Verdict.OK))

    threads = [threading.Thread(target=signal.run, args=(stop,)), threading.Thread(target=inspect)]
    for thread in threads:
        thread.start()
    answers = []
    for _ in range(6):
        wait_until(lambda: plc.device().is_ready, 10)
        plc.set_inputs(trigger=True, acknowledgement=False)
        wait_until(lambda: plc.device().is_answered, 10)
        answers.append((plc.device().result, plc.device().count))
        plc.set_inputs(trigger=False, acknowledgement=True)
        wait_until(lambda: not plc.device().is_answered, 10)
        plc.set_inputs(trigger=False, acknowledgement=False)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert answers == [(ResultCode.NOK if number % 2 else ResultCode.OK, number) for number in range(1, 7)]
    assert not plc.device().is_ready


def test_a_modbus_controller_that_is_not_there_is_lost_and_found_again():
    plc = ModbusController()
    port = plc.port
    link = ModbusLink(ModbusConfig(host="127.0.0.1", port=port, timeout_s=0.5))
    assert link.heard() == AT_REST
    plc.close()
    with pytest.raises(LinkLost):
        link.heard()
    plc = ModbusController(port)
    wait_until(lambda: _is_heard(link), 10)
    link.close()
    plc.close()


def test_registers_that_the_controller_does_not_have_are_a_sentence(plc):
    link = ModbusLink(ModbusConfig(host="127.0.0.1", port=plc.port, input_register=500))
    with pytest.raises(LinkLost, match="refuses"):
        link.heard()
    link.close()


def _is_heard(link):
    try:
        return link.heard() == AT_REST
    except LinkLost:
        return False
