"""One life of one world, from its seed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sim_related import RelatedWorld
from sim_world import World


def simulate(
    seed: int, folder: Path | None, steps: int = 120, *, operated: bool = False, related: bool = False
) -> tuple[list[str], World]:
    """What is wrong, and the world. Every fourth seed keeps its database in a file, with commits that take their time.

    Args:
        operated: People pause and reset activities and runs; attempts speak into streams.
        related: Runs have children, signal each other, take updates, continue as new, are reset and scheduled.
    """
    name = f"{seed}{'-operated' * operated}{'-related' * related}.db"
    path = folder / name if folder is not None and seed % 4 == 0 else None

    async def life() -> tuple[list[str], World]:
        world = (RelatedWorld if related else World)(seed, path, operated=operated)
        errors: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, about: errors.append(f"{about['message']}: {about.get('exception')!r}")
        )
        await world.open()
        await world.live(steps)
        found = await world.finish()
        world.disk.store.close()
        return errors + found, world

    return asyncio.run(life())
