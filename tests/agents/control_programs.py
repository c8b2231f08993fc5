"""Random workflows with control: a program is data, so any of them is run by one workflow.

A program is a list of steps: `["act", name]`, `["check", name]`, `["sleep", seconds]`, `["all", [program, ...]]`,
`["child", name, program]`. Its result, the names of what acted in order, does not depend on when it acted.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.agents import Control

Program = list[Any]
BOUND = timedelta(minutes=30)


@activity.defn
async def act(name: str) -> str:
    await asyncio.sleep(0)
    return name


@workflow.defn
class Controlled:
    """Runs a program."""

    @workflow.run
    async def run(self, program: Program) -> list[str]:
        async with Control() as control:
            return await perform(program, control)


async def perform(program: Program, control: Control) -> list[str]:
    acted: list[str] = []
    for kind, *rest in program:
        match kind:
            case "act":
                acted.append(await workflow.execute_activity(act, rest[0], start_to_close_timeout=BOUND))
            case "check":
                await control.checkpoint(rest[0])
            case "sleep":
                await control.sleep(rest[0])
            case "all":
                for part in await asyncio.gather(*(perform(program, control) for program in rest[0])):
                    acted += part
            case "child":
                name = f"{workflow.info().workflow_id}-{rest[0]}"
                acted += await control.add_child(await workflow.start_child_workflow(Controlled.run, rest[1], id=name))
    return acted


def expected(program: Program) -> list[str]:
    """What a program gives, without running it."""
    acted: list[str] = []
    for kind, *rest in program:
        if kind == "act":
            acted.append(rest[0])
        elif kind == "all":
            acted += [name for part in rest[0] for name in expected(part)]
        elif kind == "child":
            acted += expected(rest[1])
    return acted


def draw(chance: random.Random, depth: int = 0, prefix: str = "") -> Program:
    """A random program, at most three levels deep."""
    program: Program = []
    for number in range(chance.randint(1, 4)):
        name = f"{prefix}{number}"
        match chance.choice(
            ["act", "act", "check", "check", "sleep", "all", "child"] if depth < 2 else ["act", "check"]
        ):
            case "act":
                program.append(["act", name])
            case "check":
                program.append(["check", name])
            case "sleep":
                program.append(["sleep", chance.choice([1, 5, 30])])
            case "all":
                parts = [draw(chance, depth + 1, f"{name}.{part}.") for part in range(chance.randint(2, 3))]
                program.append(["all", parts])
            case "child":
                program.append(["child", name, draw(chance, depth + 1, f"{name}.")])
    return program
