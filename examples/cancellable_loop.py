"""A loop that can be cancelled, and leaves nothing lying around: python examples/cancellable_loop.py [TARGET]"""

import asyncio
import logging
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ActivityError, is_cancelled_exception
from tsuzuki.worker import Worker

ONCE = RetryPolicy(maximum_attempts=1)
three_pages = asyncio.Event()


@activity.defn
async def crawl(page: int) -> None:
    if page == 3:
        three_pages.set()
    if page % 2:
        raise ConnectionError("no answer")


@activity.defn
async def save(pages: int) -> None:
    print("saved what was read" if pages else "nothing to save")


@workflow.defn
class Crawler:
    def __init__(self) -> None:
        self.pages = 0

    @workflow.run
    async def run(self) -> None:
        try:
            while not workflow.info().is_continue_as_new_suggested():
                try:
                    await workflow.execute_activity(
                        crawl, self.pages, start_to_close_timeout=timedelta(seconds=10), retry_policy=ONCE
                    )
                except ActivityError as error:
                    if is_cancelled_exception(error):
                        raise  # not one more page that failed: the workflow is to stop
                self.pages += 1
                await workflow.sleep(0.01)  # a cancelled workflow wakes up here too
        finally:
            # Shielded: even a second cancellation does not keep it from being finished.
            await workflow.shield(
                workflow.execute_activity(save, self.pages, start_to_close_timeout=timedelta(seconds=10))
            )
        workflow.continue_as_new()


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="crawler", workflows=[Crawler], activities=[crawl, save]),
    ):
        handle = await client.start_workflow(Crawler.run, id="crawler", task_queue="crawler")
        await three_pages.wait()
        await handle.cancel()
        try:
            await handle.result()
        except WorkflowFailureError as failure:
            print("ended by", type(failure.cause).__name__)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what fails here is meant to
    asyncio.run(main(*sys.argv[1:]))
