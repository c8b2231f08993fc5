"""From "it failed" to "mended" at the command line: find the run, read its history, name the activity, look at its
input and error, reproduce it here with the same input, mend it, and let the run go on from there.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path

import pytest

from cli._site import CODE, execute, run, run_json

WORKER = ("--worker", "cli_code", "-t", "q")


def test_the_steps_of_debugging(here: Path) -> None:
    execute("tea")
    execute("bad", workflow_id="task-123", code=1)

    # 1, 2: open the list, and find the workflow that has the problem
    failed = run_json("workflow", "list", "-q", "ExecutionStatus = 'Failed'")
    assert [it["execution"]["workflowId"] for it in failed] == ["task-123"]

    # 3: its history
    shown = run("workflow", "show", "-w", "task-123").stdout
    assert "ActivityTaskScheduled                  search  bad" in shown
    assert "ActivityTaskFailed                     no such word" in shown

    # 4: the activity that failed
    steps = run_json("workflow", "trace", "-w", "task-123")["children"]
    [culprit] = [step for step in steps if step["status"] == "failed"]
    assert (culprit["name"], culprit["id"]) == ("search", "1")
    assert "no such word" in culprit["note"]

    # 5: its input and its error
    events = run_json("workflow", "show", "-w", "task-123")["events"]
    scheduled = next(it for it in events if it["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")
    asked = scheduled["activityTaskScheduledEventAttributes"]
    detailed = run("workflow", "show", "-w", "task-123", "--detailed").stdout
    assert '"input": [\n    "bad"\n  ]' in detailed
    outcome = next(it for it in events if it["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_FAILED")
    failure = outcome["activityTaskFailedEventAttributes"]["failure"]
    assert failure["applicationFailureInfo"]["type"] == "ValueError"

    # 6: the same input, here: the activity by itself, and the workflow's code by its exported history
    assert asked["activityType"]["name"] == "search"
    with pytest.raises(ValueError, match="no such word"):
        asyncio.run(importlib.import_module("cli_code").search("bad"))
    (here / "history.json").write_text(json.dumps({"events": events}))
    assert run_json("workflow", "replay", "-f", "history.json", "--workflows", "cli_code")["replays"]
    state = run_json("workflow", "state", "-w", "task-123", "-e", scheduled["eventId"], "--workflows", "cli_code")
    [frame] = [each for each in state["tasks"][0]["frames"] if each["user"]]
    variables = {each["name"]: each["text"] for each in frame["variables"]}
    assert variables["word"] == "'bad'"

    # mended: the run goes on, in a fork, from before the activity was done
    (here / "cli_code.py").write_text(CODE.replace('if word == "bad":', "if False:"))
    sys.modules.pop("cli_code")
    run("workflow", "fork", "-w", "task-123", "-e", scheduled["eventId"], "--new-workflow-id", "task-123-mended")
    assert run_json("workflow", "result", "-w", "task-123-mended", *WORKER)["result"] == "BAD"
