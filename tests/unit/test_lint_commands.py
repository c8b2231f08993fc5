"""Rules about commands and state: what is not awaited, has no timeout, follows a set, or is shared."""

from __future__ import annotations

import pytest
from lint_marks import found, in_module, in_run, marked

NOT_AWAITED = """
    workflow.execute_activity(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    workflow.execute_local_activity(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    workflow.execute_activity_method(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    workflow.start_activity(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    workflow.start_local_activity(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    workflow.execute_child_workflow("x")  #! TSU101
    workflow.start_child_workflow("x")  #! TSU101
    workflow.sleep(3)  #! TSU101
    asyncio.sleep(3)  #! TSU101
    workflow.wait_condition(lambda: True)  #! TSU101
    asyncio.gather(self.poll())  #! TSU101
    self.work()  #! TSU101
    left = workflow.start_activity(charge, order, start_to_close_timeout=MINUTE)  #! TSU101
    left: object = workflow.start_child_workflow("x")  #! TSU101
    other = workflow.get_external_workflow_handle("x"); other.signal("y")  #! TSU101
    child = await workflow.start_child_workflow("x"); child.signal("y")  #! TSU101
    await workflow.execute_activity(charge, order, start_to_close_timeout=MINUTE)
    await workflow.start_activity(charge, order, start_to_close_timeout=MINUTE)
    asyncio.create_task(workflow.execute_activity(charge, order, start_to_close_timeout=MINUTE))
    workflow.fire_and_forget(charge, order, start_to_close_timeout=MINUTE)
    workflow.fire_and_forget(workflow.execute_activity(charge, start_to_close_timeout=MINUTE))
    kept = workflow.start_activity(charge, order, start_to_close_timeout=MINUTE); return await kept
    kept = workflow.start_activity(charge, order, start_to_close_timeout=MINUTE); kept.cancel()
    kept = workflow.sleep(3); asyncio.create_task(kept)
    kept = workflow.sleep(3); (lambda: kept)()
    self.kept = workflow.start_activity(charge, order, start_to_close_timeout=MINUTE)
    _meant = workflow.start_activity(charge, order, start_to_close_timeout=MINUTE)
    asyncio.create_task(self.work())
    asyncio.gather(self.poll()).add_done_callback(print)
    await asyncio.gather(*[self.poll(), self.poll()])
    workflow.set_signal_handler("x", self.work)
    child = await workflow.start_child_workflow("x"); await child.signal("y")
    return workflow.sleep(3)
    [workflow.start_activity(charge, x, start_to_close_timeout=MINUTE) for x in order]
    lambda: workflow.sleep(3)
"""

TIMEOUTS = """
    await workflow.execute_activity(charge, order)  #! TSU102
    await workflow.start_activity(charge, args=[1, 2], retry_policy=None)  #! TSU102
    await workflow.execute_activity("charge", start_to_close_timeout=None)  #! TSU102
    await workflow.execute_activity(charge, schedule_to_start_timeout=MINUTE, heartbeat_timeout=MINUTE)  #! TSU102
    await workflow.execute_activity_method(charge)  #! TSU102
    await workflow.execute_activity_class(charge)  #! TSU102
    await workflow.execute_local_activity(charge)  #! TSU102
    await asyncio.gather(*(workflow.execute_activity(charge, x) for x in order))  #! TSU102
    await workflow.execute_activity(charge, schedule_to_close_timeout=MINUTE)
    await workflow.execute_activity(charge, start_to_close_timeout=order.limit)
    await workflow.execute_activity(charge, **OPTIONS)
    await workflow.execute_child_workflow("x")
    await order.execute_activity(charge)
"""


@pytest.mark.parametrize(
    "line", [*NOT_AWAITED.strip().splitlines(), *TIMEOUTS.strip().splitlines()], ids=lambda line: line.strip()[:60]
)
def test_each_line_is_judged_for_itself(line: str) -> None:
    source = in_run(line)
    assert found(source) == marked(source)


