"""Give a long task a time limit, and stop it when the time is over: python examples/time_limit.py [TARGET]

The limit is a timer in the history: it goes on counting while no worker runs.
"""

import asyncio
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker


@activity.defn
async def ponder(question: str) -> str:
    try:
        while True:
            await asyncio.sleep(0.05)
            activity.heartbeat("still thinking")  # over a network, cancellation comes as the answer to this
    except asyncio.CancelledError:
        print("the thinker was told to stop")
        raise


@workflow.defn
class TimeLimit:
    @workflow.run
    async def run(self, question: str, limit: timedelta) -> str:
        pondering = workflow.start_activity(
            ponder,
            question,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )

        async def give_up() -> str:
            pondering.cancel()
            await workflow.wait([pondering])  # until it has stopped, as its cancellation type says
            return f"no answer within {limit.total_seconds():g} s"

        selector = workflow.Selector().add_future(pondering)
        timer = selector.add_timer(limit, give_up)
        try:
            answer: str = await selector.select()  # whichever comes first
        finally:
            timer.cancel()
        return answer


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="time-limit", workflows=[TimeLimit], activities=[ponder]),
    ):
        answer = await client.execute_workflow(
            TimeLimit.run,
            args=["What is the answer to everything?", timedelta(seconds=1)],
            id="time-limit",
            task_queue="time-limit",
        )
        print(answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
