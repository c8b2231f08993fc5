"""The short routes for agents: control, approvals, budgets and executions over HTTP, and who may use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from server._guarded import Guarded, guarded
from server._http import START
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
    Usage,
    _approvals,
    _budget,
    _control_state,
    metered,
    persist_agent_execution,
    spend,
)
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle
from tsuzuki.server import HttpOptions, HttpServer
from tsuzuki.server.http import _agent_calls
from tsuzuki.server.http._agent_routes import AGENT_ROUTES
from tsuzuki.worker import Worker

MINUTE = timedelta(minutes=1)


@workflow.defn
class Asking:
    """Waits at a checkpoint, then asks."""

    @workflow.run
    async def run(self) -> str:
        approvals = Approvals()
        async with Control() as control:
            decision = await approvals.ask("Follow this plan?", subject={"steps": 3})
            await control.checkpoint("approved")
            persist_agent_execution(AgentExecution("planner", "why?", "because", 12, 3400, "test model"))
            return f"{decision.approved} by {decision.by}: {decision.edited}"


@workflow.defn
class Other:
    """Asks nobody."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))


@workflow.defn
class Spending:
    """Needs more than its budget has."""

    @workflow.run
    async def run(self) -> int:
        budget = await Budget.open(Limit(tokens=100))

        async def call() -> int:
            return int(await workflow.execute_activity("think", result_type=int, start_to_close_timeout=MINUTE))

        return await budget.run(call, wait=True)


@dataclass
class Site:
    """A client, an HTTP client before the same engine, and what the workers keep."""

    client: Client
    http: httpx.AsyncClient
    base: str = "/api/v1/"

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.http.get(self.base + path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = await self.http.post(self.base + path, json=body or {})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def start(self, run: Any, id: str) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(run, id=id, task_queue="q")


@asynccontextmanager
async def site_with_agents(folder: Path, *, told: bool = True) -> AsyncIterator[Site]:
    ledger, log = Ledger(folder / "budgets.db"), ExecutionLog(folder / "executions.db")

    @activity.defn
    @metered(ledger, estimate=Usage(tokens=150))
    async def think() -> int:
        spend(Usage(tokens=120))
        return 42

    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue="q",
            workflows=[Asking, Other, Spending],
            activities=[think, *BudgetActivities(ledger).all, *log.activities],
        ),
    ):
        files = (
            {"agent_executions": str(folder / "executions.db"), "agent_ledger": str(folder / "budgets.db")}
            if told
            else {}
        )
        server = await HttpServer.start(client.service, HttpOptions(port=0, **files))  # type: ignore[arg-type]
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
            yield Site(client, http)
        await server.stop()
    ledger.close()
    log.close()


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_with_agents(tmp_path) as running:
        yield running


def test_the_names_are_those_of_the_agents() -> None:
    assert _agent_calls.ACTIONS == (_control_state.PAUSE, _control_state.RESUME, _control_state.CANCEL)
    assert _agent_calls.STATUS == _control_state.GET_STATUS
    assert _agent_calls.CONTROL_STATE == _control_state.GET_CONTROL_STATE
    assert (_agent_calls.APPROVALS, _agent_calls.DECIDE) == (_approvals.LIST, _approvals.DECIDE)
    assert (_agent_calls.BUDGET, _agent_calls.INCREASE) == (_budget.GET_BUDGET, _budget.INCREASE)


@pytest.mark.parametrize("base", ["/api/v1/", "/api/v1/namespaces/default/"])
async def test_pause_approve_resume(site: Site, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_calls, "_HEARD_S_MAX", 60.0)
    site.base = base
    handle = await site.start(Asking.run, "a/b")
    run = "workflows/a%2Fb/"
    assert await site.post(run + "control/pause", {"reason": "lunch", "by": "ann"}) == {"status": "paused"}
    state = await site.get(run + "control")
    assert {key: state[key] for key in ("status", "reason", "by")} == {
        "status": "paused",
        "reason": "lunch",
        "by": "ann",
    }
    (asked,) = (await site.get(run + "approvals"))["approvals"]
    assert (asked["id"], asked["subject"], asked["decision"]) == ("approval-1", {"steps": 3}, None)
    decided = await site.post(
        run + "approvals/approval-1/approve", {"by": "ben", "reason": "good", "edited": {"steps": 2}}
    )
    assert (decided["approved"], decided["by"], decided["reason"]) == (True, "ben", "good")
    again = await site.post(run + "approvals/approval-1/reject", {}, status=400)
    assert again["message"] == "approval 'approval-1' was decided before, by ben"
    assert (await site.get(run + "control"))["waiting_at"] == ["approved"]
    await site.post(run + "control/resume")
    assert await handle.result() == "True by ben: {'steps': 2}"
    assert [it["action"] for it in (await site.get(run + "control"))["actions"]] == ["pause", "resume"]


