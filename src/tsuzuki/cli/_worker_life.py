"""The life of the workers of a process: they run together, and stop together, by a signal or because one cannot go on.

Owns signals and the bound of draining. Stopping is never needed for safety, so what does not end in time is left: its
tasks are tried again elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from tsuzuki.worker import Worker

from ._endings import FAILED, INTERRUPTED
from ._worker_health import Stage, WorkerHealth

CANCELLED_S_MAX: Final = 10.0
"""How long activities that were cancelled after the grace period may take to end."""

_logger = logging.getLogger("tsuzuki.worker")


class WorkerLife:
    """Runs workers until SIGTERM or SIGINT, or until one of them cannot go on; then drains all of them.

    Args:
        workers: All workers of the process.
        health: Told how far they are.
        grace: How long running activities have before they are cancelled.
    """

    def __init__(self, workers: Sequence[Worker], health: WorkerHealth, grace: timedelta) -> None:
        self._workers = workers
        self._health = health
        self._drain_s = grace.total_seconds() + CANCELLED_S_MAX
        self._stopping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run to the end.

        Raises:
            ServiceError: What made a worker stop; all others have been drained by then.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows: a KeyboardInterrupt then
                loop.add_signal_handler(number, self._on_signal, number)
        running = [asyncio.create_task(worker.run()) for worker in self._workers]
        self._health.workers, self._health.stage = self._workers, Stage.RUNNING
        _logger.info("running; workers: %d", len(self._workers))
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        self._stop()
        await asyncio.wait(running)
        _logger.info("all workers have stopped")
        for ended in running:
            ended.result()

    def _on_signal(self, number: int) -> None:
        if self._stopping is not None:
            _leave("stopped at once", INTERRUPTED)
        self._stop()
        _say("stopping: what is running may end; once more to stop at once")
        _logger.info("stopping on %s", signal.Signals(number).name)

    def _stop(self) -> None:
        if self._stopping is None:
            self._health.stage = Stage.STOPPING
            self._stopping = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        _, slow = await asyncio.wait(
            [asyncio.create_task(worker.shutdown()) for worker in self._workers], timeout=self._drain_s
        )
        if slow:
            _leave(f"activities have not ended within {self._drain_s:g} s, and are left", FAILED)


def _leave(why: str, code: int) -> None:
    """End the process now: an exit would wait for threads that run activities."""
    _say(why)
    with suppress(OSError):
        sys.stdout.flush()
    logging.shutdown()
    os._exit(code)


def _say(text: str) -> None:
    """Say something to whoever still reads: a worker ends also when nobody does."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
