"""A history of 50,000 events: only what is in sight is in the page, and what is asked for comes in pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice import v1 as rpc

from tsuzuki.server import HttpOptions, HttpServer

EVENTS = 50_000
ROWS_MAX = 120
SECOND = 1_700_000_000


def event(event_id: int) -> HistoryEvent:
    """Of a history that starts activity after activity; each takes a second."""
    made = HistoryEvent(event_id=event_id)
    made.event_time.seconds = SECOND + event_id // 3
    if event_id == 1:
        made.event_type = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
        made.workflow_execution_started_event_attributes.workflow_type.name = "Long"
        return made
    kind = (event_id - 2) % 3
    if kind == 0:
        made.event_type = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        scheduled = made.activity_task_scheduled_event_attributes
        scheduled.activity_type.name = "step"
        scheduled.activity_id = str(event_id)
        scheduled.input.payloads.add(metadata={"encoding": b"json/plain"}, data=str(event_id).encode())
    elif kind == 1:
        made.event_type = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        made.activity_task_started_event_attributes.scheduled_event_id = event_id - 1
        made.activity_task_started_event_attributes.attempt = 1
    else:
        made.event_type = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        made.activity_task_completed_event_attributes.scheduled_event_id = event_id - 2
    return made


class LongRun:
    """A service that has one run, of `EVENTS` events, still open."""

    def __init__(self) -> None:
        self.events = [event(number) for number in range(1, EVENTS + 1)]
        self.pages: list[int] = []

    async def describe_workflow_execution(
        self, request: rpc.DescribeWorkflowExecutionRequest
    ) -> rpc.DescribeWorkflowExecutionResponse:
        described = rpc.DescribeWorkflowExecutionResponse()
        info = described.workflow_execution_info
        info.execution.workflow_id, info.execution.run_id = "long", "1"
        info.type.name, info.history_length, info.status = "Long", EVENTS, 1
        info.start_time.seconds = SECOND
        return described

    async def get_workflow_execution_history(
        self, request: rpc.GetWorkflowExecutionHistoryRequest
    ) -> rpc.GetWorkflowExecutionHistoryResponse:
        first = int(request.next_page_token or b"0")
        found = self.events[first : first + request.maximum_page_size]
        if not found:
            await asyncio.Event().wait()  # nothing new comes
        self.pages.append(first)
        response = rpc.GetWorkflowExecutionHistoryResponse(next_page_token=str(first + len(found)).encode())
        response.history.events.extend(found)
        return response


@pytest.fixture
def long_run() -> LongRun:
    return LongRun()


@pytest_asyncio.fixture(loop_scope="session")
async def url(long_run: LongRun) -> AsyncIterator[str]:
    http = await HttpServer.start(long_run, HttpOptions(port=0))
    yield http.url
    await http.stop()


async def test_only_what_is_in_sight_is_drawn(page: Page, long_run: LongRun) -> None:
    await page.goto("/ui/default/workflows/long/1")
    rows = page.locator("#history .row")
    await expect(rows.first).to_contain_text("WorkflowExecutionStarted")
    await expect(page.locator("#loaded")).to_contain_text("50,000 events")
    assert await rows.count() <= ROWS_MAX
    await page.get_by_role("button", name="Full").click()
    await page.locator("#history").focus()
    await page.keyboard.press("End")
    await expect(page.locator("#history .row.at")).to_contain_text("50000")
    assert await rows.count() <= ROWS_MAX
    assert await page.locator("#timeline svg *").count() < 1000
    await page.keyboard.press("Enter")
    await expect(page.locator("#event-text")).to_contain_text('"eventId": "50000"')
    assert long_run.pages[-1] == 48_200, "one event is fetched with its page, and not with those before it"


async def test_the_first_rows_do_not_wait_for_the_last(page: Page, long_run: LongRun) -> None:
    asked_when_shown = 0

    async def hold(route: object) -> None:
        if "token=&" not in (address := route.request.url) and not address.endswith("token="):  # type: ignore[attr-defined]
            return  # never answered: the second page and all after it
        await route.continue_()  # type: ignore[attr-defined]

    await page.route("**/rows?*", hold)
    await page.goto("/ui/default/workflows/long/1")
    await expect(page.locator("#history .row").first).to_contain_text("WorkflowExecutionStarted")
    await expect(page.locator("#loaded")).to_contain_text("200 events")
    asked_when_shown = len([first for first in long_run.pages if first])
    assert asked_when_shown == 0