async def test_a_pause_that_nothing_heeds_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_calls, "_HEARD_S_MAX", 60.0)
    other = await site.start(Other.run, "other")
    told = await site.post("workflows/other/control/pause")
    assert told["note"].startswith("Recorded, but nothing in the code answers get_status so far")
    assert told["note"].endswith(". A run heeds this if its code enters a Control (tsuzuki.agents).")
    signaled = [it.workflow_execution_signaled_event_attributes for it in (await other.fetch_history()).events]
    assert [it.signal_name for it in signaled if it.signal_name] == ["pause"]
    await other.pause()
    told = await site.post("workflows/other/control/resume")
    assert told == {"note": "Recorded. The workflow is paused; its code acts upon this once it is unpaused."}
    monkeypatch.setattr(_agent_calls, "_HEARD_S_MAX", 0.05)
    await site.client.start_workflow("Nobody", id="alone", task_queue="elsewhere")
    told = await site.post("workflows/alone/control/pause")
    assert told == {"note": "Recorded. No worker has answered yet; the code acts upon this once one is there."}


async def test_cancel_says_why_and_cancels(site: Site) -> None:
    handle = await site.start(Asking.run, "a")
    await site.post("workflows/a/control/cancel", {"reason": "too dear", "by": "ann"})
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    description = await handle.describe()
    assert description.status is not None
    assert description.status.name == "CANCELED"
    state = await site.get("workflows/a/control")
    assert (state["status"], state["reason"], state["by"]) == ("cancelled", "too dear", "ann")


async def test_pending_approvals_of_all_runs(site: Site) -> None:
    first = await site.start(Asking.run, "first")
    await site.start(Asking.run, "second")
    await site.start(Other.run, "other")
    await site.client.start_workflow("Nobody", id="no worker", task_queue="elsewhere")
    assert await _eventually(site, 2) == {("first", "approval-1"), ("second", "approval-1")}
    await site.post("workflows/first/approvals/approval-1/approve")
    await first.result()
    narrowed = await site.get("approvals?query=WorkflowType = 'Asking' OR WorkflowType = 'Nothing'")
    assert [(it["workflowId"], it["approval"]["question"]) for it in narrowed["approvals"]] == [
        ("second", "Follow this plan?")
    ]
    assert (narrowed["asked"], narrowed["unanswered"], narrowed["more"]) == (1, [], False)
    await site.get("approvals?query=nonsense", status=400)


async def _eventually(site: Site, count: int) -> set[tuple[str, str]]:
    answer = await site.get("approvals?query=TaskQueue = 'q'")
    assert (answer["asked"], answer["unanswered"]) == (3, [])
    found = {(it["workflowId"], it["approval"]["id"]) for it in answer["approvals"]}
    assert len(found) == count
    return found


async def test_a_run_that_nobody_answers_for_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_agent_calls, "_ANSWER_S_MAX", 0.05)
    await site.client.start_workflow("Nobody", id="alone", task_queue="elsewhere")
    assert await site.get("approvals") == {
        "approvals": [],
        "asked": 1,
        "unanswered": ["alone"],
        "paused": [],
        "more": False,
    }


