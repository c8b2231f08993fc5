"""What a run's code and its activities have logged, live on its page."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from playwright.async_api import Page, expect

from browser._shop import EVIL
from browser.conftest import picture
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

QUEUE = "loggers"


class Clerk:
    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    @activity.defn
    async def weigh(self) -> None:
        activity.logger.info("weighing %s", EVIL, extra={"kilos": 3, "api_key": "sesame"})
        await self.go_on.wait()
        try:
            raise ValueError("the scales are broken")
        except ValueError:
            activity.logger.exception("weighed by hand")


@workflow.defn
class Parcel:
    @workflow.run
    async def run(self) -> str:
        workflow.logger.info("a parcel has come")
        await workflow.execute_activity("weigh", start_to_close_timeout=timedelta(minutes=5))
        workflow.logger.warning("it is heavy")
        return "posted"


async def test_lines_appear_as_they_are_logged(page: Page, client: Client) -> None:
    clerk = Clerk()
    async with Worker(client, task_queue=QUEUE, workflows=[Parcel], activities=[clerk.weigh]):
        handle = await client.start_workflow(Parcel.run, id="parcel", task_queue=QUEUE)
        await page.goto("/ui/default/workflows/parcel")
        lines = page.locator("#lines .line:visible")
        await expect(lines).to_have_count(2)
        await expect(lines.nth(0)).to_contain_text("a parcel has come")
        await expect(lines.nth(1)).to_contain_text(f"weighing {EVIL}")
        await expect(lines.nth(1)).to_contain_text("kilos=3  api_key=(masked)")
        clerk.go_on.set()
        assert await handle.result() == "posted"
        await expect(page.locator("#result")).to_contain_text("posted")  # the page has loaded anew
        await expect(lines).to_have_count(4)
        await expect(lines.nth(2).locator("summary")).to_have_text("ValueError: the scales are broken")
        await picture(page, "logs", height=500)
        await page.get_by_label("From").select_option("warning")
        await expect(lines).to_have_count(2)
        await expect(page.locator("#logged")).to_have_text("4 lines, 2 of them below this level")
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.evaluate("window.hacked") is None


async def test_a_run_that_logs_nothing_has_no_log(page: Page, client: Client) -> None:
    await (await client.start_workflow(Parcel.run, id="silent", task_queue="nobody")).terminate()
    await page.goto("/ui/default/workflows/silent")
    await expect(page.locator("#history .row")).not_to_have_count(0)
    await expect(page.locator("#logs")).to_be_hidden()
