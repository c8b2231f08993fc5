"""The agent layer on the page of a run: control, approvals, budget, executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from browser._shop import EVIL
from browser.conftest import picture, watched_page
from server._guarded import guarded
from tsuzuki import activity, workflow
from tsuzuki.agents import (
    AgentExecution,
    Approvals,
    Budget,
    BudgetActivities,
    Control,
    ExecutionLog,
    Ledger,
    Limit,
    RemoteApprovals,
    RemoteControl,
    Usage,
    metered,
    persist_agent_execution,
    spend,
)
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle
from tsuzuki.server import HttpOptions, Server, ServerOptions
from tsuzuki.worker import Worker

QUEUE = "agents"
MINUTE = timedelta(minutes=1)


@workflow.defn
class Research:
    """Asks for a plan, thinks within a budget, writes down what it did, and can be paused before it answers."""

    @workflow.run
    async def run(self, topic: str) -> str:
        approvals = Approvals()
        async with Control() as control:
            budget = await Budget.open(Limit(tokens=1000, micros=50_000))
            plan = await approvals.ask(
                "Follow this plan?", subject={"topic": topic, "steps": ["search", "read", "write"]}, timeout=MINUTE * 60
            )
            if not plan.approved:
                return f"rejected by {plan.by}: {plan.reason}"

            async def call() -> str:
                return str(await workflow.execute_activity("think", topic, start_to_close_timeout=MINUTE))

            for _ in range(2):
                answer = await budget.run(call, wait=True)
                persist_agent_execution(AgentExecution("reader", topic, answer, 600, 12_000, "test model"))
            await control.checkpoint("pre_synthesis")
            return f"{answer}, {plan.edited}"


@workflow.defn
class Asking:
    """Asks, and ends after a checkpoint."""

    @workflow.run
    async def run(self) -> None:
        approvals = Approvals()
        async with Control() as control:
            await approvals.ask("Go on?")
            await control.checkpoint("answered")


@workflow.defn
class Plain:
    """Uses nothing of it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))


