"""The pages on a phone: nothing is wider than it, and what can be done can be done there."""

from __future__ import annotations

import os

import pytest
from playwright.async_api import Browser, Page, expect

from browser._shop import TASK_QUEUE, Family, Ship
from browser.conftest import watched_page
from browser.test_runs import ended, order
from tsuzuki.client import Client

PHONE = {"width": 390, "height": 844}
_BEYOND = """() => [...document.querySelectorAll("main button, main a, main input, main select, .bar a, .bar button")]
    .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.closest(".bar nav, .scrolled, .skip"))
    .filter((one) => { const at = one.getBoundingClientRect(); return at.right > innerWidth + 1 || at.left < -1; })
    .map((one) => one.outerHTML.slice(0, 120))"""
"""Controls that stick out."""


async def fits(page: Page, path: str, name: str) -> None:
    await page.goto(path)
    await expect(page.locator("main")).to_be_visible()
    if "/workflows/" in path:
        await expect(page.locator("#history .row, #tasks > *").first).to_be_visible()
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{path} is {wide} px too wide"
    assert await page.evaluate(_BEYOND) == [], path
    if folder := os.environ.get("TSUZUKI_PHONE_PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits(browser: Browser, client: Client, url: str, scheme: str) -> None:
    await ended(await order(client, 2, "4000-declined"))
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await client.start_workflow(Ship.run, 2, id="ship-" + "2" * 90, task_queue="nobody-" + "x" * 90)
    await client.execute_workflow(Family.run, args=[3, 2], id="root", task_queue=TASK_QUEUE)
    async with watched_page(browser, url, viewport=PHONE, color_scheme=scheme, has_touch=True) as page:
        for path, name in (
            ("/", "runs"),
            ("/ui/default/workflows/order-2", "run"),
            ("/ui/default/workflows/ship-1", "pending"),
            ("/ui/default/workflows/root.1.0", "tree"),
            ("/ui/default/task-queues", "queues"),
            ("/ui/default/workers", "workers"),
            ("/ui/default/schedules", "schedules"),
            ("/ui/default/compare?left=order-2&right=ship-1", "compare"),
        ):
            await fits(page, path, f"{name}-{scheme}")
        await page.goto("/ui/default/workflows/order-2")
        await page.locator("a#travel").click()
        await expect(page.locator("#tasks")).to_contain_text("has returned")
        await fits(page, page.url, f"travel-{scheme}")


async def test_what_can_be_done_can_be_done_there(browser: Browser, client: Client, url: str) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    async with watched_page(browser, url, viewport=PHONE, has_touch=True) as page:
        await page.goto("/")
        for title in ("Workers", "Task queues", "Schedules", "Workflows"):
            await page.get_by_role("link", name=title, exact=True).tap()
            await expect(page.locator("h1")).to_have_text(title)
        await page.get_by_role("link", name="ship-1").tap()
        pending = page.locator(".pending tbody tr")
        await pending.get_by_role("button", name="Pause").tap()
        await expect(pending).to_contain_text("paused")
        await page.locator("#history .row").first.tap()
        await expect(page.locator("#event-text")).to_contain_text("WORKFLOW_EXECUTION_STARTED")
        await page.locator("#event").get_by_role("button", name="Close").tap()
        await page.locator("[data-action=terminate]").tap()
        await page.locator("#action-send").tap()
        await page.locator("#action").get_by_role("button", name="Close").tap()
        await expect(page.locator(".facts")).to_have_attribute("data-status", "Terminated")
