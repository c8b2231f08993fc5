"""Side effects: values from outside that history remembers, in markers as the Go SDK writes them.

`SideEffect` markers are counted, and each call has its own. `MutableSideEffect` markers name the value and the
number of the call that recorded it; calls that found it unchanged have none, so on replay such a marker has
no command, and is passed over.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, get_type_hints

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import PayloadConverter
from tsuzuki.workflow import NondeterminismError, unsafe

from .._commands import PendingCommand
from .._source import find_source
from ._marker_command import RECORDED, detail, details, plain, record_marker

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

SIDE_EFFECT: Final = "SideEffect"
MUTABLE_SIDE_EFFECT: Final = "MutableSideEffect"
_ID: Final = "side-effect-id"
_DATA: Final = "data"
_CALL: Final = "mutable-side-effect-call-counter"


class SideEffectMachine:
    """The marker of one call; it has no state: once recorded it is done."""

    __slots__ = ("effect_id", "name")

    def __init__(self, name: str, effect_id: int | str) -> None:
        self.name = name
        self.effect_id = effect_id

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take MarkerRecorded."""
        ours = event.marker_recorded_event_attributes.marker_name == self.name
        return None if ours and detail(event, _ID) == self.effect_id else self.describe(event.event_type)

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"RecordMarker {self.name!r} {self.effect_id}"

    def forget(self) -> None:
        """Nothing to let go of."""


def side_effect(run: WorkflowRun, fn: Callable[[], Any], result_type: Any) -> Any:
    """Call a function, or give what it gave the first time.

    Raises:
        NondeterminismError: On replay, history has no value.
    """
    markers = run.markers
    markers.side_effects += 1
    effect_id = markers.side_effects
    if run.replaying:
        recorded = markers.side_effect_values.pop(effect_id, None)
        if recorded is None:
            _refuse(run, f"no side effect number {effect_id}", f"side effect number {effect_id}")
        payloads = recorded
    else:
        payloads = _call(run, fn)
    message = record_marker(run, SIDE_EFFECT, {_ID: effect_id, _DATA: payloads})
    machine = SideEffectMachine(SIDE_EFFECT, effect_id)
    run.commands.append(PendingCommand(RECORDED, machine, message, find_source()))
    return _decode(run, payloads, fn, result_type)


def mutable_side_effect(
    run: WorkflowRun,
    name: str,
    fn: Callable[[], Any],
    equal: Callable[[Any, Any], bool] | None,
    result_type: Any,
) -> Any:
    """Call a function and record what it gives, if that is new; on replay give what was recorded.

    Raises:
        NondeterminismError: On replay, history has no value of this name.
    """
    calls = run.markers.mutable_calls
    call = calls[name] = calls.get(name, 0) + 1
    values = run.markers.mutable_values.setdefault(name, {})
    recorded = values.get(max((earlier for earlier in values if earlier <= call), default=0))
    if recorded is None and run.replaying:
        _refuse(run, f"no value of the mutable side effect {name!r}", f"the mutable side effect {name!r}")
    old = None if recorded is None else _decode(run, recorded, fn, result_type)
    if run.replaying:
        return old
    fresh = _call(run, fn)
    new = _decode(run, fresh, fn, result_type)
    if recorded is not None and (new == old if equal is None else equal(new, old)):
        return old
    values[call] = fresh
    effect_id = f"{name}_{run.history_length + 2 + len(run.commands)}"  # the id of the event to come
    message = record_marker(
        run,
        MUTABLE_SIDE_EFFECT,
        {_ID: effect_id, _DATA: [plain(name), plain(Payloads(payloads=fresh))], _CALL: call},
    )
    machine = SideEffectMachine(MUTABLE_SIDE_EFFECT, effect_id)
    run.commands.append(PendingCommand(RECORDED, machine, message, find_source()))
    return new


def _call(run: WorkflowRun, fn: Callable[[], Any]) -> list[Payload]:
    if inspect.iscoroutinefunction(fn):
        raise TypeError(f"a side effect must be a plain function, and {fn.__qualname__} is `async def`")
    before, run.read_only = run.read_only, "a side effect"
    try:
        with unsafe.determinism_guard_off():  # what it finds out there is what history will remember
            value = fn()
        return run.payload_converter.to_payloads((value,))
    finally:
        run.read_only = before


def _decode(run: WorkflowRun, payloads: Sequence[Payload], fn: Callable[[], Any], result_type: Any) -> Any:
    """Through the converter on the first call too, so that the value is the same on replay."""
    if result_type is None and inspect.isroutine(fn):
        result_type = get_type_hints(fn).get("return")
    return run.payload_converter.from_payloads(payloads, (result_type,))[0]


def _refuse(run: WorkflowRun, recorded: str, produced: str) -> NoReturn:
    error = NondeterminismError(event_id=0, event=recorded, command=produced, source=str(find_source() or run.source))
    run.failed_by = error  # also if the code catches it
    raise error


# ---- history ---------------------------------------------------------------------------------------------


def _peek(run: WorkflowRun, event: HistoryEvent) -> None:
    run.markers.side_effect_values[int(detail(event, _ID))] = list(details(event, _DATA))


def _peek_mutable(run: WorkflowRun, event: HistoryEvent) -> None:
    name, value = PayloadConverter.default.from_payloads(details(event, _DATA), (str, Payloads))
    markers = run.markers
    call = int(detail(event, _CALL, markers.mutable_calls.get(name, 0)))  # old SDKs did not count
    markers.mutable_values.setdefault(name, {})[call] = list(value.payloads)


def _skips_mutable(run: WorkflowRun, event: HistoryEvent) -> bool:
    machine = run.commands[0].machine if run.commands else None
    return not (isinstance(machine, SideEffectMachine) and machine.name == MUTABLE_SIDE_EFFECT)


PEEKS: Final = {SIDE_EFFECT: _peek, MUTABLE_SIDE_EFFECT: _peek_mutable}
SKIPS: Final = {MUTABLE_SIDE_EFFECT: _skips_mutable}
