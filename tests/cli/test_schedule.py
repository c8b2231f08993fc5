"""`tsuzuki schedule`, on a database file."""

from __future__ import annotations

import pytest

from cli._site import run, run_json

pytestmark = pytest.mark.usefixtures("here")

CREATE = ("schedule", "create", "-s", "daily", "--type", "Research", "-t", "q", "-i", '"tea"')


def test_a_schedule_lives() -> None:
    run(
        *CREATE,
        "--cron",
        "30 12 * * MON-FRI",
        "--interval",
        "6h/5h",
        "--notes",
        "for tea",
        "--overlap-policy",
        "AllowAll",
    )
    [listed] = run_json("schedule", "list")
    assert (listed["scheduleId"], listed["workflowType"], listed["paused"]) == ("daily", "Research", False)
    assert listed["nextActionTimes"]
    run("schedule", "toggle", "-s", "daily", "--pause", "--reason", "no tea left")
    shown = run("schedule", "describe", "-s", "daily").stdout
    assert "State         Paused" in shown
    assert "Notes         no tea left" in shown
    assert "Overlap       AllowAll" in shown
    run("schedule", "toggle", "-s", "daily", "--unpause")
    run("schedule", "trigger", "-s", "daily")
    begin, end = ("--start-time", "2026-01-01"), ("--end-time", "2026-01-01T23:59:59")
    run("schedule", "backfill", "-s", "daily", *begin, *end, "--overlap-policy", "AllowAll")
    assert run_json("schedule", "delete", "-s", "daily") == {"scheduleId": "daily", "status": "DELETED"}
    assert run_json("schedule", "list") == []


def test_what_a_trigger_starts_is_a_workflow() -> None:
    run(*CREATE, "--interval", "24h", "--paused")
    run("schedule", "trigger", "-s", "daily", "--overlap-policy", "AllowAll")
    done = run_json("schedule", "describe", "-s", "daily")
    assert done["schedule"]["state"]["paused"]
    started = [it["execution"]["workflowId"] for it in run_json("workflow", "list")]
    assert [workflow_id.startswith("daily-") for workflow_id in started] == [True]


def test_what_is_wrong_is_one_line() -> None:
    run(*CREATE, "--interval", "24h")
    assert "there is a schedule daily already" in run(*CREATE, "--interval", "24h", code=1).stderr
    assert "give --calendar, --cron or --interval" in run(*CREATE, code=2).stderr
    assert "expected one of Skip" in run(*CREATE, "--interval", "1h", "--overlap-policy", "No", code=2).stderr
    assert "one of them" in run("schedule", "toggle", "-s", "daily", code=2).stderr
    missing = run("schedule", "describe", "-s", "nobody", code=1).stderr
    assert missing.count("\n") == 1
    assert missing.startswith("tsuzuki: ")


def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    run(*CREATE, "--cron", "30 12 * * MON", "--interval", "6h", "--notes", "for tea", "--overlap-policy", "AllowAll")
    run("schedule", "update", "-s", "daily", "--notes", "for coffee", "-i", '"coffee"', "--remaining-actions", "3")
    after = run_json("schedule", "describe", "-s", "daily")["schedule"]
    assert after["action"]["startWorkflow"]["input"] == ["coffee"]
    assert after["action"]["startWorkflow"]["workflowType"] == {"name": "Research"}
    assert after["policies"]["overlapPolicy"] == "SCHEDULE_OVERLAP_POLICY_ALLOW_ALL"
    assert (after["state"]["notes"], after["state"]["remainingActions"]) == ("for coffee", "3")
    assert len(after["spec"]["structuredCalendar"]) == len(after["spec"]["interval"]) == 1
    run(
        "schedule",
        "update",
        "-s",
        "daily",
        "--interval",
        "1h",
        "--type",
        "Other",
        "--paused",
        "--remaining-actions",
        "0",
    )
    after = run_json("schedule", "describe", "-s", "daily")["schedule"]
    assert "structuredCalendar" not in after["spec"]
    assert after["spec"]["interval"][0]["interval"] == "3600s"
    assert after["action"]["startWorkflow"]["workflowType"] == {"name": "Other"}
    assert after["action"]["startWorkflow"]["input"] == ["coffee"]
    assert after["state"]["paused"]
    assert "limitedActions" not in after["state"]
    assert run("schedule", "update", "-s", "nobody", "--notes", "x", code=1).stderr.count("\n") == 1
