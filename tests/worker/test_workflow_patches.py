"""`patched` and `deprecate_patch`, as the official Python SDK has them; its histories replay here, ours there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import temporalio.workflow
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from test_workflow_versions import both, do, recorded, replay, upserted

from tsuzuki import workflow


def make_patches(package: Any) -> Any:
    async def run() -> str:
        first = package.patched("alpha")
        again = package.patched("alpha")
        await asyncio.sleep(0.01)
        package.deprecate_patch("beta")
        third = package.patched("aaa")
        await asyncio.sleep(0.01)
        return f"{first}{again}{third}"

    return run


@workflow.defn(name="Patches")
class Patches:
    @workflow.run
    async def run(self) -> str:
        return await make_patches(workflow)()  # type: ignore[no-any-return]


@temporalio.workflow.defn(name="Patches")
class OfficialPatches:
    @temporalio.workflow.run
    async def run(self) -> str:
        return await make_patches(temporalio.workflow)()  # type: ignore[no-any-return]


@both
async def test_markers_and_search_attributes_are_the_official_ones(cached: bool) -> None:
    run = ScriptedRun(Patches, cached=cached)
    commands = run.workflow_task().commands
    details = commands[0].record_marker_command_attributes.details["patch-data"].payloads
    assert details[0].data == b'{"id":"alpha","deprecated":false}'
    assert upserted(commands[1]) == ["alpha"]
    run.fire_timer("1")
    commands = run.workflow_task().commands
    details = commands[0].record_marker_command_attributes.details["patch-data"].payloads
    assert CONVERTER.from_payloads(details) == [{"id": "beta", "deprecated": True}]
    assert upserted(commands[1]) == ["alpha", "beta"]
    assert upserted(commands[3]) == ["aaa", "alpha", "beta"]
    run.fire_timer("2")
    run.workflow_task()
    assert run.result == "TrueTrueTrue"
    replayer = Replayer(workflows=[OfficialPatches], workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)
    await replayer.replay_workflow(WorkflowHistory("workflow-id", run.events))


def test_a_history_of_the_official_sdk_replays() -> None:
    assert replay(Patches, recorded("python_patches")).closed


@workflow.defn(name="Changing")
class Original:
    @workflow.run
    async def run(self) -> list[str]:
        return [await do("a"), await do("c")]


@workflow.defn(name="Changing")
class Patched:
    @workflow.run
    async def run(self) -> list[str]:
        if workflow.patched("a to b"):
            return [await do("b"), await do("c")]
        return [await do("a"), await do("c")]


@workflow.defn(name="Changing")
class Deprecated:
    @workflow.run
    async def run(self) -> list[str]:
        workflow.deprecate_patch("a to b")
        return [await do("b"), await do("c")]


@workflow.defn(name="Changing")
class NoCallLeft:
    @workflow.run
    async def run(self) -> list[str]:
        return [await do("b"), await do("c")]


STEPS = {"step": lambda name: name}


def change(first: Any, then: Any) -> ScriptedRun:
    run = ScriptedRun(first, cached=False)
    run.workflow_task()
    run.processor = run.new_processor([then])
    return run


def test_an_old_run_keeps_the_old_way() -> None:
    run = change(Original, Patched)
    run.run_to_end(STEPS)
    assert run.result == ["a", "c"]


@pytest.mark.parametrize("then", [Patched, Deprecated])
def test_a_new_run_goes_on(then: Any) -> None:
    run = change(Patched, then)
    run.run_to_end(STEPS)
    assert run.result == ["b", "c"]


@pytest.mark.parametrize("then", [Patched, Deprecated, NoCallLeft])
def test_a_run_of_the_deprecated_patch_goes_on_even_without_the_call(then: Any) -> None:
    run = change(Deprecated, then)
    run.run_to_end(STEPS)
    assert run.result == ["b", "c"]


def test_a_patch_that_was_not_deprecated_needs_its_call() -> None:
    run = change(Patched, NoCallLeft)
    run.complete_activity("1", "b")
    with pytest.raises(WorkflowTaskFailedError, match="history event 5 is MarkerRecorded 'core_patch'"):
        run.workflow_task()


@workflow.defn(name="Changing")
class TwoInOneTask:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = [workflow.patched("one"), workflow.get_version("two", -1, 3), workflow.patched("three")]
        await do("a")
        return seen


@both
def test_patches_and_versions_share_the_search_attribute(cached: bool) -> None:
    run = ScriptedRun(TwoInOneTask, cached=cached)
    commands = run.workflow_task().commands
    assert upserted(commands[1]) == ["one"]
    assert upserted(commands[3]) == ["two-3", "one"]
    assert upserted(commands[5]) == ["one", "three", "two-3"]
    run.complete_activity("1", "a")
    run.workflow_task()
    assert run.result == [True, 3, True]
