"""Budgets around code that knows nothing of them: an interceptor of the worker opens, reserves and bills.

Around activities it does what `metered` does, by a meter for each type. Around workflows it opens a budget where one
is allowed, and sends its id along with activities and children, in a header, so that a whole tree books on it. What it
adds to a workflow's history stands behind the gate `budget_interceptor_v1`, so a worker with open runs may be given it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio.api.common.v1 import Payload

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue
from tsuzuki.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from ._budget import OPEN_BUDGET, Budget, BudgetActivities
from ._ledger import Ledger
from ._metering import Meter, Metering
from ._usage import UNLIMITED, BudgetExhaustedError, Limit

HEADER: Final = "tsuzuki-budget"
GATE: Final = "budget_interceptor_v1"
ASK_AGAIN_MAX: Final = timedelta(hours=1)
"""Longest time after which a call that waits for an increase is tried again."""


@dataclass(frozen=True)
class Allowance:
    """What runs of a workflow type are allowed; the first five are those of `Budget.open`.

    Attributes:
        limit: What the budget allows, if this run is the first to open it.
        id: Its id; the default is the workflow id. Runs that give the same id share it.
        parent: The budget that it is a part of. The default is the one of the parent workflow, if that has one.
        soft: Share of the limit at which calls begin to be delayed.
        delay_s_max: The delay of a call, in seconds, when nothing is left.
        wait: True to have refused calls wait for an increase (the update `increase_budget`), in this run and in its
            children. False to have them raise `BudgetExhaustedError`.
        ask_again: A call that waits is tried again after this time too, then after twice this time, ... up to an hour.
            So it goes on after an increase that was made elsewhere.
    """

    limit: Limit = UNLIMITED
    id: str | None = None
    parent: str | None = None
    soft: float = 1.0
    delay_s_max: float = 5.0
    wait: bool = False
    ask_again: timedelta = timedelta(seconds=30)


class BudgetInterceptor(Interceptor):
    """Books the calls of a worker's activities on budgets; their code and that of workflows does not change.

        budgets = BudgetInterceptor(
            ledger,
            meters={"ask": Meter(Usage(tokens=4000), used=lambda answer: Usage(tokens=answer.tokens))},
            allowances={"Research": Allowance(Limit(tokens=100_000), wait=True)},
        )
        Worker(client, ..., activities=[ask, *budgets.activities], interceptors=[budgets])

    A call that a budget refuses raises `BudgetExhaustedError` in the workflow, where `ActivityError` would be raised
    for another failure. Children book on the budget of their parent; one with an allowance of its own gets a part.
    Activities under `metered` need no meter here.

    Args:
        ledger: The book, the same for all workers that run activities of these workflows.
        meters: Activity type -> how its calls are booked. Others are not.
        allowances: Workflow type -> what its runs are allowed. Others use the budget of their parent, or none.
    """

    def __init__(
        self, ledger: Ledger, *, meters: Mapping[str, Meter], allowances: Mapping[str, Allowance] | None = None
    ) -> None:
        self._activities = BudgetActivities(ledger)
        self._metering = {name: Metering(ledger, meter) for name, meter in meters.items()}
        self._allowances = dict(allowances or {})

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """What the worker must know besides its own."""
        return self._activities.all

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand around the activities."""
        return _Activities(next, self._metering)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Stand around the workflows."""
        allowances = self._allowances

        class Inbound(_Workflow):
            def __init__(self, next: WorkflowInboundInterceptor) -> None:
                super().__init__(next, allowances)

        return Inbound


class _Activities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, metering: Mapping[str, Metering]) -> None:
        super().__init__(next)
        self._metering = metering

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        metering = self._metering.get(activity.info().activity_type)
        if metering is None:
            return await self.next.execute_activity(input)
        share = _Share.read(input.headers)
        budget = None if share is None else share.id
        return await metering.run_async(lambda: self.next.execute_activity(input), input.args, RawValue, budget)


@dataclass(frozen=True)
class _Share:
    """What travels in the header: the budget, and what to do when it refuses a call."""

    id: str
    wait: bool
    ask_again_s: float

    @classmethod
    def read(cls, headers: Mapping[str, Payload]) -> _Share | None:
        payload = headers.get(HEADER)
        return None if payload is None else cls(**json.loads(payload.data))

    def add_to(self, input: Any) -> None:
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(asdict(self)).encode())
        input.headers = {**input.headers, HEADER: payload}


class _Workflow(WorkflowInboundInterceptor):
    _outbound: _Outbound

    def __init__(self, next: WorkflowInboundInterceptor, allowances: Mapping[str, Allowance]) -> None:
        super().__init__(next)
        self._allowances = allowances

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._outbound = _Outbound(outbound)
        super().init(self._outbound)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        share = _Share.read(input.headers)
        info = workflow.info()
        allowance = self._allowances.get(info.workflow_type)
        if allowance is not None and workflow.get_version(GATE, workflow.DEFAULT_VERSION, 1) >= 1:
            # Beside the code, which goes as far as its first activity: people may ask it and signal it at once.
            opening: asyncio.Future[Budget] = asyncio.create_task(
                Budget.open(
                    allowance.limit,
                    id=allowance.id,
                    parent=allowance.parent or (share.id if share is not None else None),
                    soft=allowance.soft,
                    delay_s_max=allowance.delay_s_max,
                )
            )
            id = allowance.id or info.workflow_id
            self._outbound.use(opening, _Share(id, allowance.wait, allowance.ask_again.total_seconds()))
        elif share is not None:
            opening = asyncio.get_running_loop().create_future()
            opening.set_result(Budget.of(share.id))
            self._outbound.use(opening, share)
        return await self.next.execute_workflow(input)


class _Outbound(WorkflowOutboundInterceptor):
    _opening: asyncio.Future[Budget] | None = None
    _share: _Share

    def use(self, opening: asyncio.Future[Budget], share: _Share) -> None:
        self._opening, self._share = opening, share

    def _add_to(self, input: Any) -> None:
        if self._opening is not None:
            self._share.add_to(input)

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        self._add_to(input)
        if self._opening is None or input.activity == OPEN_BUDGET:
            return self.next.start_activity(input)
        return _BudgetedActivity(lambda: self.next.start_activity(input), self._opening, self._share)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        self._add_to(input)
        if self._opening is None:
            return self.next.start_local_activity(input)
        return _BudgetedActivity(lambda: self.next.start_local_activity(input), self._opening, self._share)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> workflow.ChildWorkflowHandle[Any]:
        self._add_to(input)
        if self._opening is not None:
            await asyncio.shield(self._opening)  # the child's budget is a part of it
        return await self.next.start_child_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        self._add_to(input)
        self.next.continue_as_new(input)


class _BudgetedActivity(workflow.ActivityHandle[Any]):
    """An activity that begins once its budget is open, and those that take its place when the budget refuses it."""

    _budget: Budget

    def __init__(
        self, start: Callable[[], workflow.ActivityHandle[Any]], opening: asyncio.Future[Budget], share: _Share
    ) -> None:
        super().__init__()
        self._start = start
        self._share = share
        self._refusals = 0
        self._given_up = False
        if opening.done():
            self._on_open(opening)
        else:
            self._at_work: asyncio.Future[Any] = asyncio.shield(opening)
            self._at_work.add_done_callback(self._on_open)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel what it is at: the activity, as its cancellation type says, or what it waits for."""
        if self.done():
            return False
        if not self._at_work.cancel(msg):  # it has just ended, and nothing is to follow it
            self._given_up = True
        return True

    def _on_open(self, opening: asyncio.Future[Budget]) -> None:
        if self._given_up or opening.cancelled():
            super().cancel()
        elif (error := opening.exception()) is not None:
            self.set_exception(error)
        else:
            self._budget = opening.result()
            self._try()

    def _try(self) -> None:
        self._seen = self._budget.increases
        try:
            self._at_work = self._start()
        except Exception as error:  # this may be a callback: the code that waits is the one to be told
            self.set_exception(error)
            return
        self._at_work.add_done_callback(self._on_end)

    def _on_end(self, ended: asyncio.Future[Any]) -> None:
        if self._given_up or ended.cancelled():
            super().cancel()
            return
        error = ended.exception()
        refused = BudgetExhaustedError.find(error)
        if error is None:
            self.set_result(ended.result())
        elif refused is None:
            self.set_exception(error)
        elif not self._share.wait:
            refused.__cause__ = error
            self.set_exception(refused)
        else:
            self._wait_for_more(refused)

    def _wait_for_more(self, refused: BudgetExhaustedError) -> None:
        patience = min(timedelta(seconds=self._share.ask_again_s) * 2**self._refusals, ASK_AGAIN_MAX)
        self._refusals = min(self._refusals + 1, 16)
        self._at_work = asyncio.get_running_loop().create_task(
            self._budget.wait_for_more(refused.exhausted, self._seen, patience)
        )
        self._at_work.add_done_callback(self._on_more)

    def _on_more(self, waited: asyncio.Future[Any]) -> None:
        if self._given_up or waited.cancelled():
            super().cancel()
        else:
            self._try()
