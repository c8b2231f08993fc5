"""Buttons that the server draws, on a machine where their code comes late: no click is lost."""

from __future__ import annotations

from playwright.async_api import Page, Route, expect
from temporalio.client import Client as OfficialClient
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec

from browser._shop import TASK_QUEUE, Ship
from tsuzuki.client import Client
from tsuzuki.server import Server

LATE_MS = 3000
"""Longer than it takes to press a button, and than the page takes to draw itself anew."""


async def comes_late(page: Page, module: str) -> None:
    async def late(route: Route) -> None:
        await page.wait_for_timeout(LATE_MS)
        await route.continue_()

    await page.route(f"**/static/{module}.js", late)


async def test_an_activity_is_paused(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await comes_late(page, "pending")
    await page.goto("/ui/default/workflows/ship-1", wait_until="commit")
    pending = page.locator(".pending tbody tr")
    await pending.get_by_role("button", name="Pause").click()
    await expect(pending).to_contain_text("paused")


async def test_a_schedule_is_paused(page: Page, server: Server) -> None:
    official = await OfficialClient.connect(server.target)
    action = ScheduleActionStartWorkflow("Ship", 1, id="nightly-ship", task_queue=TASK_QUEUE)
    await official.create_schedule(
        "nightly", Schedule(action=action, spec=ScheduleSpec(cron_expressions=["0 3 * * *"]))
    )
    await comes_late(page, "schedules")
    await page.goto("/ui/default/schedules", wait_until="commit")
    row = page.locator("tr[data-schedule=nightly]")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("Paused")


async def test_a_run_is_forked(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await comes_late(page, "fork")
    await page.goto("/ui/default/workflows/ship-1")
    await page.get_by_role("link", name="Time travel").click()
    await page.get_by_role("button", name="Fork from here").click()
    await expect(page.locator("#fork-title")).to_contain_text("Fork from event")


async def test_a_slow_press_is_no_lost_click(page: Page, client: Client) -> None:
    """The page has been drawn anew, from the server's words, between the press and the release."""
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/ship-1")
    pending = page.locator(".pending tbody tr")
    button = pending.get_by_role("button", name="Pause")
    await expect(button).to_be_enabled()
    await button.hover()
    await page.mouse.down()
    for _ in range(2):
        async with page.expect_response("**/ship-1/**fragment=1"):
            pass
    await page.mouse.up()
    await expect(pending).to_contain_text("paused")
