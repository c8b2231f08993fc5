"""What counts as workflow code, and what does not."""

from __future__ import annotations

from textwrap import dedent

import pytest
from lint_marks import found, in_module, marked

from tsuzuki.replay.lint import lint_text

CASES = {
    "every kind of handler": """
        @workflow.defn
        class Order:
            def __init__(self):
                time.time()  #! TSU001

            @workflow.run
            async def run(self):
                time.time()  #! TSU001

            @workflow.signal
            async def approve(self):
                time.time()  #! TSU001

            @workflow.signal(name="other")
            def refuse(self):
                time.time()  #! TSU001

            @workflow.query
            def status(self):
                time.time()  #! TSU001

            @workflow.update(name="x")
            async def change(self, x):
                time.time()  #! TSU001

            @change.validator
            def check(self, x):
                time.time()  #! TSU001

            def never_called(self):
                time.time()
        """,
    "helpers, transitively": """
        def far():
            time.time()  #! TSU001

        def near():
            far()

        def unused():
            time.time()

        async def main():
            time.time()
            near()

        @workflow.defn
        class Order:
            @workflow.run
            async def run(self):
                await asyncio.gather(self.first(), *map(key, []))
                return self.total

            async def first(self):
                await self.second()

            async def second(self):
                near()
                time.time()  #! TSU001

            @property
            def total(self):
                return time.time()  #! TSU001

            @staticmethod
            def unused():
                time.time()

        def key(x):
            time.time()  #! TSU001
        """,
    "methods that are handed on": """
        @workflow.defn
        class Order:
            @workflow.run
            async def run(self):
                workflow.set_signal_handler("x", self.on_x)
                await workflow.wait_condition(self.ready)
                await workflow.wait_condition(lambda: self.also_ready())
                on_y = functools.partial(on_signal, 3)

            def on_x(self):
                time.time()  #! TSU001

            def ready(self):
                time.time()  #! TSU001

            def also_ready(self):
                time.time()  #! TSU001

        def on_signal(x):
            time.time()  #! TSU001
        """,
    "a plain function": """
        @workflow.defn
        async def order(x):
            time.time()  #! TSU001
            helper()

        @workflow.defn(name="x")
        async def other():
            time.time()  #! TSU001

        def helper():
            time.time()  #! TSU001
        """,
    "activities never": """
        @activity.defn
        def a():
            time.time()

        @activity.defn(name="b")
        async def b():
            helper()
            open("x")

        def helper():
            time.time()

        def plain():
            time.time()

        @workflow.defn
        class Order:
            @workflow.run
            async def run(self):
                await workflow.execute_activity(a, start_to_close_timeout=MINUTE)
                await workflow.execute_activity(plain, start_to_close_timeout=MINUTE)
                await workflow.execute_local_activity(plain, start_to_close_timeout=MINUTE)
                await workflow.execute_activity_method(Activities.c, start_to_close_timeout=MINUTE)
                await workflow.execute_activity_method(self.d, start_to_close_timeout=MINUTE)
                await workflow.execute_child_workflow(child)

            @activity.defn
            def d(self):
                time.time()

        class Activities:
            @activity.defn
            def c(self):
                time.time()

        def child():
            time.time()
        """,
    "base classes and overrides": """
        class Base:
            @workflow.signal
            def approve(self):
                time.time()  #! TSU001

            def hook(self):
                time.time()  #! TSU001

            def unused(self):
                time.time()

            def overridden(self):
                time.time()

        @workflow.defn
        class Order(Base):
            @workflow.run
            async def run(self):
                self.hook()
                self.overridden()
                super().up()
                Order.static()

            def overridden(self):
                time.time()  #! TSU001

            @staticmethod
            def static():
                time.time()  #! TSU001

        class Express(Order):
            def hook(self):
                time.time()  #! TSU001
        """,
    "functions inside functions": """
        def test_something():
            def outside():
                time.time()

            def helper():
                time.time()  #! TSU001

            @workflow.defn
            class Order:
                @workflow.run
                async def run(self):
                    def inner():
                        time.time()  #! TSU001
                        self.method()

                    def handed_on():
                        time.time()  #! TSU001

                    def never():
                        time.time()

                    inner()
                    order(handed_on)
                    helper()

                def method(self):
                    time.time()  #! TSU001
        """,
    "objects that are made": """
        class Cart:
            def __init__(self):
                time.time()  #! TSU001

            def fill(self):
                time.time()

        @workflow.defn
        class Order:
            @workflow.run
            async def run(self):
                Cart()
        """,
    "no workflow": """
        class Order:
            @workflow_engine.run
            async def run(self):
                time.time()

        @other.defn
        class X:
            async def run(self):
                time.time()
        """,
    "recursion": """
        @workflow.defn
        async def order():
            ping()

        def ping():
            pong()

        def pong():
            ping()
            time.time()  #! TSU001
        """,
}


@pytest.mark.parametrize("name", CASES)
def test_workflow_code_is_what_the_engine_calls_and_what_that_calls(name: str) -> None:
    source = in_module(CASES[name])
    assert found(source) == marked(source)


@pytest.mark.parametrize(
    ("imports", "defn", "run"),
    [
        ("from tsuzuki import workflow", "workflow.defn", "workflow.run"),
        ("from tsuzuki import workflow as wf", "wf.defn", "wf.run"),
        ("import tsuzuki", "tsuzuki.workflow.defn", "tsuzuki.workflow.run"),
        ("import tsuzuki.workflow", "tsuzuki.workflow.defn()", "tsuzuki.workflow.run"),
        ("import tsuzuki.workflow as w", "w.defn(name='x')", "w.run"),
        ("from tsuzuki.workflow import defn, run", "defn", "run"),
        ("from tsuzuki.workflow import defn as d, run as r", "d(name='x')", "r"),
        ("from temporalio import workflow", "workflow.defn(sandboxed=False)", "workflow.run"),
        ("import temporalio.workflow as tw", "tw.defn", "tw.run"),
        ("from temporalio.workflow import defn, run", "defn", "run"),
        ("import tsuzuki.workflow\nwf = tsuzuki.workflow", "wf.defn", "wf.run"),
    ],
)
def test_the_decorators_are_known_by_any_name(imports: str, defn: str, run: str) -> None:
    source = (
        f"import time\n{imports}\n\n@{defn}\nclass Order:\n    @{run}\n    async def go(self):\n        time.time()\n"
    )
    assert found(source) == [(source.count("\n"), "TSU001")]
    assert lint_text(source).workflows == 1


@pytest.mark.parametrize("imports", ["from mine import workflow", "from . import workflow", "workflow = 1", ""])
def test_another_workflow_module_is_not_ours(imports: str) -> None:
    source = (
        f"import time\n{imports}\n@workflow.defn\nclass A:\n    @workflow.run\n    async def go(self): time.time()\n"
    )
    assert found(source) == []


def test_help_for_a_helper_says_why_it_is_workflow_code() -> None:
    source = dedent(CASES["helpers, transitively"])
    result = lint_text("import time\nimport asyncio\nfrom tsuzuki import workflow\n" + source)
    helps = {finding.line: finding.help for finding in result.findings}
    assert helps[min(helps)] == "workflow.time() (`far` is workflow code: `near` calls it)"
