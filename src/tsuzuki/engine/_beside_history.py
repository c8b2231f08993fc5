"""Reading what a run says beside its history, its event stream and its log: by page, with a wait for what is new."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

from temporalio.api.common.v1 import Payload, Payloads

from tsuzuki.common.stream_frames import write_frame
from tsuzuki.core.execution import Execution
from tsuzuki.core.refusal import InvalidInput, NotFound
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import StoreError

from ._engine import Engine
from ._news import wait_for_news
from ._refusals import service_error

PAGE_BYTES_MAX: Final = 1 << 20
PAGE_ROWS_MAX: Final = 200
WAIT_S_MAX: Final = 20.0

Row = TypeVar("Row")


class Asked(NamedTuple):
    """What a reader wants.

    Attributes:
        after: The offset of the last that was seen.
        wait_s: How long to wait for another one.
        given: All that it said.
    """

    after: int
    wait_s: float
    given: dict[str, Any]


def read_asked(args: Payloads, expected: str) -> Asked:
    """Read the argument of a query.

    Raises:
        InvalidInput: It makes no sense; `expected` says what would.
    """
    given: Any = {}
    try:
        if args.payloads:
            given = json.loads(args.payloads[0].data)
        after, wait_s = given.get("after", 0), given.get("wait_s", 0)
    except (ValueError, AttributeError, RecursionError):
        raise InvalidInput(expected) from None
    if not is_offset(after) or type(wait_s) not in (int, float) or not wait_s >= 0:
        raise InvalidInput(expected)
    return Asked(after, float(min(wait_s, WAIT_S_MAX)), given)


def is_offset(value: object) -> bool:
    """Whether it is a number of events or lines."""
    return type(value) is int and 0 <= value < 1 << 53


@contextmanager
def reading(run: Execution, what: str) -> Iterator[None]:
    """Inside, the store is asked for the `what` of a run.

    Raises:
        ServiceError: UNAVAILABLE: it cannot be read; the same may be asked later.
    """
    try:
        yield
    except StoreError as error:
        about = f"the {what} of workflow '{run.workflow_id}', run {run.run_id}, cannot be read now: {error}"
        raise ServiceError(StatusCode.UNAVAILABLE, about) from error


def page(
    rows: Sequence[Row],
    payload_of: Callable[[Row], bytes],
    describe: Callable[[Row], dict[str, Any]],
    *,
    closed: bool,
    **facts: Any,
) -> Payloads:
    """A frame that describes each batch, and the batches. `closed`: nothing follows after the last offset."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        size += len(payload_of(row))
        if taken and size > PAGE_BYTES_MAX:
            break
        taken.append(row)
    more = size > PAGE_BYTES_MAX or len(rows) == PAGE_ROWS_MAX
    frame = write_frame({"closed": closed and not more, **facts, "batches": [describe(row) for row in taken]})
    return Payloads(payloads=[frame, *(Payload.FromString(payload_of(row)) for row in taken)])


async def after_news(engine: Engine, run: Execution, until_ns: int) -> Execution:
    """Return the run when something of it was committed, when the engine starts over, or when it is late.

    Raises:
        ServiceError: NOT_FOUND: it was deleted meanwhile.
    """
    await wait_for_news(engine, run, until_ns)
    found = engine.runs.get(run.key)
    if found is None:
        raise service_error(NotFound(f"workflow '{run.workflow_id}', run {run.run_id}, was deleted."))
    return found
