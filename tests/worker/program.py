"""Random workflow programs: one interpreter, written against either package, runs the same program on both.

A program is nested lists, so that it travels as an argument:

    ["activity", name, how]      call an activity; `how` is its cancellation type
    ["local", name, how]         call a local activity; "slow to retry" is tried again through a timer
    ["sleep", s]                 asyncio.sleep
    ["nap", s]                   workflow.sleep
    ["seq", p...]                one after another
    ["gather", p...]             asyncio.gather
    ["race", p...]               first completed, then the others are cancelled and awaited
    ["timeout", s, p]            asyncio.timeout
    ["wait_for", s, p]           asyncio.wait_for
    ["cancel", s, p]             start p, sleep s (0: one yield), cancel it, await it
    ["shield", p]                asyncio.shield; cancelled all the same, it waits for p and passes that on
    ["until", n, s]              wait_condition: n steps were done, or s seconds passed
    ["catch", p]                 swallow failures, and go on with an activity
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any


def make_workflow(workflow: Any, *errors: type[BaseException], retry_policy: Any = None) -> tuple[Any, Any]:
    """Return the interpreter, and a signal handler, for one package's `workflow` module.

    Args:
        workflow: The module.
        errors: What activities, local ones too, may raise.
        retry_policy: The package's class.

    Both take the list of steps that the workflow has done; a signal is a step, and every other one also calls
    an activity.
    """

    async def poke(steps: list[str], number: int) -> None:
        steps.append(f"signal {number}")
        if number % 2:
            await workflow.execute_activity("poked", start_to_close_timeout=timedelta(hours=1))
            steps.append("poked")

    async def interpret(steps: list[str], program: list[Any]) -> list[str]:

        async def run(node: list[Any]) -> None:
            await INSTRUCTIONS[node[0]](*node[1:])
            steps.append(node[0])

        async def call(name: str, how: int) -> None:
            result = await workflow.execute_activity(
                name,
                start_to_close_timeout=timedelta(hours=1),
                cancellation_type=workflow.ActivityCancellationType(how),
            )
            steps.append(f"{name}={result}")

        async def local(name: str, how: int) -> None:
            slow = name == "slow to retry"
            result = await workflow.execute_local_activity(
                name,
                start_to_close_timeout=timedelta(hours=1),
                cancellation_type=workflow.ActivityCancellationType(how),
                retry_policy=retry_policy(initial_interval=timedelta(seconds=3)),
                local_retry_threshold=timedelta(seconds=1 if slow else 60),
            )
            steps.append(f"{name}={result}")

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)

        async def nap(seconds: float) -> None:
            await workflow.sleep(seconds)

        async def seq(*nodes: list[Any]) -> None:
            for node in nodes:
                await run(node)

        async def gather(*nodes: list[Any]) -> None:
            await asyncio.gather(*(run(node) for node in nodes))

        async def race(*nodes: list[Any]) -> None:
            tasks = [asyncio.create_task(run(node)) for node in nodes]
            await workflow.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        async def timeout(seconds: float, node: list[Any]) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await run(node)
            except TimeoutError:
                steps.append("timed out")

        async def wait_for(seconds: float, node: list[Any]) -> None:
            try:
                await asyncio.wait_for(run(node), seconds)
            except TimeoutError:
                steps.append("timed out")

        async def cancel(seconds: float, node: list[Any]) -> None:
            task = asyncio.create_task(run(node))
            await asyncio.sleep(seconds)
            task.cancel()
            try:
                await task
            except (asyncio.CancelledError, *errors):
                steps.append("cancelled")
            await call("after", 0)

        async def shield(node: list[Any]) -> None:
            task = asyncio.create_task(run(node))
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                await task
                raise

        async def until(count: int, seconds: float) -> None:
            try:
                await workflow.wait_condition(lambda: len(steps) >= count, timeout=seconds)
            except TimeoutError:
                steps.append("not yet")

        async def catch(node: list[Any]) -> None:
            try:
                await run(node)
            except (*errors, asyncio.CancelledError) as error:
                steps.append(type(error).__name__)
                await call("caught", 0)

        INSTRUCTIONS = {
            "activity": call,
            "local": local,
            "sleep": sleep,
            "nap": nap,
            "seq": seq,
            "gather": gather,
            "race": race,
            "timeout": timeout,
            "wait_for": wait_for,
            "cancel": cancel,
            "shield": shield,
            "until": until,
            "catch": catch,
        }
        await run(program)
        await call("did " + ", ".join(steps), 0)  # so that history shows what the code saw
        return steps

    return interpret, poke
