"""A budget as workflow code sees it: open it, wait for more of it.

The numbers are the ledger's; a run only knows which budget it uses, and who waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self, TypeVar

from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import FailureError

from ._ledger import Ledger
from ._usage import UNLIMITED, BudgetExhaustedError, BudgetState, Exhausted, Limit, Usage

Result = TypeVar("Result")

OPEN_BUDGET: Final = "tsuzuki_open_budget"
INCREASE_BUDGET: Final = "tsuzuki_increase_budget"
BUDGET_STATE: Final = "tsuzuki_budget_state"
INCREASE: Final = "increase_budget"
GET_BUDGET: Final = "get_budget"

_BOOKING: Final = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(seconds=60),
    retry_policy=RetryPolicy(
        maximum_interval=timedelta(seconds=10), non_retryable_error_types=["KeyError", "ValueError"]
    ),
)


@dataclass(frozen=True)
class BudgetIncrease:
    """The argument of the update `increase_budget`.

    Attributes:
        tokens: How many more.
        micros: How much more money.
        reason: Why.
        by: Who allows it.
    """

    tokens: int = 0
    micros: int = 0
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class BudgetView:
    """The answer to the query `get_budget`.

    Attributes:
        id: The budget that the run's calls are booked on.
        waiting: Number of calls that wait for an increase.
        exhausted: What refused the last of them; None when none waits.
    """

    id: str
    waiting: int
    exhausted: Exhausted | None


@dataclass(frozen=True)
class _Opening:
    """The argument of the activity that opens a budget."""

    id: str
    limit: Limit
    parent: str | None
    parent_workflow_id: str | None
    soft: float
    delay_s_max: float


@dataclass(frozen=True)
class _Increase:
    """The argument of the activity that increases a budget."""

    id: str
    key: str
    increase: BudgetIncrease


class Budget:
    """The budget that this run's metered activities are booked on. Made by `Budget.open`."""

    def __init__(self, id: str) -> None:
        self.id: Final = id
        self._is_open = False
        self._increases = 0
        self._waiting = 0
        self._exhausted: Exhausted | None = None

    @classmethod
    async def open(
        cls,
        limit: Limit = UNLIMITED,
        *,
        id: str | None = None,
        parent: str | None = None,
        soft: float = 1.0,
        delay_s_max: float = 5.0,
    ) -> Self:
        """Open a budget for this run, or join one that exists, and answer to `increase_budget` and `get_budget`.

        A child workflow that says `await Budget.open()` books on a part of its parent's budget.

        Args:
            limit: What it allows; a budget that exists keeps its own.
            id: Its id. Runs that give the same id share it. The default is the workflow id.
            parent: The budget that it is a part of. The default is the one of the parent workflow, if that has one.
            soft: Share of the limit at which calls begin to be delayed.
            delay_s_max: The delay of a call, in seconds, when nothing is left.

        Raises:
            ActivityError: There is no such parent, or `soft` is not a share.
        """
        info = workflow.info()
        budget = cls(id or info.workflow_id)
        opening = _Opening(
            budget.id, limit, parent, info.parent.workflow_id if info.parent else None, soft, delay_s_max
        )
        budget._listen()
        await workflow.execute_activity(OPEN_BUDGET, opening, **_BOOKING)
        budget._is_open = True
        return budget

    @classmethod
    def of(cls, id: str) -> Self:
        """A budget that is open already, for this run to use; answers as `open` does."""
        budget = cls(id)
        budget._listen()
        budget._is_open = True
        return budget

    def _listen(self) -> None:
        workflow.set_update_handler(INCREASE, self._on_increase)
        workflow.set_query_handler(GET_BUDGET, self._view)

    @property
    def increases(self) -> int:
        """How often it was increased through this run."""
        return self._increases

    async def state(self) -> BudgetState:
        """Ask the ledger for the budget's numbers."""
        state: BudgetState = await workflow.execute_activity(BUDGET_STATE, self.id, result_type=BudgetState, **_BOOKING)
        return state

    async def run(
        self, call: Callable[[], Awaitable[Result]], *, wait: bool = False, ask_again: timedelta | None = None
    ) -> Result:
        """Make a call, and give its refusal by a budget the name that it has.

            answer = await budget.run(lambda: workflow.execute_activity(ask, prompt, ...), wait=True)

        Args:
            call: Starts the activity or child, each time that it is called.
            wait: True to wait for an increase, and to call again then.
            ask_again: Call again after this time too, for budgets that are increased elsewhere.

        Raises:
            BudgetExhaustedError: There is no room for the call, and `wait` is false.
        """
        while True:
            seen = self.increases
            try:
                return await call()
            except FailureError as error:
                refused = BudgetExhaustedError.find(error)
                if refused is None:
                    raise
                if not wait:
                    raise refused from error
            await self.wait_for_more(refused.exhausted, seen, ask_again)

    async def wait_for_more(self, exhausted: Exhausted, seen: int, at_most: timedelta | None = None) -> None:
        """Wait until it is increased through this run.

        Args:
            exhausted: What refused the call that waits, for `get_budget`.
            seen: `increases` before that call; one that came since ends the wait at once.
            at_most: Wait no longer.
        """
        self._waiting += 1
        self._exhausted = exhausted
        try:
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._increases > seen, timeout=at_most)
        finally:
            self._waiting -= 1

    async def _on_increase(self, increase: BudgetIncrease) -> BudgetState:
        update = workflow.current_update_info()
        assert update is not None, "an update's handler has its info"
        await workflow.wait_condition(lambda: self._is_open)
        # A reset has the update come again, in a run with another id: what was increased stays increased once.
        request = _Increase(self.id, f"{workflow.info().original_execution_run_id}/{update.id}", increase)
        state: BudgetState = await workflow.execute_activity(
            INCREASE_BUDGET, request, result_type=BudgetState, **_BOOKING
        )
        self._increases += 1
        return state

    def _view(self) -> BudgetView:
        return BudgetView(self.id, self._waiting, self._exhausted if self._waiting else None)


class BudgetActivities:
    """The activities behind `Budget`: give `BudgetActivities(ledger).all` to the worker."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def all(self) -> list[Callable[..., Any]]:
        """Every one of them."""
        return [self.open_budget, self.increase_budget, self.budget_state]

    @activity.defn(name=OPEN_BUDGET)
    def open_budget(self, opening: _Opening) -> None:
        """Open a budget, and have the workflow's calls booked on it."""
        info = activity.info()
        parent = opening.parent
        if parent is None and opening.parent_workflow_id is not None:
            parent = self._ledger.budget_of(info.namespace, opening.parent_workflow_id)
        self._ledger.open_budget(
            opening.id,
            opening.limit,
            parent=None if parent == opening.id else parent,
            soft=opening.soft,
            delay_s_max=opening.delay_s_max,
        )
        self._ledger.join(info.namespace, info.workflow_id or "", opening.id)

    @activity.defn(name=INCREASE_BUDGET)
    def increase_budget(self, request: _Increase) -> BudgetState:
        """Raise a limit, once for one update."""
        increase = request.increase
        return self._ledger.increase(
            request.id,
            Usage(increase.tokens, increase.micros),
            key=request.key,
            reason=increase.reason,
            who=increase.by,
        )

    @activity.defn(name=BUDGET_STATE)
    def budget_state(self, budget: str) -> BudgetState:
        """Look a budget up."""
        return self._ledger.state(budget)