@dataclass
class Site:
    client: Client
    page: Page

    async def open(self, handle: WorkflowHandle[Research, str]) -> None:
        await self.page.goto(f"/ui/default/workflows/{handle.id}")

    def panel(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")


@pytest_asyncio.fixture(loop_scope="session")
async def site(browser: Browser, tmp_path: Path) -> AsyncIterator[Site]:
    ledger, log = Ledger(tmp_path / "budgets.db"), ExecutionLog(tmp_path / "executions.db")

    @activity.defn
    @metered(ledger, estimate=Usage(tokens=700))
    async def think(topic: str) -> str:
        spend(Usage(600, 12_000))
        return f"thoughts on {topic}"

    http = HttpOptions(
        port=0, agent_executions=str(tmp_path / "executions.db"), agent_ledger=str(tmp_path / "budgets.db")
    )
    server = await Server.start(ServerOptions(port=0, http=http))
    assert server.http is not None
    activities = [think, *BudgetActivities(ledger).all, *log.activities]
    async with (
        await Client.connect(server.target) as client,
        Worker(client, task_queue=QUEUE, workflows=[Research, Plain], activities=activities),
        watched_page(browser, server.http.url) as page,
    ):
        yield Site(client, page)
    await server.stop()


async def research(site: Site, id: str = "research-1", topic: str = "tides") -> WorkflowHandle[Research, str]:
    handle = await site.client.start_workflow(Research.run, topic, id=id, task_queue=QUEUE)
    await site.open(handle)
    return handle


async def test_a_plan_is_edited_and_approved_paused_and_paid_for(site: Site) -> None:
    handle = await research(site)
    page, control, approvals, budget = site.page, site.panel("control"), site.panel("approvals"), site.panel("budget")
    await expect(control).to_contain_text("running")
    await expect(approvals).to_contain_text("1 waits for you")
    await expect(approvals.locator("form")).to_contain_text("time decides in 59m")
    await page.get_by_label("You act as").fill("ada")
    await page.get_by_label("You act as").press("Tab")

    await control.get_by_label("Reason").fill("lunch")
    await control.get_by_role("button", name="Pause").click()
    await expect(control).to_contain_text("by ada: lunch")
    await expect(control).to_contain_text("stops at its next checkpoint")

    await approvals.get_by_role("button", name="Edit before approving").click()
    await approvals.get_by_label("In place of what is shown").fill("{no json")
    await approvals.get_by_role("button", name="Approve").click()
    await expect(approvals.get_by_role("alert")).to_contain_text("not JSON")
    await approvals.get_by_label("In place of what is shown").fill('{"steps": ["think"]}')
    await approvals.get_by_label("Reason").fill("shorter")
    await approvals.get_by_role("button", name="Approve").click()
    await expect(approvals).to_contain_text("none waits")
    await approvals.locator("#approvals-log summary").click()
    await expect(approvals.locator("li")).to_contain_text("by ada: shorter")

    await expect(budget).to_contain_text("600 of 1,000")
    await expect(budget).to_contain_text("1 call waits")  # the second has no room
    await expect(budget).to_contain_text("no room for a call of 700 tokens")
    await expect(site.panel("executions").locator("tbody tr")).to_have_count(1)
    await picture(page, "agents", height=760)
    await budget.get_by_label("More tokens").fill("500")
    await budget.get_by_label("Reason").fill("worth it")
    await budget.get_by_role("button", name="Increase").click()
    await expect(budget).to_contain_text("1,200 of 1,500")
    await expect(control).to_contain_text("It waits at pre_synthesis")
    await expect(site.panel("executions").locator("tbody tr")).to_have_count(2)
    await expect(site.panel("executions")).to_contain_text("0.012")

    await control.get_by_role("button", name="Resume").click()
    assert await handle.result() == "thoughts on tides, {'steps': ['think']}"
    await expect(page.locator("#result")).to_contain_text("thoughts on tides")
    await expect(control.get_by_role("button")).to_have_count(0)  # closed: all stays to be read, nothing to be done
    await expect(approvals).to_contain_text("Decided (1)")


async def test_cancel_says_who_and_why_and_reject_ends_it(site: Site) -> None:
    handle = await research(site)
    await site.panel("control").get_by_label("Reason").fill("wrong question")
    await site.panel("control").get_by_role("button", name="Cancel").click()
    await expect(site.page.locator(".facts")).to_have_attribute("data-status", "Canceled")
    await expect(site.panel("control")).to_contain_text("by the web page: wrong question")
    await expect(site.page.locator("#result")).to_be_visible()  # else the page would draw itself anew later
    rejected = await research(site, "research-2")
    await site.panel("approvals").get_by_label("Reason").fill("too long")
    await site.panel("approvals").get_by_role("button", name="Reject").click()
    assert await rejected.result() == "rejected by the web page: too long"
    assert (await handle.describe()).status is not None


@pytest.mark.parametrize("named", [[], [{"name": "of_another_kind"}]], ids=["nothing", "not yet all"])
async def test_a_worker_that_did_not_say_what_there_is_is_asked_again(site: Site, named: list[Any]) -> None:
    """Though nothing happens in the run any more."""
    asked = 0

    async def say_little_at_first(route: Route) -> None:
        nonlocal asked
        asked += 1
        told = {"queryResult": [{"definition": {"queryDefinitions": named}}]}
        await (route.fulfill(json=told) if asked == 1 else route.continue_())

    await site.page.route("**/query/__temporal_workflow_metadata", say_little_at_first)
    await research(site)
    await expect(site.panel("approvals")).to_contain_text("1 waits for you")
    assert asked >= 2


async def test_panels_whose_code_comes_late_are_shown_for_a_run_that_closed(site: Site) -> None:
    """All events have arrived by then, and nothing happens any more."""
    handle = await research(site)
    await site.page.goto("about:blank")  # it would draw itself anew at the end
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()

    async def after_the_events(route: Route) -> None:
        await expect(site.page.locator("#loaded")).to_contain_text("events")
        await route.continue_()

    await site.page.route("**/static/agents.js", after_the_events)
    await site.open(handle)
    await expect(site.panel("control")).to_contain_text("What was asked")


async def test_what_workflows_say_is_text_and_others_have_no_panels(site: Site) -> None:
    await research(site, topic=EVIL)
    await expect(site.panel("approvals").locator("pre")).to_contain_text("<script>")
    await site.panel("approvals").get_by_role("button", name="Approve").click()
    await expect(site.panel("executions").locator("tbody tr").first).to_contain_text("<script>")
    assert await site.page.evaluate("window.hacked") is None

    await site.client.start_workflow(Plain.run, id="plain", task_queue=QUEUE)
    await site.page.goto("/ui/default/workflows/plain")
    async with site.page.expect_response("**/query/__temporal_workflow_metadata"):
        pass
    await expect(site.page.locator("#agents")).to_be_hidden()


async def test_what_comes_of_a_pause_is_said(site: Site) -> None:
    async def unheard(route: Route) -> None:
        await route.fulfill(json={"note": "Recorded. No worker has answered yet."})

    await research(site)
    await site.page.route("**/control/pause?*", unheard)
    control = site.panel("control")
    await control.get_by_role("button", name="Pause").click()
    await expect(control.get_by_role("alert")).to_have_text("Recorded. No worker has answered yet.")


async def test_panels_of_a_paused_run_say_so_until_it_goes_on(site: Site) -> None:
    handle = await research(site)
    approvals = site.panel("approvals")
    await expect(approvals.get_by_role("button", name="Approve")).to_be_visible()
    await handle.pause()
    for panel in (approvals, site.panel("control")):
        await expect(panel.get_by_role("alert")).to_contain_text("Unpause the workflow first")
    await approvals.get_by_role("button", name="Approve").click()
    await expect(approvals.get_by_role("alert")).to_contain_text("Unpause")
    await handle.unpause()
    await expect(approvals.get_by_role("alert")).to_be_hidden()
    await approvals.get_by_role("button", name="Approve").click()
    await expect(approvals).to_contain_text("none waits")


async def test_whose_keys_they_were_is_told(browser: Browser, tmp_path: Path) -> None:
    async with guarded(tmp_path, http=HttpOptions(port=0)) as running:
        assert running.server.http is not None

        async def client_of(caller: str) -> Client:
            return await Client.connect(running.target, api_key=running.keys[caller], tls=False)

        async with (
            await client_of("writer") as writer,
            await client_of("worker") as works,
            Worker(works, task_queue=QUEUE, workflows=[Asking]),
            watched_page(browser, running.server.http.url) as page,
        ):
            handle = await writer.start_workflow(Asking.run, id="asking", task_queue=QUEUE)
            await RemoteControl(handle, by="the boss").pause("stop it")
            people = RemoteApprovals(handle, by="the boss")
            await people.approve((await people.next()).id)
            await page.goto("/ui/default/workflows/asking")
            await page.get_by_label("API key").fill(running.keys["writer"])
            await page.get_by_role("button", name="Sign in").click()
            for panel, said in (("control", "pause"), ("approvals", "decide_approval")):
                told = page.locator(f"#{panel}-keys")
                await expect(told.locator("summary")).to_have_text("By whose key (1)")
                await told.locator("summary").click()
                await expect(told.locator("li")).to_contain_text("writer")
                await expect(told.locator("li")).to_contain_text(said)
                await expect(page.locator(f"#{panel}-log")).to_contain_text("by the boss")


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_panels_fit(site: Site, width: int) -> None:
    await site.page.set_viewport_size({"width": width, "height": 844})
    await research(site)
    await expect(site.panel("approvals").get_by_role("button", name="Approve")).to_be_visible()
    assert await site.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
