"""Interceptors around activities: in tasks, threads and processes, and when the attempt is to stop."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pooled_activities
import pytest
from scripted_service import CONVERTER, activities_running, activity_task, settle, values
from temporalio.api.workflowservice.v1 import RespondActivityTaskCanceledRequest

from tsuzuki import activity
from tsuzuki.common import RawValue
from tsuzuki.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Link(Interceptor):
    """Says when it is passed; sets a context variable from a header."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        name, seen = self.name, self.seen

        class Outbound(ActivityOutboundInterceptor):
            def info(self) -> activity.Info:
                seen.append(f"{name} info")
                return super().info()

            def heartbeat(self, *details: Any) -> None:
                super().heartbeat(*details, name)

        class Inbound(ActivityInboundInterceptor):
            def init(self, outbound: ActivityOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                where = "here" if input.executor is None else type(input.executor).__name__
                seen.append(f"{name} {input.fn.__name__} {list(input.args)} {where}")
                if "who" in input.headers:
                    WHO.set(CONVERTER.from_payloads([input.headers["who"]])[0])
                result = await super().execute_activity(input)
                seen.append(f"{name} got {result}")
                return result

        return Inbound(next)


class Doubles(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                input.args = [value * 2 for value in input.args]
                return await super().execute_activity(input)

        return Inbound(next)


@activity.defn
async def greet(name: str) -> str:
    return f"{name} {WHO.get()} {activity.info().activity_type}"


@activity.defn
def greet_in_thread(name: str) -> str:
    activity.heartbeat("alive")
    return f"{name} {WHO.get()} {activity.info().activity_type}"


def with_header(task: Any) -> Any:
    task.header.fields["who"].CopyFrom(CONVERTER.to_payloads(["ada"])[0])
    return task


async def test_async_activities_pass_the_links_in_order_with_their_context() -> None:
    seen: list[str] = []
    async with activities_running(greet, interceptors=[Link("a", seen), Link("b", seen)]) as setting:
        sent = await setting.run(with_header(activity_task("greet", "hi")))
    assert values(sent.result) == ["hi ada greet"]
    assert seen == [
        "a greet ['hi'] here",
        "b greet ['hi'] here",
        "b info",
        "a info",
        "b got hi ada greet",
        "a got hi ada greet",
    ]


async def test_context_and_heartbeats_of_a_thread_pass_too() -> None:
    seen: list[str] = []
    async with activities_running(greet_in_thread, interceptors=[Link("a", seen), Link("b", seen)]) as setting:
        setting.service.give(with_header(activity_task("greet_in_thread", "hi", heartbeat_s=5)))
        beat = await setting.service.received()
        assert values(beat.details) == ["alive", "b", "a"]
        sent = await setting.service.received()
    assert values(sent.result) == ["hi ada greet_in_thread"]
    assert seen[0] == "a greet_in_thread ['hi'] ThreadPoolExecutor"


async def test_arguments_changed_for_another_process_arrive_there() -> None:
    seen: list[str] = []
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
        async with activities_running(
            pooled_activities.whoami, executor=pool, interceptors=[Link("a", seen), Doubles()]
        ) as setting:
            sent = await setting.run(activity_task("whoami", "ada"))
    assert values(sent.result)[0].startswith("adaada whoami 1")
    assert seen[1].startswith(f"a got {RawValue.__name__}(")


async def test_a_wish_to_stop_reaches_a_link_that_waits_and_the_next_attempt_is_not_touched() -> None:
    waiting = asyncio.Event()

    class Waits(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            class Inbound(ActivityInboundInterceptor):
                async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                    if input.args == ["wait"]:
                        waiting.set()
                        await asyncio.Event().wait()
                    return await super().execute_activity(input)

            return Inbound(next)

    async with activities_running(greet, interceptors=[Waits()]) as setting:
        task = activity_task("greet", "wait")
        setting.service.give(task)
        await waiting.wait()
        setting.service.push_cancel(task)
        sent = await setting.service.received()
        assert isinstance(sent, RespondActivityTaskCanceledRequest)
        assert values((await setting.run(activity_task("greet", "hi"))).result) == ["hi nobody greet"]


async def test_a_wish_to_stop_reaches_the_thread_and_a_link_may_answer_for_it() -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    @activity.defn
    def spins() -> str:
        loop.call_soon_threadsafe(started.set)
        while True:
            activity.wait_for_cancelled_sync(0.01)

    class Answers(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            class Inbound(ActivityInboundInterceptor):
                async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                    try:
                        return await super().execute_activity(input)
                    except Exception as error:
                        return f"stopped by {type(error).__name__}"

            return Inbound(next)

    async with activities_running(spins, interceptors=[Answers()]) as setting:
        task = activity_task("spins")
        setting.service.give(task)
        await started.wait()
        setting.service.push_cancel(task)
        sent = await setting.service.received()
    assert values(sent.result) == ["stopped by CancelledError"]


async def test_a_wish_to_stop_reaches_a_link_that_works_on_after_the_thread() -> None:
    working = asyncio.Event()

    @activity.defn
    def quick() -> None:
        pass

    class WorksOn(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            class Inbound(ActivityInboundInterceptor):
                async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                    await super().execute_activity(input)
                    working.set()
                    await asyncio.Event().wait()

            return Inbound(next)

    async with activities_running(quick, interceptors=[WorksOn()]) as setting:
        task = activity_task("quick")
        setting.service.give(task)
        await working.wait()
        setting.service.push_cancel(task)
        assert isinstance(await setting.service.received(), RespondActivityTaskCanceledRequest)


async def test_what_a_link_raises_is_what_the_attempt_fails_by() -> None:
    class Refuses(Interceptor):
        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            raise PermissionError("not here")

    async with activities_running(greet, interceptors=[Refuses()]) as setting:
        failure = (await setting.run(activity_task("greet", "hi"))).failure
        await settle()
    assert (failure.message, failure.application_failure_info.type) == ("not here", "PermissionError")


@pytest.mark.parametrize("interceptors", [(), (Interceptor(),)], ids=["none", "a plain one"])
async def test_an_interceptor_that_overrides_nothing_changes_nothing(interceptors: Any) -> None:
    @activity.defn
    def quietly(name: str) -> str:
        return f"{name} {WHO.get()} {activity.info().activity_type}"

    async with activities_running(greet, quietly, interceptors=interceptors) as setting:
        for name in ("greet", "quietly"):
            assert values((await setting.run(activity_task(name, "hi"))).result) == [f"hi nobody {name}"]
