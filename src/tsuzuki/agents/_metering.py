"""Activities whose calls are booked: reserve before, bill after, once for all attempts.

Owns what happens around one attempt. The ledger is told before the call is made and before its result leaves, so a
process that dies in between leaves a reservation or a bill behind, never nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, get_type_hints

from temporalio.api.common.v1 import Payload

from tsuzuki import activity

from ._activity_key import key_of
from ._ledger import Ledger
from ._ledger_records import Grant
from ._usage import NOTHING, Usage

AnyActivity = TypeVar("AnyActivity", bound=Callable[..., Any])

RESULT_BYTES_MAX: Final = 1 << 20
"""Larger results are not kept for a later attempt."""
HEARTBEAT_S: Final = 5.0
"""Longest silence while a call waits for its turn."""

_attempt: Final[contextvars.ContextVar[_Attempt | None]] = contextvars.ContextVar("tsuzuki_metered", default=None)


def spend(used: Usage) -> None:
    """Say what a call has cost, from inside a metered activity; several times add up.

    An activity that never says is billed its estimate when it succeeds, and nothing when it fails. Outside of a
    metered activity it does nothing.
    """
    attempt = _attempt.get()
    if attempt is not None:
        attempt.used = used if attempt.used is None else attempt.used + used


def metered(
    ledger: Ledger,
    *,
    estimate: Usage | Callable[..., Usage],
    provider: str = "",
    keep_results: bool = True,
) -> Callable[[AnyActivity], AnyActivity]:
    """Book the calls that an activity makes; put it under `@activity.defn`.

        @activity.defn
        @metered(ledger, estimate=Usage(tokens=4000), provider="anthropic")
        async def ask(prompt: str) -> str:
            answer = await model(prompt)
            spend(Usage(tokens=answer.tokens))
            return answer.text

    The call is booked on the budget that its workflow has opened (`Budget.open`); without one it is only written
    down. It fails with `BudgetExhaustedError` when there is no room, is delayed when a budget runs short or a
    provider's rate asks for it (and heartbeats meanwhile), and fails with `RateLimitedError`, which is tried again,
    when that would take too long.

    An attempt that comes after one that was billed gets the recorded result and makes no call. An attempt whose
    process died between call and bill is made again: the provider may have been paid twice then, the bill is one.

    Args:
        ledger: The book.
        estimate: What a call may cost, or a function of the activity's arguments that says so. Better too much.
        provider: Whose rate counts.
        keep_results: Keep results of up to 1 MiB in the ledger for later attempts, as the payload converter writes
            them: a codec does not encrypt them. False makes such attempts call again, which is noted as repeated.
    """

    metering = Metering(ledger, Meter(estimate, provider=provider, keep_results=keep_results))

    def wrap(fn: AnyActivity) -> AnyActivity:
        def decode(kept: Payload) -> Any:
            return activity.payload_converter().from_payload(kept, get_type_hints(fn).get("return", Any))

        if inspect.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def call_async(*args: Any) -> Any:
                return await metering.run_async(lambda: fn(*args), args, decode)

            return call_async  # type: ignore[return-value]

        @functools.wraps(fn)
        def call(*args: Any) -> Any:
            return metering.run(lambda: fn(*args), args, decode)

        return call  # type: ignore[return-value]

    return wrap


@dataclass(frozen=True)
class Meter:
    """How the calls of an activity are booked.

    Attributes:
        estimate: What a call may cost, or a function of the activity's arguments that says so. Better too much.
        used: Reads what a call has cost from its result. An activity that says so itself, with `spend`, needs none;
            without either the estimate is billed.
        provider: Whose rate counts.
        keep_results: As for `metered`.
    """

    estimate: Usage | Callable[..., Usage]
    used: Callable[[Any], Usage] | None = None
    provider: str = ""
    keep_results: bool = True


@dataclass
class _Attempt:
    """One attempt of a metered activity."""

    info: activity.Info
    estimate: Usage
    budget: str | None
    used: Usage | None = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = key_of(self.info)


@dataclass(frozen=True)
class Metering:
    """A meter and its ledger: what happens around each attempt."""

    ledger: Ledger
    meter: Meter

    async def run_async(
        self,
        call: Callable[[], Awaitable[Any]],
        args: Sequence[Any],
        decode: Callable[[Payload], Any],
        budget: str | None = None,
    ) -> Any:
        """Make an async call, or give what an earlier attempt got.

        Args:
            call: Makes it.
            args: Of the activity, for the estimate.
            decode: Reads a result that was kept.
            budget: Whose call it is; None for the budget that the workflow has opened.
        """
        attempt = self._attempt(args, budget)
        grant = await _unbroken(lambda: self._reserve(attempt), on_cancel=lambda: self._fail(attempt))
        if grant.result is not None:
            return decode(Payload.FromString(grant.result))
        token = _attempt.set(attempt)
        try:
            for pause in _pauses(grant.delay_s):
                await asyncio.sleep(pause)
            result = await call()
            kept = self._kept(attempt, result)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._fail, attempt))
            raise
        finally:
            _attempt.reset(token)
        await asyncio.shield(asyncio.to_thread(self._commit, attempt, kept))
        return result

    def run(self, call: Callable[[], Any], args: Sequence[Any], decode: Callable[[Payload], Any]) -> Any:
        """Make a call in a thread; as `run_async`."""
        attempt, grant = self._attempt(args, None), None
        token = _attempt.set(attempt)
        try:
            with activity.shield_thread_cancel_exception():  # it comes when the block ends
                grant = self._reserve(attempt)
            if grant.result is not None:
                return decode(Payload.FromString(grant.result))
            for pause in _pauses(grant.delay_s):
                time.sleep(pause)
            result = call()
            kept = self._kept(attempt, result)
        except BaseException:
            if grant is not None and not grant.billed:
                with activity.shield_thread_cancel_exception():
                    self._fail(attempt)
            raise
        finally:
            _attempt.reset(token)
        with activity.shield_thread_cancel_exception():
            self._commit(attempt, kept)
        return result

    def _attempt(self, args: Sequence[Any], budget: str | None) -> _Attempt:
        estimate = self.meter.estimate
        return _Attempt(activity.info(), estimate(*args) if callable(estimate) else estimate, budget)

    def _reserve(self, attempt: _Attempt) -> Grant:
        info = attempt.info
        return self.ledger.reserve(
            attempt.key,
            budget=attempt.budget or self.ledger.budget_of(info.namespace, info.workflow_id or ""),
            estimate=attempt.estimate,
            name=info.activity_type,
            provider=self.meter.provider,
            attempt=info.attempt,
        )

    def _fail(self, attempt: _Attempt) -> None:
        self.ledger.fail(attempt.key, attempt.used or NOTHING, attempt=attempt.info.attempt)

    def _commit(self, attempt: _Attempt, result: bytes | None) -> None:
        self.ledger.commit(attempt.key, attempt.estimate if attempt.used is None else attempt.used, result=result)

    def _kept(self, attempt: _Attempt, result: Any) -> bytes | None:
        """Read what a call has cost, and what a later attempt is to be given."""
        if attempt.used is None and self.meter.used is not None:
            try:
                attempt.used = self.meter.used(result)
            except Exception:  # the call was made and paid: failing now would only have it made again
                activity.logger.exception("The meter cannot read the result; the estimate is billed")
        if not self.meter.keep_results:
            return None
        encoded = activity.payload_converter().to_payload(result).SerializeToString()
        return encoded if len(encoded) <= RESULT_BYTES_MAX else None


async def _unbroken(work: Callable[[], Grant], on_cancel: Callable[[], None]) -> Grant:
    """Run blocking work in a thread to its end; if the caller is cancelled meanwhile, undo it."""
    working: Awaitable[Grant] = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        try:
            grant = await working
        except Exception:  # nothing was reserved
            raise asyncio.CancelledError from None
        if not grant.billed:
            await asyncio.to_thread(on_cancel)
        raise


def _pauses(seconds: float) -> Any:
    """Cut a wait into pieces, with a heartbeat that keeps what an earlier attempt reported after each."""
    while seconds > 0:
        piece = min(seconds, HEARTBEAT_S)
        yield piece
        seconds -= piece
        activity.heartbeat(*activity.info().heartbeat_details)
