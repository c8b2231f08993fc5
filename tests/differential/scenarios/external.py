"""Signals and requests to cancel from one workflow to another."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from differential._driver import Driver


@workflow.defn
class Target:
    def __init__(self) -> None:
        self.told: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        try:
            await workflow.wait_condition(lambda: "end" in self.told)
        except asyncio.CancelledError:
            self.told.append("cancelled")
        await asyncio.sleep(0.3)
        return self.told

    @workflow.signal
    def tell(self, word: str) -> None:
        self.told.append(word)


@workflow.defn
class Signals:
    @workflow.run
    async def run(self, target: str, run_id: str | None) -> list[Any]:
        handle = workflow.get_external_workflow_handle_for(Target.run, target, run_id=run_id)
        await handle.signal(Target.tell, "hello")
        await handle.signal("tell", args=["end"])
        return [handle.id == target, handle.run_id == run_id]


@workflow.defn
class Cancels:
    @workflow.run
    async def run(self, target: str, reason: str) -> None:
        await workflow.get_external_workflow_handle(target).cancel(reason=reason)


@workflow.defn
class ReachesNobody:
    @workflow.run
    async def run(self, target: str) -> list[str]:
        seen = []
        handle = workflow.get_external_workflow_handle(target)
        for call in (handle.signal("tell", "hello"), handle.cancel()):
            try:
                await call
            except ApplicationError as error:
                seen.append(f"{error.message} {error.type}")
        return seen


@workflow.defn
class TakesItBack:
    """Cancels the call before it is sent, and once it is."""

    @workflow.run
    async def run(self, target: str) -> list[str]:
        seen = []
        handle = workflow.get_external_workflow_handle(target)
        for wait in (0, 0.05):
            call = asyncio.create_task(handle.signal("tell", "hello"))
            await asyncio.sleep(0)
            if wait:
                asyncio.get_running_loop().call_later(wait, call.cancel)
            else:
                call.cancel()
            try:
                await call
            except FailureError as error:
                seen.append(f"{type(error).__name__} {error.message}")
            else:
                seen.append("sent")
        return seen


@workflow.defn
class SignalsItself:
    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.get_external_workflow_handle(workflow.info().workflow_id).signal("tell", "me")
        await workflow.wait_condition(lambda: bool(self.told))
        return self.told

    @workflow.signal
    def tell(self, word: str) -> None:
        self.told.append(word)


@workflow.defn
class CancelsItself:
    @workflow.run
    async def run(self) -> str:
        await workflow.get_external_workflow_handle(workflow.info().workflow_id).cancel()
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return "cancelled"
        return "not cancelled"


async def _target(d: Driver) -> Any:
    handle = await d.start(Target.run, name="target")
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    return handle


async def scenario_signal(d: Driver) -> None:
    target = await _target(d)
    await d.outcome(await d.start(Signals.run, target.id, None))
    await d.outcome(target)


async def scenario_signal_a_run(d: Driver) -> None:
    target = await _target(d)
    await d.outcome(await d.start(Signals.run, target.id, target.first_execution_run_id))
    await d.outcome(target)


async def scenario_cancel(d: Driver) -> None:
    target = await _target(d)
    await d.outcome(await d.start(Cancels.run, target.id, "not needed"))
    await d.outcome(target)


async def scenario_nobody_there(d: Driver) -> None:
    await d.outcome(await d.start(ReachesNobody.run, d.workflow_id("nobody")))


async def scenario_closed(d: Driver) -> None:
    target = await _target(d)
    await target.signal("tell", "end")
    await d.outcome(target)
    await d.outcome(await d.start(ReachesNobody.run, target.id))


async def scenario_taken_back(d: Driver) -> None:
    target = await _target(d)
    await d.outcome(await d.start(TakesItBack.run, target.id))
    await target.signal("tell", "end")
    await d.outcome(target)


async def scenario_itself(d: Driver) -> None:
    await d.outcome(await d.start(SignalsItself.run))


async def scenario_cancels_itself(d: Driver) -> None:
    await d.outcome(await d.start(CancelsItself.run))
