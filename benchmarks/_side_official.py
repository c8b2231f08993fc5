"""The official client and worker alone, on a server that runs already."""

from __future__ import annotations

from pathlib import Path

from benchmarks._official import OfficialProgram, Timed


class OfficialSide:
    def __init__(self, program: OfficialProgram) -> None:
        self._program = program

    async def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        return (await self.starts(workflows, steps, concurrency))["seconds"]

    async def starts(self, workflows: int, steps: int, concurrency: int) -> Timed:
        return await self._program.starts(workflows, steps, concurrency)

    async def signals(self, workflows: int, each: int, concurrency: int) -> Timed:
        return await self._program.signals(workflows, each, concurrency)

    async def close(self) -> None:
        await self._program.close()


async def open_side(folder: Path, target: str) -> OfficialSide:
    """Connect to the server at `target`, and start the worker."""
    return OfficialSide(await OfficialProgram.connect(target))