async def test_a_run_that_is_paused_is_named_and_says_so_when_asked(site: Site) -> None:
    handle = await site.start(Asking.run, "held")
    await site.get("workflows/held/approvals")
    await handle.pause(reason="look at this first")
    pending = await site.get("approvals?query=WorkflowType = 'Asking'")
    assert pending == {"approvals": [], "asked": 1, "unanswered": [], "paused": ["held"], "more": False}
    for path in ("approvals", "control"):
        refused = await site.get(f"workflows/held/{path}", status=400)
        assert refused["message"].startswith("workflow 'held' is paused (as by `tsuzuki workflow pause`)")
    refused = await site.post("workflows/held/approvals/approval-1/approve", status=400)
    assert "Unpause it first" in refused["message"]
    await handle.unpause()
    await site.post("workflows/held/approvals/approval-1/approve", {"by": "ben"})
    assert await handle.result() == "True by ben: None"


async def test_a_budget_is_seen_and_raised(site: Site) -> None:
    handle = await site.start(Spending.run, "rich")
    await _until_it_waits(site)
    seen = await site.get("workflows/rich/budget")
    assert seen["budget"]["id"] == "rich"
    assert seen["budget"]["exhausted"]["wanted"]["tokens"] == 150
    assert [it["limit"]["tokens"] for it in seen["states"]] == [100]
    raised = await site.post("workflows/rich/budget/increase", {"tokens": 50, "reason": "worth it", "by": "ann"})
    assert raised["state"]["limit"]["tokens"] == 150
    assert await handle.result() == 42
    assert (await site.get("workflows/rich/budget"))["states"][0]["used"]["tokens"] == 120


async def _until_it_waits(site: Site) -> None:
    while (await site.get("workflows/rich/budget"))["budget"]["waiting"] == 0:
        pass


async def test_executions_and_what_they_came_to(site: Site) -> None:
    for name in ("one", "two"):
        handle = await site.start(Asking.run, name)
        await site.post(f"workflows/{name}/approvals/approval-1/approve")
        await handle.result()
    everything = (await site.get("executions"))["executions"]
    assert [it["workflowId"] for it in everything] == ["one", "two"]
    assert everything[0]["execution"]["output"] == "because"
    assert [it["workflowId"] for it in (await site.get("executions?limit=1"))["executions"]] == ["two"]
    assert len((await site.get("workflows/one/executions"))["executions"]) == 1
    sums = {"executions": 2, "failed": 0, "tokens_used": 24, "micros": 6800}
    assert await site.get("executions/totals") == {"totals": [{"of": "planner", **sums}]}
    assert await site.get("executions/totals?by=model") == {"totals": [{"of": "test model", **sums}]}
    (of_one,) = (await site.get("workflows/one/executions/totals?by=workflow_id"))["totals"]
    assert (of_one["of"], of_one["executions"]) == ("one", 1)
    site.base = "/api/v1/namespaces/elsewhere/"
    assert await site.get("executions") == {"executions": []}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("control/pause", {"reasn": "x"}, "there is no field 'reasn' here; expected reason, by."),
        ("control/pause", {"reason": 5}, "reason is 5; expected a JSON string."),
        ("budget/increase", {"tokens": "5"}, 'tokens is "5"; expected a JSON integer.'),
        ("budget/increase", {"tokens": True}, "tokens is true; expected a JSON integer."),
        ("budget/increase", {}, "say by how much: 'tokens', 'micros' (millionths), or both."),
    ],
)
async def test_what_makes_no_sense_is_refused(site: Site, path: str, body: dict[str, Any], message: str) -> None:
    await site.start(Other.run, "w")
    refused = await site.post(f"workflows/w/{path}", body, status=400)
    assert refused["message"] == message


@pytest.mark.parametrize("query", ["executions?limit=0", "executions?limit=x", "executions/totals?by=run_id"])
async def test_query_strings_that_make_no_sense(site: Site, query: str) -> None:
    assert (await site.get(query, status=400))["code"] == 3


async def test_other_workflows_say_what_they_lack(site: Site) -> None:
    await site.start(Other.run, "w")
    refused = await site.get("workflows/w/control", status=400)
    assert "get_control_state" in refused["message"]
    await site.get("workflows/nobody/control", status=404)


