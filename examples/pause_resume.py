"""A workflow that can be paused, resumed, cancelled and asked how it is: python examples/pause_resume.py [TARGET]

`Control` can be put into any workflow. The gate keeps runs replaying that began before they had it.
"""

import asyncio
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker


class Control:
    """Answers to the signals `pause`, `resume` and `cancel`, and to the query `get_status`."""

    def __init__(self) -> None:
        self.paused = False
        self.cancelled = False

    def set_up(self) -> None:
        if workflow.get_version("pause_resume_v1", workflow.DEFAULT_VERSION, 1) < 1:
            return  # a run from before: nobody can pause it
        workflow.set_query_handler("get_status", self.status)
        selector = workflow.Selector()
        selector.add_receive(workflow.signal_channel("pause"), lambda _: self.set(paused=True))
        selector.add_receive(workflow.signal_channel("resume"), lambda _: self.set(paused=False))
        selector.add_receive(workflow.signal_channel("cancel"), lambda _: self.set(cancelled=True))
        self._listening = asyncio.create_task(self._listen(selector))

    async def _listen(self, selector: workflow.Selector) -> None:
        while True:
            await selector.select()

    def set(self, *, paused: bool | None = None, cancelled: bool | None = None) -> None:
        self.paused = self.paused if paused is None else paused
        self.cancelled = self.cancelled if cancelled is None else cancelled

    def status(self) -> str:
        return "cancelled" if self.cancelled else "paused" if self.paused else "running"

    async def may_go_on(self) -> bool:
        """Wait while paused; False once cancelled. For between two steps."""
        await workflow.wait_condition(lambda: self.cancelled or not self.paused)
        return not self.cancelled


@activity.defn
async def read_page(number: int) -> None:
    await asyncio.sleep(0.05)


@workflow.defn
class Reading:
    @workflow.run
    async def run(self, pages: int) -> str:
        control = Control()
        control.set_up()
        for number in range(1, pages + 1):
            if not await control.may_go_on():
                return "put away before the end"
            await workflow.execute_activity(read_page, number, start_to_close_timeout=timedelta(seconds=10))
        return f"read all {pages} pages"


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="reading", workflows=[Reading], activities=[read_page]),
    ):
        for last_word in ("resume", "cancel"):
            handle = await client.start_workflow(Reading.run, 5, id=f"reading-{last_word}", task_queue="reading")
            await handle.signal("pause")
            print("paused:", await handle.query("get_status"))
            await handle.signal(last_word)
            print(await handle.result())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
