"""What a run is related to, in a browser: the tree of parents and children, its chain, what it was made from."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, Route, expect
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from browser._shop import TASK_QUEUE, Family, Fulfil, Growing, Order, Rounds
from browser.conftest import picture
from browser.test_runs import ended, order
from tsuzuki.client import Client

CHILDREN = 53
"""More than a page of them."""
NEW = 60
"""More than a page again."""


async def test_the_tree_of_parents_and_children_is_read_as_it_is_opened(page: Page, client: Client) -> None:
    await client.execute_workflow(Family.run, args=[3, 2], id="root", task_queue=TASK_QUEUE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/children" in request.url else None)
    await page.goto("/ui/default/workflows/root")
    tree = page.locator(".tree[role=tree]")
    await expect(tree.locator(".node")).to_have_count(3)
    await expect(tree.locator(".here")).to_contain_text("root")
    assert asked == []
    await tree.get_by_role("button", name="Children of root.1").click()
    await expect(tree.locator(".node")).to_have_count(4)
    assert len(asked) == 1
    await tree.get_by_role("link", name="root.1.0", exact=True).click()

    await expect(page.locator("h1")).to_have_text("root.1.0")
    await expect(tree.locator(".node")).to_have_count(4)  # root, root.1, itself, its child
    await expect(tree.locator(".here")).to_contain_text("root.1.0")
    await picture(page, "relations")
    await tree.get_by_role("button", name="Children of root.1.0.0").click()
    await expect(tree.get_by_role("button", name="Children of root.1.0.0")).to_be_hidden()  # there are none
    await tree.get_by_role("link", name="root", exact=True).click()
    await expect(page.locator("h1")).to_have_text("root")


async def test_pages_of_children_stay_open_when_another_child_comes(page: Page, client: Client) -> None:
    handle = await client.start_workflow(Growing.run, CHILDREN, id="root", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/root")
    more = page.get_by_role("button", name="More children")
    await more.click()
    nodes = page.locator(".tree .node")
    await expect(nodes).to_have_count(1 + CHILDREN)
    await handle.signal(Growing.grow)
    await expect(nodes).to_have_count(2 + CHILDREN)
    await expect(more).to_have_count(0)


async def test_more_new_children_than_a_page_holds_leave_no_gap(page: Page, client: Client) -> None:
    handle = await client.start_workflow(Growing.run, CHILDREN, id="root", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/root")
    await page.get_by_role("button", name="More children").click()
    nodes = page.locator(".tree .node")
    await expect(nodes).to_have_count(1 + CHILDREN)
    all_there = asyncio.Event()

    async def held(route: Route) -> None:
        await all_there.wait()
        await route.continue_()

    await page.route("**/relations", held)
    for _ in range(NEW):
        await handle.signal(Growing.grow)
    ended = 0
    async for event in handle.fetch_history_events(wait_new_event=True):
        ended += event.HasField("child_workflow_execution_completed_event_attributes")
        if ended == CHILDREN + NEW:
            break
    all_there.set()
    await expect(nodes).to_have_count(1 + CHILDREN + NEW)
    names = await tree_of(page)
    assert names == ["root", *(f"root.{number}" for number in reversed(range(CHILDREN + NEW)))]


async def tree_of(page: Page) -> list[str]:
    """The workflow ids in the tree of parents and children, from the top down."""
    return await page.locator(".tree[role=tree] .node .mono").all_text_contents()


async def test_a_child_that_comes_while_the_tree_is_read_is_there(page: Page, client: Client) -> None:
    handle = await client.start_workflow(Growing.run, 1, id="root", task_queue=TASK_QUEUE)

    async def second_end() -> int:
        ended = 0
        async for event in handle.fetch_history_events(wait_new_event=True):
            ended += event.HasField("child_workflow_execution_completed_event_attributes")
            if ended == 2:
                return event.event_id
        raise AssertionError("it does not close")

    async def slow(route: Route) -> None:
        before = await route.fetch()
        await handle.signal(Growing.grow)
        seen = "(events) => parseInt(document.getElementById('loaded').textContent) >= events"
        await page.wait_for_function(seen, arg=await second_end())
        await route.fulfill(response=before)
        answered.set()

    answered = asyncio.Event()
    await page.route("**/relations", slow, times=1)
    await page.goto("/ui/default/workflows/root")
    await answered.wait()  # the page may have asked again before
    await expect(page.locator(".tree .node")).to_have_count(1 + 2)


async def test_many_children_come_in_pages(page: Page, client: Client) -> None:
    await client.execute_workflow(Family.run, args=[1, CHILDREN], id="root", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/root")
    nodes = page.locator(".tree .node")
    await expect(nodes).to_have_count(51)
    await page.get_by_role("button", name="More children").click()
    await expect(nodes).to_have_count(1 + CHILDREN)
    await expect(page.get_by_role("button", name="More children")).to_have_count(0)


async def test_a_chain_of_runs_leads_back_and_forth(page: Page, client: Client) -> None:
    await client.execute_workflow(Rounds.run, 2, id="rounds", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/rounds")
    await expect(page.locator("#result")).to_contain_text("the last round")
    runs = page.locator("#relations ol .node")
    await expect(runs).to_have_count(3)
    await expect(page.locator(".origins")).to_contain_text("Continued from")
    await expect(page.locator(".origins")).to_contain_text("First run")
    await page.locator(".origins a").first.click()
    await expect(page.locator(".facts")).to_have_attribute("data-status", "ContinuedAsNew")
    await page.get_by_role("link", name="The next run").click()
    await expect(page.locator("#result")).to_contain_text("the last round")
    await expect(runs.nth(0)).to_have_class("node here")


async def test_a_fork_and_a_reset_name_where_they_come_from(page: Page, client: Client) -> None:
    await ended(await order(client, 1, "4000-declined"))
    handle = client.get_workflow_handle("order-1")
    base = (await handle.describe()).run_id
    await client.fork_workflow("order-1", 4, id="what-if")
    await page.goto("/ui/default/workflows/what-if")
    await expect(page.locator(".origins")).to_contain_text("Forked from order-1, event 4")
    await expect(page.locator("#result")).to_contain_text("CardDeclined")  # else the page would draw itself anew later

    asked = ResetWorkflowExecutionRequest(namespace="default", reason="once more", workflow_task_finish_event_id=4)
    asked.workflow_execution.workflow_id = "order-1"
    reset = await client.service.reset_workflow_execution(asked)
    await page.goto(f"/ui/default/workflows/order-1/{reset.run_id}")
    await expect(page.locator(".origins")).to_contain_text(f"Reset from {base[:8]}")
    await expect(page.locator("#relations ol .node")).to_have_count(2)
    await page.locator(".origins a").first.click()
    await expect(page.locator("#result")).to_contain_text("CardDeclined")


async def test_a_run_alone_shows_no_relations(page: Page, client: Client) -> None:
    await client.start_workflow(Fulfil.run, Order(1), id="alone", task_queue="nobody")
    await page.goto("/ui/default/workflows/alone")
    await expect(page.locator("#history .row").first).to_be_visible()
    await expect(page.locator("#relations")).to_be_hidden()
