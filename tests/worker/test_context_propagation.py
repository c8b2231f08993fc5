"""Context variables through client, workflow, handlers, activities, children and next runs; also over a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.exceptions import ApplicationError
from tsuzuki.propagation import ContextVarPropagation
from tsuzuki.worker import Worker

LONG = timedelta(seconds=30)


@dataclass(frozen=True)
class User:
    name: str


USER: ContextVar[User] = ContextVar("user")
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody's")


def here() -> str:
    user = USER.get(None)
    return f"{user.name if user else '-'} {TENANT.get()}"


@activity.defn
async def in_task() -> str:
    return here()


@activity.defn
def in_thread() -> str:
    return here()


@workflow.defn
class Child:
    @workflow.run
    async def run(self) -> str:
        return here()


@workflow.defn
class Parent:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, runs: int, heard: list[str]) -> list[str]:
        self.heard = heard
        self.heard.append(f"run {here()}")
        for act in (in_task, in_thread):
            self.heard.append(f"activity {await workflow.execute_activity(act, start_to_close_timeout=LONG)}")
        self.heard.append(f"child {await workflow.execute_child_workflow(Child.run)}")
        await workflow.wait_condition(lambda: any("signal" in line for line in self.heard))
        if runs > 1:
            workflow.continue_as_new(args=[runs - 1, self.heard])
        return self.heard

    @workflow.signal
    async def tell(self) -> None:
        found = await workflow.execute_activity(in_task, start_to_close_timeout=LONG)
        self.heard.append(f"signal {here()}, its activity {found}")

    @workflow.query
    def ask(self) -> str:
        return here()

    @workflow.update
    async def change(self) -> str:
        return here()

    @change.validator
    def check(self) -> None:
        if TENANT.get() == "forbidden":
            raise ApplicationError("not this tenant")


@asynccontextmanager
async def running(target: str, cached: int = 100) -> AsyncIterator[Client]:
    propagation = ContextVarPropagation({"user": USER, "tenant": TENANT}, types={"user": User})
    async with (
        await Client.connect(target, interceptors=[propagation]) as client,
        Worker(
            client,
            task_queue="q",
            workflows=[Parent, Child],
            activities=[in_task, in_thread],
            max_cached_workflows=cached,
        ),
    ):
        yield client


async def as_user(name: str, tenant: str, call: Any) -> Any:
    """Make a call in a context of its own."""

    async def inner() -> Any:
        USER.set(User(name))
        TENANT.set(tenant)
        return await call()

    return await asyncio.create_task(inner())


@pytest.mark.parametrize("cached", [100, 0], ids=["incremental", "replay"])
async def test_context_reaches_everything_that_was_called_and_nothing_else(cached: int) -> None:
    async with running("sqlite://", cached) as client:
        handle = await as_user(
            "ada", "blue", lambda: client.start_workflow(Parent.run, args=[2, []], id="w", task_queue="q")
        )
        assert await as_user("bob", "red", lambda: handle.query(Parent.ask)) == "bob red"
        assert await as_user("eve", "green", lambda: handle.execute_update(Parent.change)) == "eve green"
        with pytest.raises(Exception) as refused:  # noqa: PT011
            await as_user("eve", "forbidden", lambda: handle.execute_update(Parent.change))
        assert "not this tenant" in str(refused.value.__cause__)
        assert await handle.query(Parent.ask) == "- nobody's"  # not what somebody else left
        await as_user("bob", "red", lambda: handle.signal(Parent.tell))
        heard = await asyncio.wait_for(handle.result(), 60)
        assert "signal bob red, its activity bob red" in heard
        heard.remove("signal bob red, its activity bob red")
        once = ["run ada blue", "activity ada blue", "activity ada blue", "child ada blue"]
        assert heard == once * 2
        assert here() == "- nobody's"


async def test_context_is_there_after_a_crash_in_another_process_of_the_worker(tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'runs.db'}"
    propagation = ContextVarPropagation({"user": USER, "tenant": TENANT}, types={"user": User})
    async with await Client.connect(target, interceptors=[propagation]) as client:  # and no worker at all
        await as_user("ada", "blue", lambda: client.start_workflow(Parent.run, args=[1, []], id="w", task_queue="q"))
    async with running(target) as client:
        handle = client.get_workflow_handle("w")
        while True:  # until the run has been in a cache, with something recorded
            history = await handle.fetch_history()
            if any(event.HasField("activity_task_completed_event_attributes") for event in history.events):
                break
            await asyncio.sleep(0)
    async with running(target) as client:  # rebuilt from history, by a worker that has never seen ada
        handle = client.get_workflow_handle("w")
        await handle.signal(Parent.tell)
        heard = await asyncio.wait_for(handle.result(), 60)
        signals = [line for line in heard if line.startswith("signal")]
        assert signals == ["signal - nobody's, its activity - nobody's"]
        assert [line for line in heard if line not in signals] == [
            "run ada blue",
            "activity ada blue",
            "activity ada blue",
            "child ada blue",
        ]
