"""`tsuzuki operator`, `task-queue` and `worker list`, on a database file and on a server with a worker."""

from __future__ import annotations

import pytest

from cli._site import run, run_json, start
from cli.test_on_a_server import command, server
from tsuzuki.server import Server

__all__ = ["server"]

pytestmark = pytest.mark.usefixtures("here")


def test_search_attributes_are_added_listed_and_removed() -> None:
    start("tea")
    both = ("operator", "search-attribute", "create", "--name", "Topic", "--name", "Rank")
    assert run(*both, "--type", "Keyword", "--type", "int").stdout == "Registered: Topic (Keyword), Rank (Int).\n"
    run(*both, "--type", "Keyword", "--type", "Int")  # again: nothing to do
    listed = {it["name"]: it["type"] for it in run_json("operator", "search-attribute", "list")}
    assert (listed["Topic"], listed["Rank"], listed["WorkflowId"]) == ("Keyword", "Int", "Keyword")
    run("workflow", "start", "--type", "Any", "-t", "q", "-w", "two", "--search-attribute", 'Topic="tea"')
    assert [it["execution"]["workflowId"] for it in run_json("workflow", "list", "-q", "Topic = 'tea'")] == ["two"]
    assert "is there already, as Keyword" in run(*both, "--type", "Text", code=1).stderr
    assert "expected one of Text" in run(*both, "--type", "Number", code=2).stderr
    assert "one for each" in run(*both, *("--type", "Text") * 3, code=2).stderr
    run("operator", "search-attribute", "remove", "--name", "Topic", "--yes")
    assert "Topic" not in run("operator", "search-attribute", "list").stdout


def test_namespaces_are_made_changed_and_deleted() -> None:
    start("tea")
    names = ("operator", "namespace")
    run(*names, "create", "team-a", "--description", "for a", "--retention", "30d")
    run(*names, "update", "team-a", "--email", "a@example.com")
    shown = run(*names, "describe", "team-a").stdout.splitlines()
    assert [line.split(maxsplit=1)[1] for line in shown if line.startswith(("  Desc", "  Owner", "  Ret"))] == [
        "for a",
        "a@example.com",
        "720h",
    ]
    assert run_json(*names, "describe")["namespaceInfo"]["name"] == "default"
    assert {it["namespaceInfo"]["name"] for it in run_json(*names, "list")} >= {"default", "team-a"}
    assert "team-a" in run_json("store", "info")["namespaces"]  # it has no run yet
    run("workflow", "start", "--type", "Any", "-t", "q", "-w", "w", "-n", "team-a")
    assert "what is to change?" in run(*names, "update", "team-a", code=2).stderr
    run(*names, "delete", "team-a", code=1)  # nobody types its name
    assert run_json("workflow", "count", "-n", "team-a")["count"] == 1
    assert run(*names, "delete", "team-a", "--yes").stdout == "Namespace team-a deleted.\n"
    assert run("workflow", "list", "-n", "team-a", code=1).stderr.count("\n") == 1


async def test_a_queue_shows_what_waits_and_who_polls(server: Server) -> None:
    await command("workflow", "start", "--type", "Any", "-t", "nobody's", "-w", "one")
    empty = await command("task-queue", "describe", "-t", "nobody's")
    assert empty["pollers"] == []
    assert [(it["taskQueueType"], it.get("approximateBacklogCount")) for it in empty["stats"]] == [
        ("workflow", "1"),
        ("activity", None),
    ]
    assert empty["stats"][0]["tasksAddRate"] > 0
    assert "tasksDispatchRate" not in empty["stats"][0]
    polled = await command("task-queue", "describe", "-t", "q")
    assert {it["taskQueueType"] for it in polled["pollers"]} == {"workflow", "activity"}
    assert {it["taskQueue"] for it in await command("worker", "list")} <= {"q"}  # once it was told


def test_a_queue_that_nobody_polls_says_so() -> None:
    start("tea")
    assert run("task-queue", "describe", "-t", "q").stdout.splitlines()[-1] == "No worker polls it."
