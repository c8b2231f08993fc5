"""Time travel in a browser: the code, its variables, what changed, at each event of a run that failed."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from browser._shop import TASK_QUEUE, Fulfil, Order
from browser.conftest import picture
from browser.test_runs import ended, order
from tsuzuki.client import Client, WorkflowExecutionStatus
from tsuzuki.server.http._page import _state


async def at(page: Page, event: int) -> None:
    await page.evaluate("(event) => { location.hash = event; }", event)
    await expect(page.locator(f"#travel[data-shown='{event}']")).to_have_count(1)


async def number_of(client: Client, workflow_id: str, kind: str, last: bool = False) -> int:
    """The id of the first (or last) event of a kind."""
    events = (await client.get_workflow_handle(workflow_id).fetch_history()).events
    found = [event.event_id for event in events if event.WhichOneof("attributes") == f"{kind}_event_attributes"]
    return found[-1 if last else 0]


async def test_scrubbing_through_a_run_that_failed(page: Page, client: Client) -> None:
    await ended(await order(client, 3, "4000-declined"))
    timer = await number_of(client, "order-3", "timer_started")
    last = await number_of(client, "order-3", "workflow_execution_failed")
    await page.goto("/ui/default/workflows/order-3")
    await page.keyboard.press("t")
    await expect(page.locator(f"#travel[data-shown='{last}']")).to_have_count(1)
    await expect(page.locator("#tasks")).to_contain_text("has returned")

    await at(page, timer)
    await expect(page.locator(".code .now")).to_contain_text("await workflow.sleep(0.1)")
    await expect(page.locator("#pending")).to_contain_text("timer")
    await expect(page.locator("#pending .changed")).to_have_count(1)
    await expect(page.locator("#queries")).to_contain_text('"wrapping"')
    await expect(page.locator("#variables")).to_contain_text("49.0")
    await picture(page, "time-travel")

    await page.keyboard.press("]")  # the timer has fired; the code goes on to the activity
    await expect(page.locator(".code .now")).to_contain_text("execute_activity")
    await expect(page.locator("#changed")).to_contain_text("'charging'")
    await expect(page.locator("#changed del")).to_contain_text("'wrapping'")
    await expect(page.locator("#queries .changed")).to_contain_text('"charging"')

    await page.keyboard.press("[")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#position")).to_have_text(re.compile(rf"\d+ / {last}"))
    await at(page, 1)
    await expect(page.locator("#tasks")).to_contain_text("has not begun")


async def test_several_tasks_are_shown_each_where_it_waits(page: Page, client: Client) -> None:
    await ended(await order(client, 4))
    await page.goto("/ui/default/workflows/order-4")
    await page.locator("a#travel").click()
    await at(page, await number_of(client, "order-4", "activity_task_scheduled", last=False) + 2)
    await expect(page.locator(".stack")).to_have_count(4)  # run, and a task for each price
    await expect(page.locator(".code .now").first).to_contain_text("asyncio.gather")


async def test_fork_with_another_result(page: Page, client: Client) -> None:
    """What if the card had not been declined: the activity answers, and the rest of the run is new."""
    await ended(await order(client, 8, "4000-declined"))
    await page.goto("/ui/default/workflows/order-8")
    await page.locator("a#travel").click()
    charged = await number_of(client, "order-8", "activity_task_scheduled", last=True)
    await at(page, charged)
    await page.get_by_role("button", name="Fork from here").click()
    choice = page.get_by_label("Another result for")
    await choice.select_option(await choice.locator("option", has_text="charge_card").get_attribute("value"))
    await page.get_by_label("The result, as JSON").fill("no json")
    await page.locator("#fork-form").get_by_role("button", name="Fork").click()
    await expect(page.locator("#fork-refused")).to_contain_text("not JSON")
    await page.get_by_label("The result, as JSON").fill('"receipt from another world"')
    await page.locator("#fork-form").get_by_role("button", name="Fork").click()
    await expect(page.locator("h1")).to_have_text(f"order-8-fork-{charged}")
    await expect(page.locator("#result")).to_contain_text("receipt from another world")
    old = await client.get_workflow_handle("order-8").describe()
    assert old.status is WorkflowExecutionStatus.FAILED


async def test_fork_with_a_signal(page: Page, client: Client) -> None:
    """What if somebody had paused it."""
    await ended(await order(client, 9))
    timer = await number_of(client, "order-9", "timer_started")
    run_id = (await client.get_workflow_handle("order-9").describe()).run_id
    await page.goto(f"/ui/default/workflows/order-9/{run_id}/time-travel#{timer}")
    await expect(page.locator(f"#travel[data-shown='{timer}']")).to_have_count(1)
    await page.get_by_role("button", name="Fork from here").click()
    await page.get_by_label("Workflow id of the new run").fill("paused-order")
    await page.get_by_label("Signal to send at once").fill("pause")
    await page.get_by_label("Its arguments").fill("true")
    await page.locator("#fork-form").get_by_role("button", name="Fork").click()
    await expect(page.locator("h1")).to_have_text("paused-order")
    await expect(page.locator("#history .row", has_text="WorkflowExecutionSignaled")).to_contain_text("pause")
    await expect(page.locator(".facts")).to_have_attribute("data-status", "Running")
    fork = client.get_workflow_handle("paused-order")
    assert await fork.query("get_status") == "paused"
    await fork.signal("pause", False)
    await expect(page.locator("#result")).to_contain_text("receipt for 49.00")


async def test_without_a_worker_the_page_says_what_is_missing(
    page: Page, server: object, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_state, "WAIT_S", 0.2)
    async with await Client.connect(server.target) as client:  # type: ignore[attr-defined]
        await client.start_workflow(Fulfil.run, Order(1), id="alone", task_queue=TASK_QUEUE)
        await page.goto("/ui/default/workflows/alone")
        await page.locator("a#travel").click()
        await expect(page.get_by_role("alert")).to_contain_text(f"task queue '{TASK_QUEUE}'")
