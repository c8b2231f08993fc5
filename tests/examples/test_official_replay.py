"""README's "change the import", taken at its word: the examples' own source, run by the official SDK.

Each program runs here and leaves its histories in a file; then its source is loaded again with `temporalio` in
place of `tsuzuki`, and the official replayer must find every command where the history has it. Examples are left
out that use what the official SDK does not have: `Selector`, `get_version`, `fire_and_forget`, `shield`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import temporalio.client
import temporalio.workflow
from record_old_runs import HISTORIES, PLACES
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tsuzuki.client import Client

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def official(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The example that the test names, with the imports changed."""
    module = ModuleType(f"official_{request.param}")
    source = (EXAMPLES / f"{request.param}.py").read_text(encoding="utf-8")
    sys.modules[module.__name__] = module
    exec(compile(source.replace("from tsuzuki", "from temporalio"), module.__name__, "exec"), vars(module))
    yield module
    del sys.modules[module.__name__]


def replayer(*workflows: Any) -> Replayer:
    # debug_mode: a busy machine is no deadlock
    return Replayer(workflows=workflows, workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)


@pytest.mark.parametrize(
    ("official", "workflows", "runs"),
    [
        ("wait_for_all", ["AskAll"], 1),
        ("children", ["Research", "ResearchTopic"], 5),
        ("endless", ["Meter"], 4),
        ("three_of_five", ["ThreeOfFive"], 1),
        ("quote", ["Quote"], 1),
    ],
    indirect=["official"],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_histories_of_an_example_replay_on_the_official_sdk(
    official: ModuleType, workflows: list[str], runs: int, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path / 'runs.db'}"
    await importlib.import_module(official.__name__.removeprefix("official_")).main(target)
    judge = replayer(*(getattr(official, name) for name in workflows))
    replayed = 0
    async with await Client.connect(target) as client:
        async for run in client.list_workflows():
            history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            await judge.replay_workflow(temporalio.client.WorkflowHistory(run.id, list(history.events)))
            replayed += 1
    assert replayed == runs


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("official", ["change_code"], indirect=True)
async def test_recorded_old_runs_replay_on_the_official_sdk(official: ModuleType, place: str) -> None:
    text = (HISTORIES / f"{place}.json").read_text(encoding="utf-8")
    await replayer(official.Before).replay_workflow(temporalio.client.WorkflowHistory.from_json("order-old", text))
