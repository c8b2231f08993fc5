"""Reading a run's log, live, from wherever one stopped. A position in it is `<run id>:<offset>`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest

from tsuzuki.service import ServiceError, StatusCode

from ..common.log_frames import LOG_QUERY
from ..common.stream_frames import read_frame, write_frame
from ._beside_history import is_ours, run_meant
from ._context import ClientContext
from ._errors import InvalidArgumentError, RPCError, client_error
from ._result import next_run_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WAIT_S: Final = 15.0


@dataclass(frozen=True)
class LogLine:
    """A line of a run's log.

    Attributes:
        id: Where it stands: `read_logs(after=...)` goes on behind it.
        at: When it was logged, by the worker's clock, in UTC.
        level: A number of `logging`: 20 is INFO.
        logger: Name of the logger.
        message: What was said.
        fields: What `extra` held, as scalars and bounded texts; `(masked)` for those with the names of secrets.
        exception: The traceback, if one was logged; empty otherwise.
        activity_id: Of the activity that said it; empty for the workflow.
        activity_type: Its type.
        attempt: Which attempt's; 0 for the workflow.
    """

    id: str
    at: datetime
    level: int
    logger: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    exception: str = ""
    activity_id: str = ""
    activity_type: str = ""
    attempt: int = 0

    @property
    def run_id(self) -> str:
        """Whose run it is of."""
        return self.id.partition(":")[0]


async def read_logs(
    context: ClientContext,
    workflow_id: str,
    run_id: str,
    after: str,
    *,
    last: int | None,
    wait: bool,
    follow_runs: bool,
) -> AsyncIterator[LogLine]:
    """Yield the lines after a position, until the run, or the last one of its chain, has closed and all were seen.

    Raises:
        RPCError: The subclass that fits.
    """
    run_of, separator, place = after.partition(":")
    if after and not (separator and place.isdecimal()):
        raise InvalidArgumentError(f"after={after[:80]!r} is no position in a log; give the id of one of its lines")
    if not await is_ours(context):
        refused = "The server keeps no logs of runs; look at what the workers themselves have logged."
        raise client_error(ServiceError(StatusCode.UNIMPLEMENTED, refused), RPCError)
    execution = await run_meant(context, workflow_id, run_of or run_id)
    offset = int(place or 0)
    while True:
        async for line in _of_run(context, execution, offset, last, wait=wait):
            yield line
        if not (follow_runs and wait):
            return
        execution.run_id, offset, last = await next_run_id(context, workflow_id, execution.run_id), 0, None
        if not execution.run_id:
            return


async def _of_run(
    context: ClientContext, execution: WorkflowExecution, offset: int, last: int | None, *, wait: bool
) -> AsyncIterator[LogLine]:
    while True:
        asked = QueryWorkflowRequest(namespace=context.namespace, execution=execution)
        asked.query.query_type = LOG_QUERY
        facts = {"after": offset, "last": last, "wait_s": _WAIT_S if wait else 0}
        asked.query.query_args.payloads.append(write_frame(facts))
        answer = (await context.calls.send(context.service.query_workflow, asked)).query_result
        page, last = read_frame(answer.payloads), None
        for batch, payload in zip(page["batches"], answer.payloads[1:], strict=True):
            lines: list[dict[str, Any]] = context.payloads.from_payload(payload, list[dict[str, Any]])
            for place, line in enumerate(lines[: batch["lines"]], batch["first"]):
                if place > offset and place > page["after"]:
                    yield _line(f"{execution.run_id}:{place}", line)
            # By what the engine counts, also where a writer said more than it sent: else it were asked for for ever.
            offset = batch["first"] + batch["lines"] - 1
        if page["closed"] or not (wait or page["batches"]):
            return


def _line(id: str, said: Mapping[str, Any]) -> LogLine:
    """A line as a worker sent it; what later versions say besides is left out."""
    at = _EPOCH + timedelta(microseconds=said["at_ns"] // 1000)
    return LogLine(id, at, **{name: value for name, value in said.items() if name in _SAID})


_SAID: Final = {each.name for each in fields(LogLine)} - {"id", "at"}