CASES = {
    "own coroutines": """
        def decorate(f): return f

        async def helper(): ...

        async def generator():
            yield 1

        @decorate
        async def decorated(): ...

        def plain(): ...

        @workflow.defn
        async def order():
            helper()  #! TSU101
            generator()
            decorated()
            plain()
            await helper()

            async def inner(): ...
            inner()  #! TSU101
        """,
    "options around the call": """
        OPTIONS = {}

        @workflow.defn
        class Order:
            @workflow.run
            async def run(self):
                with workflow.activity_options(start_to_close_timeout=MINUTE):
                    await workflow.execute_activity(charge)
                    if self:
                        async with asyncio.timeout(3):
                            await asyncio.gather(*[workflow.execute_activity(charge) for _ in "ab"])
                    await self.inside()
                    for thunk in [lambda: workflow.start_activity(charge)]:
                        await thunk()

                    async def nested():
                        await workflow.execute_activity(charge)

                    await nested()
                with workflow.activity_options(**OPTIONS):
                    await workflow.execute_activity(charge)
                with workflow.activity_options(heartbeat_timeout=MINUTE):
                    await workflow.execute_activity(charge)  #! TSU102
                await workflow.execute_activity(charge)  #! TSU102
                await self.outside()

            async def inside(self):
                await workflow.execute_activity(charge)
                await self.further()

            async def further(self):
                await workflow.execute_activity(charge)

            async def outside(self):
                await workflow.execute_activity(charge)  #! TSU102
        """,
    "an activity called directly": """
        class Activities:
            @activity.defn
            async def pay(self): ...

        @workflow.defn
        async def order(x):
            await charge(x)  #! TSU012
            charge(x)  #! TSU012
            await Activities.pay(x)  #! TSU012
            await workflow.execute_activity(charge, x, start_to_close_timeout=MINUTE)
            await workflow.execute_activity_method(Activities.pay, x, start_to_close_timeout=MINUTE)
            fn = charge
        """,
    "sets": """
        @workflow.defn
        class Order:
            kinds = {"a"}

            def __init__(self):
                self.open: set[str] = set()
                self.tasks = set()
                self.typed: set[asyncio.Task] = set()
                self.list = []
                self.either = set()
                self.either = []

            @workflow.run
            async def run(self, cities: set[str], names: list[str], also: frozenset[str], jobs: "set[str]"):
                for x in {"a", "b"}:  #! TSU103
                    await self.visit(x)
                for x in set(names):  #! TSU103
                    asyncio.create_task(self.visit(x))
                for x in frozenset(names):  #! TSU103
                    workflow.start_activity(charge, x, start_to_close_timeout=MINUTE)  #! TSU101
                for x in {n.lower() for n in names}:  #! TSU103
                    async with order:
                        pass
                for x in cities:  #! TSU103
                    await self.visit(x)
                for x in also:  #! TSU103
                    await self.visit(x)
                for x in self.open:  #! TSU103
                    await self.visit(x)
                for i, x in enumerate(list(cities)):  #! TSU103
                    await self.visit(x)
                for x in cities | {"b"}:  #! TSU103
                    await self.visit(x)
                for x in cities.union(names):  #! TSU103
                    await self.visit(x)
                mine = set()
                mine.add("a")
                mine |= cities
                for x in mine:  #! TSU103
                    await self.visit(x)
                await asyncio.gather(*[self.visit(x) for x in mine])  #! TSU103
                await asyncio.gather(*(workflow.sleep(x) for x in {1, 2}))  #! TSU103
                await asyncio.gather(*{x: self.visit(x) for x in mine}.values())  #! TSU103
                while mine:
                    await self.visit(mine.pop())  #! TSU103

                for x in sorted(mine):
                    await self.visit(x)
                for x in mine:
                    print(x)
                for x in names:
                    await self.visit(x)
                for x in {"a": 1}:
                    await self.visit(x)
                for x in {"a": 1}.keys():
                    await self.visit(x)
                for x in dict.fromkeys(names).items():
                    await self.visit(x)
                total = sum(x for x in mine)
                unsure = set()
                unsure = names
                for x in unsure:
                    await self.visit(x)
                for x in self.either:
                    await self.visit(x)
                for x in self.list:
                    await self.visit(x)
                names.pop()
                {"a": 1}.pop("a")

            async def visit(self, x):
                await workflow.sleep(1)

            @workflow.signal
            async def with_tasks(self, names):
                tasks = {asyncio.create_task(self.visit(x)) for x in names}
                for task in tasks:
                    await task
                for task in {asyncio.create_task(self.visit(1)), asyncio.ensure_future(self.visit(2))}:
                    await task
                more = set()
                for x in names:
                    more.add(asyncio.create_task(self.visit(x)))
                for task in more:
                    await task
                self.tasks.add(asyncio.create_task(self.visit(x)))
                for task in self.tasks:
                    await task
                for task in self.typed:
                    await task
                for task in set([asyncio.create_task(self.visit(x)) for x in names]):
                    await task
                done, pending = await asyncio.wait(tasks)
                for task in done:
                    await task
        """,
    "shared state": """
        import mine
        from mine import CACHE, limits
        COUNT = 0
        SEEN: dict[str, int] = {}
        GROUPS = defaultdict(list)
        NUMBERS = itertools.count(1)
        logger = workflow.logger

        @workflow.defn
        class Order:
            totals = []
            names: list[str] = []
            fresh: list[str] = []
            limit = 3

            def __init__(self):
                self.fresh = []
                self.count = 0

            @workflow.run
            async def run(self, order, log):
                global COUNT
                COUNT += 1  #! TSU104
                COUNT = 2  #! TSU104
                RECENT.append(order)  #! TSU104
                RECENT[0] = order  #! TSU104
                del RECENT[0]  #! TSU104
                SEEN["a"] = 1  #! TSU104
                SEEN["a"] += 1  #! TSU104
                SEEN.update(a=1)  #! TSU104
                GROUPS["a"].append(1)
                GROUPS["a"] = [1]  #! TSU104
                next(NUMBERS)  #! TSU104
                mine.setting = 1  #! TSU104
                CACHE["a"] = 1  #! TSU104
                limits.upper = 1  #! TSU104
                Order.limit = 4  #! TSU104
                Order.totals.append(1)  #! TSU104
                self.__class__.limit = 5  #! TSU104
                self.totals.append(1)  #! TSU104
                self.names.extend("ab")  #! TSU104
                a, RECENT[0] = 1, 2  #! TSU104

                self.fresh.append(1)
                self.limit = 4
                self.count += 1
                self.whatever["a"] = 1
                order.items.append(1)
                order.done = True
                order["a"] = 1
                log.append(1)
                RECENT.copy()
                RECENT.index(1)
                SEEN.get("a")
                len(SEEN)
                logger.info("x")
                mine.update(1)
                CACHE.pop("x", None)
                local = []
                local.append(RECENT[0])
                local[0] = 1
                here = 0

                def inner():
                    nonlocal here
                    here += 1
                    local.append(1)

                inner()
                next(iter(local))
        """,
    "state outside a workflow in a function": """
        def test():
            calls = []
            number = 0

            @workflow.defn
            async def order():
                nonlocal number
                number += 1  #! TSU104
                calls.append(1)  #! TSU104

            @activity.defn
            async def act():
                calls.append(1)

            calls.append(1)
        """,
}


@pytest.mark.parametrize("name", CASES)
def test_lines_are_found_exactly_where_they_are_marked(name: str) -> None:
    source = in_module(CASES[name])
    assert found(source) == marked(source)
