"""DBOS on SQLite: a durable workflow with durable steps, called directly from a pool of threads.

Settings chosen because they were the fastest of those tried: synchronous functions in threads (rather than
async functions or a queue, which polls), two database connections (SQLite has one writer; more only
contend for its lock), and the file switched to WAL beforehand (DBOS leaves SQLite's rollback journal,
which is about half as fast). Durability is SQLite's default there, `synchronous=FULL`, as in Tsuzuki.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dbos import DBOS

from benchmarks._side import timed


@DBOS.step()
def step(value: int) -> int:
    return value + 1


@DBOS.workflow()
def steps_workflow(count: int) -> int:
    value = 0
    for _ in range(count):
        value = step(value)
    return value


class DbosSide:
    async def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(concurrency) as threads:
            calls = (loop.run_in_executor(threads, steps_workflow, steps) for _ in range(workflows))
            return await timed(asyncio.gather(*calls), steps)

    async def close(self) -> None:
        DBOS.destroy()


async def open_side(folder: Path) -> DbosSide:
    """Create the database in `folder` and launch DBOS on it."""
    path = folder / "dbos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    DBOS(
        config={
            "name": "benchmark-peer",
            "system_database_url": f"sqlite:///{path}",
            "sys_db_pool_size": 2,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    return DbosSide()
