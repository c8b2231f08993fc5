"""Who asked for this? A context variable that travels, and an interceptor that watches: python examples/who_asked.py"""

import asyncio
import sys
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.propagation import ContextVarPropagation
from tsuzuki.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

USER: ContextVar[str] = ContextVar("user", default="nobody")


@activity.defn
async def read(page: str) -> str:
    return f"{page} for {USER.get()}"


@workflow.defn
class Reading:
    @workflow.run
    async def run(self, page: str) -> str:
        return await workflow.execute_activity(read, page, start_to_close_timeout=timedelta(seconds=10))


class Audit(Interceptor):
    """Says who has an activity done, and what came of it."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                result = await super().execute_activity(input)
                print(f"audit: {USER.get()} called {activity.info().activity_type}{tuple(input.args)}")
                return result

        return Inbound(next)


async def main(target: str = "sqlite://") -> None:
    who = ContextVarPropagation({"user": USER})  # outermost, so that the audit sees the variable
    async with (
        await Client.connect(target, interceptors=[who]) as client,
        Worker(client, task_queue="pages", workflows=[Reading], activities=[read], interceptors=[Audit()]),
    ):
        for user in ("ada", "grace"):
            USER.set(user)
            print(await client.execute_workflow(Reading.run, "page 7", id=f"read-{user}", task_queue="pages"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
