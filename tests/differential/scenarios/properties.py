"""Memo and search attributes that change while a workflow runs; patches, which write one of their own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from differential._driver import Driver

COLOR = SearchAttributeKey.for_keyword("Color")
SIZE = SearchAttributeKey.for_int("Size")
PRICE = SearchAttributeKey.for_float("Price")
SOLD = SearchAttributeKey.for_bool("Sold")
SOLD_AT = SearchAttributeKey.for_datetime("SoldAt")
TAGS = SearchAttributeKey.for_keyword_list("Tags")

THEN = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


def shown(attributes: TypedSearchAttributes) -> dict[str, str]:
    return {pair.key.name: repr(pair.value) for pair in attributes if pair.key.name != "BuildIds"}


@workflow.defn
class Sells:
    @workflow.run
    async def run(self) -> list[Any]:
        info = workflow.info()
        seen: list[Any] = [shown(info.typed_search_attributes)]
        workflow.upsert_search_attributes(
            [SIZE.value_set(7), PRICE.value_set(1.5), SOLD.value_set(True), SOLD_AT.value_set(THEN)]
        )
        workflow.upsert_search_attributes([TAGS.value_set(["a", "b"]), COLOR.value_set("blue")])
        seen.append(shown(info.typed_search_attributes))
        await asyncio.sleep(0.1)
        workflow.upsert_search_attributes([COLOR.value_unset(), TAGS.value_set(["c"])])
        seen.append(shown(workflow.info().typed_search_attributes))
        return seen


@workflow.defn
class PassesOn:
    @workflow.run
    async def run(self, again: bool) -> list[Any]:
        if again:
            workflow.upsert_search_attributes([SIZE.value_set(8)])
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
        child = await workflow.execute_child_workflow(
            Tells.run,
            search_attributes=TypedSearchAttributes([SearchAttributePair(COLOR, "green")]),
        )
        return [shown(workflow.info().typed_search_attributes), child]


@workflow.defn
class Tells:
    @workflow.run
    async def run(self) -> dict[str, str]:
        await asyncio.sleep(0.3)
        return shown(workflow.info().typed_search_attributes)


@workflow.defn
class Remembers:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = [sorted(workflow.memo().items())]
        workflow.upsert_memo({"note": "second"})
        workflow.upsert_memo({"old": None})
        seen.append(sorted(workflow.memo().items()))
        await asyncio.sleep(0.1)
        workflow.upsert_memo({"new": {"a": [1, None]}})
        seen += [sorted(workflow.memo().items()), workflow.memo_value("new")]
        workflow.upsert_memo({})
        return seen


@workflow.defn
class Patches:
    @workflow.run
    async def run(self) -> list[bool]:
        seen = [workflow.patched("alpha"), workflow.patched("alpha")]
        await asyncio.sleep(0.1)
        workflow.deprecate_patch("beta")
        seen.append(workflow.patched("aaa"))
        await asyncio.sleep(0.1)
        seen.append(workflow.patched("alpha"))
        return seen


@workflow.defn
class ManyPatches:
    """More than a search attribute can hold."""

    @workflow.run
    async def run(self) -> int:
        return sum(workflow.patched(f"a patch with a name that takes a lot of room {n:03}") for n in range(60))


async def scenario_search_attributes(d: Driver) -> None:
    start = TypedSearchAttributes([SearchAttributePair(COLOR, "red"), SearchAttributePair(SIZE, 6)])
    handle = await d.start(Sells.run, search_attributes=start)
    await d.outcome(handle)
    d.note(shown((await handle.describe()).typed_search_attributes))


async def scenario_search_attributes_pass_on(d: Driver) -> None:
    start = TypedSearchAttributes([SearchAttributePair(COLOR, "red"), SearchAttributePair(SIZE, 6)])
    handle = await d.start(PassesOn.run, True, search_attributes=start)
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_memo(d: Driver) -> None:
    handle = await d.start(Remembers.run, memo={"note": "first", "old": 1})
    await d.outcome(handle)


async def scenario_patches(d: Driver) -> None:
    await d.outcome(await d.start(Patches.run))


async def scenario_too_many_patches(d: Driver) -> None:
    await d.outcome(await d.start(ManyPatches.run))
