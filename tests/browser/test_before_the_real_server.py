"""The page in front of a Temporal server: nothing of it needs an engine of this package."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser._shop import ACTIVITIES, TASK_QUEUE, WORKFLOWS, Family, Ship, tried
from browser.conftest import watched_page
from browser.test_agents import QUEUE, Research
from browser.test_runs import ended, order
from differential.conftest import real_server  # noqa: F401
from tsuzuki import activity
from tsuzuki.agents import BudgetActivities, ExecutionLog, Ledger
from tsuzuki.client import Client
from tsuzuki.server import HttpOptions, HttpServer
from tsuzuki.worker import Worker


@activity.defn
async def think(topic: str) -> str:
    return f"thoughts on {topic}"


@pytest_asyncio.fixture(loop_scope="session")
async def client(real_server: str) -> AsyncIterator[Client]:  # noqa: F811
    ledger, log = Ledger(":memory:"), ExecutionLog(":memory:")
    agents = [think, *BudgetActivities(ledger).all, *log.activities]
    async with (
        await Client.connect(real_server) as connected,
        Worker(connected, task_queue=TASK_QUEUE, workflows=WORKFLOWS, activities=ACTIVITIES),
        Worker(connected, task_queue=QUEUE, workflows=[Research], activities=agents),
    ):
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, client: Client) -> AsyncIterator[Page]:
    http = await HttpServer.start(client.service, HttpOptions(port=0))
    async with watched_page(browser, http.url) as opened:
        yield opened
    await http.stop()


async def test_a_day_at_the_page(page: Page, client: Client) -> None:
    tried.clear()
    await ended(await order(client, 1, "4000-later"))
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await client.execute_workflow(Family.run, args=[2, 1], id="root", task_queue=TASK_QUEUE)
    await page.goto("/")
    await expect(page.locator(".runs tbody tr", has_text="order-1")).to_contain_text("Failed")
    await page.get_by_role("link", name="Task queues").click()
    await expect(page.locator(f"tr[data-queue={TASK_QUEUE}]")).to_contain_text("workflow, activity")
    await page.get_by_role("link", name="Workers", exact=True).click()
    await expect(page.locator("tr[data-worker]", has_text=TASK_QUEUE)).to_contain_text("Running")

    await page.goto("/ui/default/workflows/root.0")
    await expect(page.locator(".tree[role=tree] .node")).to_have_count(3)
    await page.goto("/ui/default/workflows/ship-1")
    pending = page.locator(".pending tbody tr")
    await expect(pending).to_contain_text("CourierError")
    await pending.get_by_role("button", name="Pause").click()
    await expect(pending).to_contain_text("paused")

    await page.goto("/ui/default/workflows/order-1")
    await page.locator("#history .row.failed").first.click()
    await expect(page.locator("#event-facts")).to_contain_text("CardDeclined: not today")
    await page.keyboard.press("Escape")
    await page.locator("[data-action=reset]").click()
    await page.locator("#action-send").click()
    await expect(page.locator("#result")).to_contain_text("receipt for 49.00")
    await page.locator("a#travel").click()
    await expect(page.locator("#tasks")).to_contain_text("has returned")


async def test_an_agent(page: Page, client: Client) -> None:
    handle = await client.start_workflow(Research.run, "tides", id="research", task_queue=QUEUE)
    await page.goto("/ui/default/workflows/research")
    control, approvals = page.locator("#control"), page.locator("#approvals")
    await control.get_by_label("Reason").fill("lunch")
    await control.get_by_role("button", name="Pause").click()
    await expect(control).to_contain_text("by the web page: lunch")
    await approvals.get_by_role("button", name="Approve").click()
    await expect(control).to_contain_text("It waits at pre_synthesis")
    await expect(page.locator("#budget")).to_contain_text("Books on research")
    await expect(page.locator("#executions")).to_contain_text("--agent-executions")
    await control.get_by_role("button", name="Resume").click()
    assert "thoughts on tides" in await handle.result()
