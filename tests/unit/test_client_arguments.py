"""Bad input that the client refuses before anything is sent, each with a message that names it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from answering_service import AnsweringService

from tsuzuki import workflow
from tsuzuki.client import Client, InvalidArgumentError
from tsuzuki.common import RawValue, RetryPolicy
from tsuzuki.converter import PayloadEncodeError


@pytest.fixture
def client() -> Client:
    return Client(AnsweringService().service)  # any request fails the test: nothing may be sent


START: dict[str, Any] = {"id": "w", "task_queue": "q"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": ""}, "the workflow id is empty; it must have 1 to 1000 characters"),
        ({"id": "x" * 1001}, "the workflow id has 1001 characters .*; the bound is 1000"),
        ({"id": "a\0b"}, "the workflow id 'a.x00b' contains a NUL character at position 1"),
        ({"id": "a\ud800"}, "the workflow id 'a.ud800' contains half of a surrogate pair"),
        ({"id": 5}, r"the workflow id is 5 \(int\); it must be a str"),
        ({"id": None}, r"the workflow id is None \(NoneType\); it must be a str"),
        ({"task_queue": ""}, "the task queue is empty"),
        ({"task_queue": "q" * 1001}, "the task queue has 1001 characters"),
        ({"run_timeout": timedelta(0)}, "run_timeout is 0:00:00; it must be more than zero"),
        ({"run_timeout": timedelta(seconds=-1)}, "run_timeout is -1 day.*; it must be more than zero"),
        ({"execution_timeout": timedelta(0)}, "execution_timeout is 0:00:00"),
        ({"task_timeout": timedelta(0)}, "task_timeout is 0:00:00"),
        (
            {"run_timeout": 60},
            r"run_timeout is 60 \(int\); it must be a datetime.timedelta, such as timedelta\(seconds=60\)",
        ),
        ({"start_delay": timedelta(seconds=-1)}, "start_delay is .*; it must not be negative"),
        ({"start_delay": 1.5}, "start_delay is 1.5 .float.*timedelta"),
        ({"request_id": ""}, "request_id is empty"),
        ({"retry_policy": RetryPolicy(maximum_attempts=-1)}, "RetryPolicy.maximum_attempts is -1"),
        ({"search_attributes": {"At": datetime(2026, 1, 1)}}, "'At' is a datetime without a time zone"),
        ({"search_attributes": {"At": object()}}, "'At' is a object; it must be a str"),
    ],
    ids=lambda given: given if isinstance(given, str) else ",".join(given),
)
async def test_options_out_of_bounds(client: Client, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        await client.start_workflow("Research", **{**START, **options})


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "the workflow type is empty"), ("x" * 1001, "the workflow type has 1001 characters")],
)
async def test_the_name_of_the_workflow(client: Client, name: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        await client.start_workflow(name, **START)


async def test_arg_and_args_exclude_each_other(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="both arg and args are given"):
        await client.start_workflow("Research", 1, args=[2], **START)


async def test_args_must_not_be_a_text(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="args is 'question'; it must be a list of arguments"):
        await client.start_workflow("Research", args="question", **START)


async def test_a_misspelt_option_gets_the_nearest_match(client: Client) -> None:
    with pytest.raises(TypeError, match="no option 'retry_polic'; did you mean 'retry_policy'"):
        await client.start_workflow("Research", **START, retry_polic=None)  # type: ignore[call-overload]


@pytest.mark.parametrize("missing", ["id", "task_queue"])
async def test_a_required_option_is_missing(client: Client, missing: str) -> None:
    options = {name: value for name, value in START.items() if name != missing}
    with pytest.raises(TypeError, match=f"start_workflow needs {missing}=..."):
        await client.start_workflow("Research", **options)


async def test_an_argument_without_a_payload_form(client: Client) -> None:
    with pytest.raises(PayloadEncodeError, match=r"value 1 .*object"):
        await client.start_workflow("Research", args=["question", object()], **START)


async def test_something_that_is_no_workflow(client: Client) -> None:
    async def plain() -> None: ...

    with pytest.raises(TypeError, match=r"plain is not a workflow: decorate it .* with @workflow.defn"):
        await client.start_workflow(plain, **START)


async def test_the_dynamic_workflow_has_no_name_to_start_it_by(client: Client) -> None:
    with pytest.raises(ValueError, match="has no name of its own"):
        await client.start_workflow(Anything, **START)


@workflow.defn(dynamic=True)
class Anything:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...


@pytest.mark.parametrize("workflow_id", ["", "x" * 1001, "a\0", None])
def test_a_handle_needs_a_possible_id(client: Client, workflow_id: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="the workflow id"):
        client.get_workflow_handle(workflow_id)


async def test_a_signal_needs_a_name(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="the signal name is empty"):
        await client.get_workflow_handle("w").signal("")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({}, "by task_token, or by workflow_id and activity_id"),
        ({"task_token": b"t", "workflow_id": "w", "activity_id": "a"}, "by task_token, or by workflow_id"),
        ({"workflow_id": "w"}, "activity_id is None"),
        ({"activity_id": "a"}, "workflow_id is None"),
        ({"workflow_id": "", "activity_id": "a"}, "workflow_id is empty"),
    ],
)
def test_an_activity_is_named_in_one_of_two_ways(client: Client, ids: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        client.get_async_activity_handle(**ids)


@pytest.mark.parametrize(("page_size", "limit"), [(0, None), (-1, None), (1, -1)])
async def test_pages_and_limits_are_not_negative(client: Client, page_size: int, limit: int | None) -> None:
    with pytest.raises(InvalidArgumentError, match="page_size must be 1 or more, limit 0 or more"):
        await anext(client.list_workflows(page_size=page_size, limit=limit))


def test_a_namespace_needs_a_name() -> None:
    with pytest.raises(InvalidArgumentError, match="namespace is empty"):
        Client(AnsweringService().service, namespace="")
