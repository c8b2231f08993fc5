"""The schedules of a namespace, in a browser."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect
from temporalio.client import Client as OfficialClient
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleIntervalSpec, ScheduleSpec

from browser._shop import EVIL, TASK_QUEUE
from tsuzuki.server import Server


async def test_pause_go_on_and_start_now(page: Page, server: Server) -> None:
    client = await OfficialClient.connect(server.target)
    action = ScheduleActionStartWorkflow("Ship", 1, id="nightly-ship", task_queue=TASK_QUEUE)
    every_hour = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    await client.create_schedule("nightly", Schedule(action=action, spec=every_hour))
    await client.create_schedule(EVIL, Schedule(action=action, spec=every_hour))
    await page.goto("/")
    await page.get_by_role("link", name="Schedules").click()
    row = page.locator("tr[data-schedule=nightly]")
    await expect(row).to_contain_text("every 1h")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("Paused")
    await row.get_by_role("button", name="Go on").click()
    await expect(row).not_to_contain_text("Paused")
    await row.get_by_role("button", name="Start now").click()
    await expect(row.get_by_role("link")).to_have_count(1)
    await row.get_by_role("link").click()
    await expect(page.locator("h1")).to_contain_text("nightly-ship")
