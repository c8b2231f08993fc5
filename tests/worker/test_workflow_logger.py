"""The workflow's logger: once, whatever is replayed, with the fields that the official SDK puts on records."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_run import RUN_ID, ScriptedRun

from tsuzuki import workflow

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

IDENTITY = {
    "attempt": 1,
    "namespace": "default",
    "run_id": RUN_ID,
    "task_queue": "queue",
    "workflow_id": "workflow-id",
    "workflow_type": "Talks",
}


@workflow.defn
class Talks:
    @workflow.run
    async def run(self) -> None:
        workflow.logger.warning("at the start", extra={"mine": 1})
        await workflow.sleep(1)
        workflow.logger.warning("at the end")

    @workflow.update
    def change(self) -> None:
        workflow.logger.warning("changed")


def fields(record: Any) -> Any:
    return record.temporal_workflow


def test_records_are_written_once_and_say_where_they_come_from(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = ScriptedRun(Talks, cached=cached)
    run.update("u1", "change")
    run.workflow_task()
    run.fire_timer(run.next_timer())
    run.workflow_task()
    assert run.closed
    found = {record.message.partition(" (")[0]: record for record in caplog.records}
    assert len(caplog.records) == len(found) == 3
    assert fields(found["at the start"]) == IDENTITY
    assert found["at the start"].mine == 1  # type: ignore[attr-defined]
    assert fields(found["changed"]) == {**IDENTITY, "update_id": "u1", "update_name": "change"}
    assert f"'run_id': '{RUN_ID}'" in found["at the end"].message


def test_what_is_added_can_be_chosen(
    cached: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow.logger, "workflow_info_on_message", False)
    monkeypatch.setattr(workflow.logger, "workflow_info_on_extra", False)
    monkeypatch.setattr(workflow.logger, "full_workflow_info_on_extra", True)
    run = ScriptedRun(Talks, cached=cached)
    run.workflow_task()
    (record,) = caplog.records
    assert record.message == "at the start"
    assert not hasattr(record, "temporal_workflow")
    assert record.workflow_info.run_id == RUN_ID  # type: ignore[attr-defined]
