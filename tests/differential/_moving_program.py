"""A workflow that one package's worker begins and another's ends; read with the import lines of either."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

SHORT = timedelta(seconds=30)


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn
class Greeting:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.guests: list[str] = []

    @workflow.run
    async def run(self, name: str) -> list[str]:
        if workflow.patched("greet_the_host_too"):
            self.said.append(await workflow.execute_local_activity(greet, "host", start_to_close_timeout=SHORT))
        self.said.append(await workflow.execute_activity(greet, name, start_to_close_timeout=SHORT))
        await workflow.wait_condition(lambda: len(self.guests) == 2)
        for guest in self.guests:
            self.said.append(await workflow.execute_activity(greet, guest, start_to_close_timeout=SHORT))
        return self.said

    @workflow.signal
    async def welcome(self, guest: str) -> None:
        self.guests.append(guest)

    @workflow.update
    async def first_two(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.said) >= 2)
        return self.said[:2]
