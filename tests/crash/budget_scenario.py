"""Makes 200 calls at once on one budget, and dies where it is told: python budget_scenario.py FOLDER DIE_AT TIMES

Passes are counted over all calls: after a reservation, after the provider was called, after the bill. At pass number
DIE_AT the process gets SIGKILL; 0 for never. The provider writes a line for each call that it gets. Calls cost TIMES as
much as they were estimated to at most, and a third of that at least.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.agents import Budget, BudgetActivities, BudgetExhaustedError, Grant, Ledger, Limit, Usage, metered, spend
from tsuzuki.client import Client
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.worker import Worker

CALLS = 200
SLOTS = 50
LIMIT = 3000
ESTIMATE = 30
FOLDER, DIE_AT, TIMES = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
passes = 0


def cost_of(number: int) -> int:
    """10 to 30 tokens, times what they cost more."""
    return TIMES * (10 + zlib.crc32(str(number).encode()) % 21)


def one_more_pass() -> None:
    global passes
    passes += 1
    if passes == DIE_AT:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingLedger(Ledger):
    def reserve(self, key: str, **options: Any) -> Grant:
        grant = super().reserve(key, **options)
        state = self.state("all")
        if TIMES == 1 and state.used.tokens + state.reserved.tokens > LIMIT:
            print(f"over the limit: {state}", file=sys.stderr)
            os._exit(3)
        return grant

    def commit(self, key: str, used: Usage, *, result: bytes | None = None) -> bool:
        billed = super().commit(key, used, result=result)
        one_more_pass()
        return billed


ledger = DyingLedger(FOLDER / "budgets.db")
provider = os.open(FOLDER / "provider.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@activity.defn
@metered(ledger, estimate=Usage(tokens=ESTIMATE))
async def ask(number: int) -> int:
    one_more_pass()
    await asyncio.sleep(0.001)
    os.write(provider, f"{number}\n".encode())
    one_more_pass()
    spend(Usage(tokens=cost_of(number)))
    return number


@workflow.defn
class AskAll:
    @workflow.run
    async def run(self) -> list[int]:
        """Numbers of the calls that the budget refused."""
        budget = await Budget.open(Limit(tokens=LIMIT))

        async def answer(number: int) -> int | None:
            try:
                await budget.run(
                    lambda: workflow.execute_activity(ask, number, start_to_close_timeout=timedelta(minutes=5))
                )
            except BudgetExhaustedError:
                return number
            return None

        answers = await asyncio.gather(*(answer(number) for number in range(CALLS)))
        return [refused for refused in answers if refused is not None]


async def main() -> None:
    async with (
        await Client.connect(f"sqlite:///{FOLDER / 'runs.db'}") as client,
        Worker(
            client,
            task_queue="agents",
            workflows=[AskAll],
            activities=[ask, *BudgetActivities(ledger).all],
            max_concurrent_activities=SLOTS,
        ),
    ):
        refused = await client.execute_workflow(
            AskAll.run, id="all", task_queue="agents", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        print(*refused)


if __name__ == "__main__":
    asyncio.run(main())
