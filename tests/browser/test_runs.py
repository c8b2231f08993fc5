"""The list of runs and the page of a run, in a browser."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress

import pytest
from playwright.async_api import Page, expect

from browser._shop import EVIL, TASK_QUEUE, WORKFLOWS, Echo, Fulfil, Order, Ship, charge_card
from browser.conftest import picture
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from tsuzuki.exceptions import ApplicationError
from tsuzuki.replay import Replayer


async def ended(handle: WorkflowHandle[object, object]) -> None:
    """Wait for the end, whatever it is."""
    with suppress(WorkflowFailureError):
        await handle.result()


async def order(client: Client, number: int, card: str = "4000-1") -> WorkflowHandle[Fulfil, str]:
    return await client.start_workflow(
        Fulfil.run, Order(number, ["tea", "saffron", "rice"], card), id=f"order-{number}", task_queue=TASK_QUEUE
    )


async def test_the_chapters_six_steps(page: Page, client: Client) -> None:
    """Open the page, find the run, look at its history, find the activity that failed, check its input and its error,
    and have the same here with the same input: replayed, and by running the activity."""
    for number, card in enumerate(["4000-1", "4000-declined", "4000-2"]):
        await ended(await order(client, number, card))
    await page.goto("/")
    await expect(page.locator(".runs tbody tr")).to_have_count(6)
    await picture(page, "runs", height=440)

    # 2: find the run
    await page.get_by_role("link", name="Failed 1").click()
    await expect(page.locator(".runs tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="order-1").click()

    # 3 and 4: its history, and the activity that failed
    await expect(page.locator("#history .row.failed").first).to_contain_text("charge_card")
    await expect(page.locator("#timeline .activity.failed")).not_to_have_count(0)
    await picture(page, "run")

    # 5: its input and its error
    await page.locator("#history .row.failed").first.click()
    shown = page.locator("#event-facts section")
    await expect(shown.nth(0)).to_contain_text("Input")
    await expect(shown.nth(0).locator("pre")).to_have_text('"4000-declined"\n49.0')
    await expect(shown.nth(1)).to_contain_text("CardDeclined: card 4000-declined was declined for 49.00")
    await expect(shown.nth(1)).to_contain_text("in charge_card")
    await page.locator("#event-recorded summary").click()
    await expect(page.locator("#event-text")).to_contain_text('"type": "CardDeclined"')
    await page.locator("#event-recorded summary").click()
    await page.locator("#event-here summary").click()
    await expect(page.locator("#event-commands")).to_contain_text("tsuzuki workflow debug --workflows my.module")
    await picture(page, "event")
    await page.keyboard.press("Escape")

    # 6: the same here
    async with page.expect_download() as loading:
        await page.get_by_role("link", name="Download").click()
    exported = (await (await loading.value).path()).read_text()
    history = json.loads(exported)
    assert history == (await client.get_workflow_handle("order-1").fetch_history()).to_json_dict()
    replayed = await Replayer(workflows=WORKFLOWS).replay_workflow(WorkflowHistory.from_json("order-1", exported))
    assert replayed.replay_failure is None
    begun = (event.get("activityTaskScheduledEventAttributes") for event in history["events"])
    (charged,) = [each for each in begun if each and each["activityType"]["name"] == "charge_card"]
    given = [json.loads(base64.b64decode(payload["data"])) for payload in charged["input"]["payloads"]]
    with pytest.raises(ApplicationError, match=r"card 4000-declined was declined for 49\.00"):
        await charge_card(*given)


async def test_the_list_follows_what_happens(page: Page, client: Client) -> None:
    await page.goto("/")
    await expect(page.locator(".empty")).to_be_visible()
    await client.start_workflow(Ship.run, 7, id="ship-7", task_queue=TASK_QUEUE)
    await expect(page.get_by_role("link", name="ship-7")).to_be_visible()
    await client.get_workflow_handle("ship-7").terminate("enough")
    await expect(page.locator(".pill.terminated")).to_be_visible()


async def test_a_query_that_is_not_understood_is_answered_with_the_reason(page: Page) -> None:
    await page.goto("/ui/default/workflows?query=Nonsense+~+1")
    await expect(page.get_by_role("alert")).to_contain_text("at character 10")


async def test_pages_of_the_list(page: Page, client: Client) -> None:
    await asyncio.gather(*(client.start_workflow(Ship.run, n, id=f"ship-{n}", task_queue="nobody") for n in range(60)))
    await page.goto("/")
    await expect(page.locator(".runs tbody tr")).to_have_count(50)
    async with page.expect_navigation():  # keys are heard once the page has loaded
        await page.get_by_role("link", name="Next page").click()
    await expect(page.locator(".runs tbody tr")).to_have_count(10)
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("ship-")


async def test_views_of_the_history(page: Page, client: Client) -> None:
    await ended(await order(client, 6))
    await page.goto("/ui/default/workflows/order-6")
    events = len((await client.get_workflow_handle("order-6").fetch_history()).events)
    await expect(page.locator("#loaded")).to_contain_text(f"{events} events")
    await page.get_by_role("button", name="Full").click()
    await expect(page.locator("#history .row").first).to_contain_text("WorkflowExecutionStarted")
    await expect(page.locator("#loaded")).to_have_text(f"{events} events")
    await page.get_by_role("button", name="JSON").click()
    await expect(page.locator("#history pre")).to_contain_text("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED")
    await page.get_by_role("button", name="Compact").click()
    await page.get_by_label("Find in events").fill("saffron")
    await expect(page.locator("#history .row").last).to_contain_text("attempt 2")
    await page.get_by_role("button", name="Zoom in").click()
    await page.get_by_role("button", name="Fit").click()
    await page.get_by_role("link", name="Compare").last.click()
    await expect(page.get_by_label("Workflow id").first).to_have_value("order-6")


async def test_everything_is_shown_as_text(page: Page, client: Client) -> None:
    """Markup in ids, types, inputs, failures, signals and queries stays text, everywhere."""
    evil_id = EVIL.replace("{{7*7}}", "/../{{7*7}}?#")
    handle = await client.start_workflow(Echo.run, EVIL, id=evil_id, task_queue=TASK_QUEUE)
    await ended(handle)
    await client.start_workflow(Ship.run, 1, id=EVIL, task_queue=TASK_QUEUE)
    await client.get_workflow_handle(EVIL).signal(EVIL, EVIL)
    await page.goto("/")
    await page.get_by_role("link", name=evil_id).click()
    await expect(page.locator("h1")).to_have_text(evil_id)
    await expect(page.locator("#input")).to_contain_text("<script>window.hacked=1</script>")
    await expect(page.locator("#result")).to_contain_text(EVIL)
    await page.locator("#history .row.failed").first.click()
    await expect(page.locator("#event-text")).to_contain_text("<script>")
    await page.keyboard.press("Escape")
    await page.locator("a#travel").click()
    await expect(page.locator("#variables")).to_contain_text("<script>")
    for path in (f"/ui/{EVIL}/workflows", f"/ui/default/compare?left={EVIL}&right={EVIL}", f"/?query={EVIL}"):
        await page.goto(path.replace("%", "%25").replace("#", "%23"))
    await page.goto("/")
    await page.get_by_role("link", name=EVIL, exact=True).click()
    await expect(page.locator("#history .row").last).to_contain_text("<script>")
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("main img, main script").count() == 0


async def test_two_runs_side_by_side(page: Page, client: Client) -> None:
    await ended(await order(client, 1, "4000-1"))
    first = (await client.get_workflow_handle("order-1").describe()).run_id
    await ended(await order(client, 1, "4000-declined"))
    await page.goto(f"/ui/default/compare?left=order-1&left_run={first}&right=order-1")
    await expect(page.locator("tr.differs").first).to_contain_text("4000-declined")
    await picture(page, "compare", height=520)
    await page.goto(f"/ui/default/compare?left=order-1&left_run={first}&right=order-1&right_run={first}")
    await expect(page.locator(".banner.good")).to_be_visible()


async def test_controls_have_names_and_ids_are_unique(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    for path in ("/", "/ui/default/workflows/ship-1", "/ui/default/compare"):
        await page.goto(path)
        nameless = await page.evaluate(
            """[...document.querySelectorAll("button, input:not([type=hidden]), a[href]")].filter((one) =>
            !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length))
            .map((one) => one.outerHTML)"""
        )
        assert nameless == []
        ids = await page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert sorted(ids) == sorted(set(ids))


async def test_what_is_not_there_is_said(page: Page, client: Client) -> None:
    await page.goto("/ui/default/workflows/none")
    await expect(page.get_by_role("alert")).to_contain_text("none")
    await page.goto("/ui/nowhere/workflows")
    await expect(page.get_by_role("alert")).to_contain_text("nowhere")