async def test_a_server_that_was_told_of_no_files_says_how(tmp_path: Path) -> None:
    async with site_with_agents(tmp_path, told=False) as site:
        refused = await site.get("executions", status=400)
        assert (
            refused["message"]
            == "this server was not told of a file of executions; start it with --agent-executions FILE."
        )
        await site.start(Spending.run, "rich")
        await _until_it_waits(site)
        assert (await site.get("workflows/rich/budget"))["states"] == []


async def test_a_file_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    file = tmp_path / "later.db"
    async with await Client.connect("sqlite://") as client:
        server = await HttpServer.start(client.service, HttpOptions(port=0, agent_executions=str(file)))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            refused = await http.get("/api/v1/executions")
        await server.stop()
    assert (refused.status_code, refused.json()["code"]) == (400, 9)
    assert not file.exists()


async def test_a_file_of_something_else_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("These are my notes, and no database at all. " * 100)
    async with await Client.connect("sqlite://") as client:
        server = await HttpServer.start(client.service, HttpOptions(port=0, agent_executions=str(file)))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            refused = await http.get("/api/v1/executions")
        await server.stop()
    assert (refused.status_code, refused.json()["code"]) == (400, 9)
    assert "notes.txt cannot be read: file is not a database" in refused.json()["message"]


async def test_the_description_has_them(site: Site) -> None:
    paths = (await site.http.get("/api/openapi.json")).json()["paths"]
    for route in AGENT_ROUTES:
        for prefix in ("/api/v1/", "/api/v1/namespaces/{namespace}/"):
            assert paths[prefix + route.path][route.verb.lower()]["tags"] == ["Agents"]


@pytest_asyncio.fixture
async def closed(tmp_path: Path) -> AsyncIterator[tuple[Guarded, httpx.AsyncClient]]:
    log = ExecutionLog(tmp_path / "executions.db")
    log.close()
    http = HttpOptions(port=0, agent_executions=str(tmp_path / "executions.db"))
    async with guarded(tmp_path, http=http) as running:
        assert running.server.http is not None
        async with httpx.AsyncClient(base_url=running.server.http.url, trust_env=False, timeout=60) as client:
            await client.post("/api/v1/workflows/w", json=START, headers=dict(running.metadata("admin")))
            yield running, client


@pytest.mark.parametrize(
    ("caller", "verb", "path", "status"),
    [
        ("nobody", "GET", "approvals", 401),
        ("nobody", "GET", "executions", 401),
        ("nobody", "POST", "workflows/w/control/pause", 401),
        ("reader", "GET", "approvals?query=WorkflowId='none'", 200),
        ("reader", "GET", "executions", 200),
        ("reader", "GET", "executions/totals", 200),
        ("reader", "POST", "workflows/w/control/pause", 403),
        ("reader", "POST", "workflows/w/control/cancel", 403),
        ("reader", "POST", "workflows/w/approvals/a/approve", 403),
        ("worker", "GET", "executions", 403),
        ("worker", "GET", "approvals", 403),
        ("worker", "GET", "workflows/w/control", 403),
        ("other namespace", "GET", "executions", 403),
        ("other namespace", "GET", "workflows/w/executions/totals", 403),
        ("other namespace", "POST", "workflows/w/control/pause", 403),
        ("writer", "POST", "workflows/w/control/pause", 200),
    ],
)
async def test_who_may_do_what(
    closed: tuple[Guarded, httpx.AsyncClient], caller: str, verb: str, path: str, status: int
) -> None:
    running, http = closed
    answer = await http.request(verb, f"/api/v1/{path}", headers=dict(running.metadata(caller)))
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("said", "told"), [({}, "writer"), ({"by": "ann"}, "ann (key of writer)"), ({"by": "writer"}, "writer")]
)
async def test_the_run_is_told_whose_key_it_was(
    closed: tuple[Guarded, httpx.AsyncClient], said: dict[str, str], told: str
) -> None:
    running, http = closed
    headers = dict(running.metadata("writer"))
    await http.post("/api/v1/workflows/w/control/pause", headers=headers, json=said)
    events = (await http.get("/api/v1/workflows/w/history", headers=headers)).json()["history"]["events"]
    signal = events[-1]["workflowExecutionSignaledEventAttributes"]
    assert (signal["identity"], signal["input"][0]["by"]) == (told, told)
