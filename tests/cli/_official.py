"""The Research workflow of `cli_code`, for the official SDK."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class Research:
    def __init__(self) -> None:
        self.seen = 0

    @workflow.run
    async def run(self, word: str, until: int = 0) -> str:
        found: str = await workflow.execute_activity(
            "search", word, start_to_close_timeout=timedelta(minutes=1), retry_policy=RetryPolicy(maximum_attempts=1)
        )
        await workflow.wait_condition(lambda: self.seen >= until)
        return found
