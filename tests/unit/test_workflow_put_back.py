"""Blocks of workflow code that the garbage collector ends, in whatever context it runs."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from tsuzuki import workflow

BLOCKS: list[Callable[[], AbstractContextManager[None]]] = [
    lambda: workflow.activity_options(start_to_close_timeout=timedelta(seconds=1)),
    workflow.unsafe.determinism_guard_off,
    workflow.unsafe.workflow_clock,
]


@pytest.mark.parametrize("block", BLOCKS, ids=["activity_options", "determinism_guard_off", "workflow_clock"])
def test_code_is_thrown_away_without_a_word(block: Callable[[], AbstractContextManager[None]]) -> None:
    async def code() -> None:
        with block():
            await asyncio.sleep(0)

    running = code()
    contextvars.copy_context().run(running.send, None)
    del running
    gc.collect()  # a ValueError here would be a warning, and warnings are errors
