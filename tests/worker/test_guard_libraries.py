"""Real packages imported at module level: usable in workflow code where deterministic, refused where not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest
from loguru import logger
from scripted_run import ScriptedRun, WorkflowTaskFailedError

from tsuzuki import workflow


class Order(pydantic.BaseModel):
    item: str
    at: datetime


def values() -> Any:
    order = Order.model_validate({"item": "tea", "at": workflow.now()})
    again = Order.model_validate_json(order.model_dump_json())
    assert isinstance(again, Order)
    assert isinstance(again.at, datetime)
    assert isinstance(workflow.now(), datetime)
    assert again.model_copy(update={"at": datetime(2024, 5, 17, tzinfo=UTC)}).at.year == 2024
    return again.item


def addresses() -> Any:
    url = httpx.URL("https://example.org/a").join("/b").copy_merge_params({"q": "tea"})
    response = httpx.Response(200, json={"item": "tea"}, request=httpx.Request("GET", url))
    assert isinstance(httpx.Timeout(5), httpx.Timeout)
    assert str(response.request.url) == "https://example.org/b?q=tea"
    return response.json()["item"]


def logs() -> Any:
    logger.bind(item="tea").info("ordered {}", "tea")
    return "tea"


def fetches() -> Any:
    return httpx.get("http://127.0.0.1:1")


ACTS = {act.__name__: act for act in (values, addresses, logs, fetches)}


@workflow.defn
class Uses:
    @workflow.run
    async def run(self, act: str) -> Any:
        return ACTS[act]()


@pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])
@pytest.mark.parametrize("act", ["values", "addresses"])
def test_what_decides_nothing_works(act: str, cached: bool) -> None:
    run = ScriptedRun(Uses, act, cached=cached)
    run.workflow_task()
    assert run.result == "tea"


def test_loguru_writes_to_a_file(tmp_path: Path) -> None:
    sink = logger.add(tmp_path / "log.txt", format="{time} {message}")
    try:
        run = ScriptedRun(Uses, "logs", cached=True)
        run.workflow_task()
    finally:
        logger.remove(sink)
    assert run.result == "tea"
    assert "ordered tea" in (tmp_path / "log.txt").read_text()


def test_the_network_is_refused_with_the_line_of_the_user() -> None:
    with pytest.raises(
        WorkflowTaskFailedError, match=rf"{Path(__file__).name}:{fetches.__code__.co_firstlineno + 1}: "
    ):
        ScriptedRun(Uses, "fetches", cached=True).workflow_task()


def test_no_module_of_the_user_is_imported_again() -> None:
    before = {name: id(module) for name, module in sys.modules.items()}
    ScriptedRun(Uses, "values", cached=True).workflow_task()
    assert {name: id(sys.modules[name]) for name in before} == before
    assert ScriptedRun(Uses, "values", cached=True).processor is not None
    assert Uses is sys.modules[__name__].Uses  # type: ignore[attr-defined]
