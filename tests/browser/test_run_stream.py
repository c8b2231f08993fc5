"""What a run's activities say while they run, live on its page."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from playwright.async_api import Page, expect

from browser._shop import EVIL
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

QUEUE = "speakers"


class Speaker:
    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    @activity.defn
    async def speak(self) -> str:
        async with activity.open_stream(every=0) as stream:
            await stream.publish(f"attempt {activity.info().attempt} says {EVIL} ")
            if activity.info().attempt == 1:
                raise ConnectionError("gone")
            await stream.publish({"tool": "search"})
            await self.go_on.wait()
            await stream.publish("and ends.")
        return "spoken"


@workflow.defn
class Speech:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            "speak",
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )


async def test_words_appear_as_they_are_said_and_an_attempt_that_died_is_superseded(page: Page, client: Client) -> None:
    speaker = Speaker()
    async with Worker(client, task_queue=QUEUE, workflows=[Speech], activities=[speaker.speak]):
        handle = await client.start_workflow(Speech.run, id="speech", task_queue=QUEUE)
        await page.goto("/ui/default/workflows/speech")
        said = page.locator("#said details")
        await expect(said).to_have_count(2)
        await expect(said.nth(0)).to_have_class("superseded")
        await expect(said.nth(1)).to_contain_text(f"speak 1, attempt 2 attempt 2 says {EVIL} ")
        await expect(said.nth(1).locator(".event")).to_have_text('{"tool":"search"}')
        await expect(said.nth(1)).not_to_contain_text("and ends.")
        await expect(page.locator("#streaming")).to_have_text("live")
        speaker.go_on.set()
        assert await handle.result() == "spoken"
        await expect(page.locator("#result")).to_contain_text("spoken")  # the page has loaded anew
        await expect(said.nth(1)).to_contain_text("and ends.")
        await expect(said.nth(1)).to_contain_text("done")


async def test_a_run_that_says_nothing_has_no_stream(page: Page, client: Client) -> None:
    handle = await client.start_workflow(Speech.run, id="silent", task_queue="nobody")
    await handle.terminate()
    await page.goto("/ui/default/workflows/silent")
    await expect(page.locator("#history .row")).not_to_have_count(0)
    await expect(page.locator("#stream")).to_be_hidden()
