"""`--interceptor`: what stands around workflow code is part of histories, so replays and checks must have it too."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli._site import execute, run, run_json, start

INTERCEPTORS = """
from datetime import timedelta
from tsuzuki import client, worker, workflow

class Inbound(worker.WorkflowInboundInterceptor):
    async def execute_workflow(self, input):
        await workflow.sleep(timedelta(milliseconds=1))
        return await super().execute_workflow(input)

class Pauses(worker.Interceptor):
    def workflow_interceptor_class(self, input):
        return Inbound

class Signed(client.OutboundInterceptor):
    async def start_workflow(self, input):
        input.memo = {**(input.memo or {}), "signed": True}
        return await super().start_workflow(input)

class Signs(client.Interceptor):
    def intercept_client(self, next):
        return Signed(next)

class Both(Signs, Pauses):
    pass

pauses = Pauses()
nothing = 5
"""


@pytest.fixture(autouse=True)
def folder(here: Path) -> Path:
    import sys

    sys.modules.pop("cli_around", None)
    (here / "cli_around.py").write_text(INTERCEPTORS)
    return here


@pytest.mark.parametrize("name", ["cli_around:Pauses", "cli_around:pauses", "cli_around:Both"])
def test_replays_and_checks_need_what_the_worker_had(name: str) -> None:
    around = ("--interceptor", name)
    execute("tea", *around)
    names = [event["eventType"] for event in run_json("workflow", "show", "-w", "one")["events"]]
    assert names.count("EVENT_TYPE_TIMER_FIRED") == 1  # once, also by one that is the client's and the worker's
    code = ("--workflows", "cli_code")
    for command in (
        ("workflow", "replay", "-w", "one", *code),
        ("check", *code, "--allow-empty", "*"),
    ):
        run(*command, code=1)
        run(*command, *around)
    assert run_json("workflow", "query", "-w", "one", "--name", "count", *code, *around) == {"queryResult": [0]}
    assert run_json("workflow", "state", "-w", "one", "--event", "5", *code, *around)["pending"][0]["kind"] == "timer"


def test_one_of_the_client_sees_its_calls() -> None:
    start("tea", "--interceptor", "cli_around:Both", "--memo", "by=1")
    memo = run_json("workflow", "describe", "-w", "one")["workflowExecutionInfo"]["memo"]["fields"]
    assert memo == {"by": 1, "signed": True}


def test_a_variable_names_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSUZUKI_INTERCEPTORS", "cli_around:Signs cli_around:Pauses")
    execute("tea")
    run("check", "--workflows", "cli_code", "--allow-empty", "*")
    monkeypatch.setenv("TSUZUKI_INTERCEPTORS", "cli_around:Signs")
    run("check", "--workflows", "cli_code", "--allow-empty", "*", code=1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cli_around:nothing", "--interceptor cli_around:nothing is a int; expected a tsuzuki.client.Interceptor or"),
        ("cli_around:Missing", "has no attribute 'Missing'. Expected MODULE:OBJECT"),
        ("no_such:Thing", "there is no module 'no_such'"),
        ("cli_around", "Expected MODULE:OBJECT"),
    ],
)
def test_what_is_none_is_one_line(name: str, says: str) -> None:
    start("tea")
    refused = run("workflow", "list", "--interceptor", name, code=2).stderr
    assert refused.count("\n") == 1
    assert says in refused
