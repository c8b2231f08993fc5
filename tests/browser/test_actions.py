"""What can be done to a run by buttons: each is pressed, and its effect is seen on the page and in the history."""

from __future__ import annotations

from playwright.async_api import Page, expect

from browser._shop import TASK_QUEUE, Fulfil, Ship, tried
from browser.conftest import picture
from browser.test_runs import ended, order
from tsuzuki.client import Client


async def kinds(client: Client, workflow_id: str) -> list[str]:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return [str(event.WhichOneof("attributes")).removesuffix("_event_attributes") for event in history.events]


async def close(page: Page) -> None:
    await page.locator("#action").get_by_role("button", name="Close").click()


async def test_signal_query_and_update(page: Page, client: Client) -> None:
    handle = await order(client, 5)
    await handle.signal(Fulfil.pause, True)
    await page.goto("/ui/default/workflows/order-5")

    async def act(action: str, name: str, args: str = "") -> None:
        await page.locator(f"[data-action={action}]").click()
        await page.get_by_label(action.capitalize(), exact=True).fill(name)
        await page.get_by_label("Arguments").fill(args)
        await page.locator("#action-send").click()

    answer = page.locator("#action-answer")
    await act("query", "get_status")
    await expect(answer).to_contain_text('"paused"')
    await close(page)
    await act("update", "rename", '"late"')
    await expect(answer).to_contain_text("the stage is late")
    await close(page)
    await act("signal", "pause", "no json")
    await expect(answer).to_contain_text("not JSON")
    await page.get_by_label("Arguments").fill("false")
    await page.locator("#action-send").click()
    await expect(answer).to_contain_text("recorded")
    assert "receipt" in await handle.result()
    await close(page)
    await expect(page.locator("#result")).to_contain_text("receipt")  # it came by itself
    await expect(page.locator("[data-action=signal]")).to_have_count(0)


async def test_cancel(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 2, id="ship-2", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/ship-2")
    await page.locator("[data-action=cancel]").click()
    await page.locator("#action-send").click()
    await expect(page.locator(".pill.canceled")).to_be_visible()


async def test_pause_and_go_on(page: Page, client: Client) -> None:
    handle = await order(client, 4)
    await handle.signal(Fulfil.pause, True)
    await page.goto("/ui/default/workflows/order-4")
    await expect(page.locator("[data-action=unpause]")).to_be_hidden()
    await page.locator("[data-action=pause]").click()
    await page.locator("#action").get_by_label("Reason").fill("an audit")
    await page.locator("#action-send").click()
    await expect(page.locator("#status .banner")).to_contain_text("an audit")
    await expect(page.locator(".facts")).to_have_attribute("data-status", "Paused")
    await close(page)
    await handle.signal(Fulfil.pause, False)
    await page.goto("/ui/default/workflows")
    await page.get_by_role("link", name="Paused 1").click()
    await page.get_by_role("link", name="order-4").click()
    await page.locator("[data-action=unpause]").click()
    await page.locator("#action-send").click()
    await close(page)
    await expect(page.locator("#result")).to_contain_text("receipt")


async def test_terminate(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 3, id="ship-3", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/ship-3")
    await page.locator("[data-action=terminate]").click()
    await page.locator("#action").get_by_label("Reason").fill("the shop has closed")
    await page.locator("#action-send").click()
    await expect(page.locator(".facts")).to_have_attribute("data-status", "Terminated")
    await close(page)
    await expect(page.locator("#result")).to_contain_text("the shop has closed")


async def test_reset_to_before_what_failed(page: Page, client: Client) -> None:
    """The form offers the decision to do what failed; done again, with the signals since, it succeeds."""
    tried.clear()
    await ended(await order(client, 6, "4000-later"))
    old = (await client.get_workflow_handle("order-6").describe()).run_id
    await page.goto("/ui/default/workflows/order-6")
    await expect(page.locator("#result")).to_contain_text("not today")
    await page.locator("[data-action=reset]").click()
    point = page.get_by_label("Do again the workflow task")
    await expect(point.locator("option:checked")).to_contain_text("before activity scheduled charge_card")
    await expect(point.locator("option").last).to_contain_text("from the beginning")
    await page.locator("#action").get_by_label("Reason").fill("the card works now")
    await picture(page, "reset", height=560)
    await page.locator("#action-send").click()
    await expect(page.locator("#result")).to_contain_text("receipt for 49.00")
    assert old not in page.url
    await expect(page.locator(".origins")).to_contain_text(f"Reset from {old[:8]}")
    assert (await kinds(client, "order-6")).count("activity_task_scheduled") == 4  # prices were not looked up again


async def test_reset_without_the_signals_since(page: Page, client: Client) -> None:
    handle = await order(client, 7)
    await handle.signal(Fulfil.pause, True)
    await page.goto("/ui/default/workflows/order-7")
    await expect(page.locator("#history .row", has_text="pause")).to_be_visible()
    await page.locator("[data-action=reset]").click()
    first = page.get_by_label("Do again the workflow task").locator("option").last
    await page.get_by_label("Do again the workflow task").select_option(await first.get_attribute("value"))
    await page.get_by_label("Signals and updates").select_option("signals are left out")
    await page.locator("#action-send").click()
    await expect(page.locator("#result")).to_contain_text("receipt")  # nobody paused it
    assert "workflow_execution_signaled" not in await kinds(client, "order-7")


async def test_what_cannot_be_reset_is_said(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue="nobody")
    await page.goto("/ui/default/workflows/ship-1")
    await expect(page.locator("#history .row").first).to_be_visible()
    await page.locator("[data-action=reset]").click()
    await expect(page.locator("#action")).to_contain_text("no workflow task has been completed yet")
    await expect(page.locator("#action-send")).to_be_disabled()
