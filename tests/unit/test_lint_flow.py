"""Rules about loops, cancellation and gates."""

from __future__ import annotations

import pytest
from lint_marks import found, in_module, in_run, marked

GROWING = {
    "activity": ("while True:  #! TSU201\n    await self.poll()", True),
    "sleep": ("while 1:  #! TSU201\n    await asyncio.sleep(60)", True),
    "child": ("for i in itertools.count():  #! TSU201\n    await workflow.execute_child_workflow('x')", True),
    "timer": ("while True:  #! TSU201\n    await workflow.wait_condition(lambda: self.x, timeout=3)", True),
    "through helpers": ("while True:  #! TSU201\n    await self.work()", True),
    "in a task": (
        "while True:  #! TSU201\n    x = await self.queue.get()\n    asyncio.create_task(self.visit(x))",
        True,
    ),
    "break of an inner loop": (
        "while True:  #! TSU201\n    await self.poll()\n    for x in order:\n        break",
        True,
    ),
    "return of an inner function": (
        "while True:  #! TSU201\n    await self.poll()\n    def inner():\n        return 1",
        True,
    ),
    "left only by failing": (
        "while True:  #! TSU201\n    try:\n        await self.poll()\n    except ValueError:\n        raise",
        True,
    ),
    "left only by being cancelled": (
        "while True:  #! TSU201\n    try:\n        await self.poll()\n"
        "    except asyncio.CancelledError:\n        return",
        True,
    ),
    "break": ("while True:\n    await self.poll()\n    if order:\n        break", False),
    "return": ("while True:\n    if await self.poll():\n        return", False),
    "raise": ("while True:\n    if await self.poll():\n        raise ValueError", False),
    "return in a handler": (
        "while True:\n    try:\n        await self.poll()\n    except ValueError:\n        return",
        False,
    ),
    "break inside a match": ("while True:\n    match await self.poll():\n        case 1:\n            break", False),
    "continue as new": (
        "while True:\n    await self.poll()\n    if workflow.info().is_continue_as_new_suggested():\n"
        "        workflow.continue_as_new(order)",
        False,
    ),
    "continue as new in a helper": ("while True:\n    await self.poll()\n    self.roll_over()", False),
    "condition": ("while not self.done:\n    await self.poll()", False),
    "until cancelled": ("while not workflow.cancellation_requested():\n    await self.poll()", False),
    "bounded": ("for i in range(10):\n    await self.poll()", False),
    "within a timeout": ("async with asyncio.timeout(60):\n    while True:\n        await self.poll()", False),
    "nothing recorded": ("while True:\n    await workflow.wait_condition(lambda: self.x)", False),
    "generator": ("while False:\n    await self.poll()", False),
}


@pytest.mark.parametrize("name", GROWING)
def test_growing_loops(name: str) -> None:
    body, bad = GROWING[name]
    source = in_run(body) + "\n    def roll_over(self):\n        workflow.continue_as_new(1)\n"
    assert bool(marked(source)) is bad
    assert found(source) == marked(source)


BACKGROUND = """
    @workflow.defn
    class Order:
        @workflow.run
        async def run(self):
            task = asyncio.create_task(self.tick())
            asyncio.ensure_future(self.tick())
            async with asyncio.TaskGroup() as group:
                group.create_task(self.tick())
            await asyncio.gather(self.tock())

        async def tick(self):
            try:
                while True:
                    await workflow.sleep(1)
                    await self.both()
            except asyncio.CancelledError:
                self.ticking = False

        async def tock(self):
            while True:  #! TSU201
                await workflow.sleep(1)

        async def both(self):
            while True:
                await workflow.sleep(1)

    @workflow.defn
    class Other:
        @workflow.run
        async def run(self):
            asyncio.create_task(self.again())
            await self.again()

        async def again(self):
            while True:  #! TSU201
                await workflow.sleep(1)
                await self.again()
    """


def test_a_background_task_may_loop_for_as_long_as_it_is_wanted() -> None:
    source = in_module(BACKGROUND)
    assert found(source) == marked(source)


BUSY = """
while not self.ready:  #! TSU202|    pass
while self.paused:  #! TSU202|    await workflow.sleep(1)
while not self.ready:  #! TSU202|    await asyncio.sleep(0)
while not self.ready:|    await self.poll()
while not self.ready:|    await asyncio.sleep(1)|    self.count += 1
while workflow.now() < order.deadline:|    await asyncio.sleep(1)
while len(self.open):|    await asyncio.sleep(1)
"""


@pytest.mark.parametrize("body", BUSY.strip().splitlines())
def test_busy_waits(body: str) -> None:
    source = in_run(body.replace("|", "\n"))
    assert found(source) == marked(source)


TRY = "try:\n    await self.work()\n"
SWALLOWED = {
    "bare": f"{TRY}except:  #! TSU203\n    pass",
    "bare with return": f"{TRY}except:  #! TSU203\n    return None",
    "BaseException": f"{TRY}except BaseException as e:  #! TSU203\n    print(e)",
    "in a tuple": f"{TRY}except (ValueError, asyncio.CancelledError):  #! TSU203\n    pass",
    "CancelledError": f"{TRY}except asyncio.CancelledError:  #! TSU203\n    self.x = 1",
    "continue": (
        "for x in order:\n    try:\n        await self.work()\n"
        "    except asyncio.CancelledError:  #! TSU203\n        continue"
    ),
    "suppress": "with contextlib.suppress(asyncio.CancelledError):  #! TSU203\n    await self.work()",
    "suppress all": "with contextlib.suppress(BaseException):  #! TSU203\n    await self.work()",
    "finally": f"{TRY}finally:\n    return 1  #! TSU203",
    "async for": "try:\n    async for x in order:\n        pass\nexcept:  #! TSU203\n    pass",
    "task of another": "try:\n    await order.task\nexcept asyncio.CancelledError:  #! TSU203\n    pass",
    "raise": f"{TRY}except BaseException:\n    self.x = 1\n    raise",
    "raise another": f"{TRY}except:\n    raise ValueError from None",
    "raise on a condition": (f"{TRY}except BaseException as e:\n    if is_cancelled_exception(e):\n        raise"),
    "asked": f"{TRY}except BaseException:\n    if workflow.cancellation_requested():\n        self.x = 1",
    "return": f"{TRY}except asyncio.CancelledError:\n    return 'stopped'",
    "break": "while order:\n    try:\n        await self.work()\n    except asyncio.CancelledError:\n        break",
    "kept": (f"error = None\n{TRY}except BaseException as e:\n    error = e\nif error:\n    raise error"),
    "passed on": f"{TRY}except BaseException as e:\n    self.future.set_exception(e)",
    "Exception": f"{TRY}except Exception:\n    pass",
    "nothing to wait for": "try:\n    int('x')\nexcept BaseException:\n    pass",
    "seen before": f"{TRY}except asyncio.CancelledError:\n    raise\nexcept BaseException:\n    pass",
    "own task": (
        "task = asyncio.create_task(self.work())\ntask.cancel()\n"
        "try:\n    await task\nexcept asyncio.CancelledError:\n    pass"
    ),
    "own tasks": (
        "for t in order:\n    t.cancel()\n"
        "with contextlib.suppress(asyncio.CancelledError):\n    await asyncio.gather(*order)"
    ),
    "finally without return": f"{TRY}finally:\n    self.x = 1",
    "other suppress": "with contextlib.suppress(ValueError):\n    await self.work()",
    "failures of Temporal": f"{TRY}except ActivityError:\n    pass",
}


@pytest.mark.parametrize("name", SWALLOWED)
def test_swallowed_cancellation(name: str) -> None:
    source = in_run(SWALLOWED[name])
    assert found(source) == marked(source)


CALL = "await workflow.execute_activity(charge, 1, start_to_close_timeout=MINUTE)"
RETRY = f"while True:\n    try:\n        {CALL}\n        break\n"
BLIND = {
    "retry": f"{RETRY}    except ActivityError:  #! TSU204\n        pass",
    "any exception": f"{RETRY}    except Exception as e:  #! TSU204\n        print(e)",
    "child": (
        "while True:\n    try:\n        await workflow.execute_child_workflow('x')\n        break\n"
        "    except Exception:  #! TSU204\n        await asyncio.sleep(3)"
    ),
    "told apart": (f"{RETRY}    except ActivityError as e:\n        if is_cancelled_exception(e):\n            raise"),
    "asked": (
        f"while True:\n    if workflow.cancellation_requested():\n        break\n    try:\n        {CALL}\n"
        "    except ActivityError:\n        pass"
    ),
    "left": f"while True:\n    try:\n        {CALL}\n    except ActivityError:\n        break",
    "other exceptions": f"{RETRY}    except ValueError:\n        pass",
    "bounded": f"for i in range(3):\n    try:\n        {CALL}\n    except ActivityError:\n        pass",
    "nothing that is cancelled so": (
        "while True:\n    try:\n        await asyncio.sleep(3)\n        break\n    except Exception:\n        pass"
    ),
}


@pytest.mark.parametrize("name", BLIND)
def test_loops_that_take_being_cancelled_for_a_failure(name: str) -> None:
    source = in_run(BLIND[name])
    assert found(source) == marked(source)


BAD_GATES = """
fix_bug_123 fix_bug_123_v1 v2 V2 test temp tmp-1 test_v1 my-patch patch_v3 bug-42 new_version_v2 change1_v1
hotfix_2024_v1 x_v1 123 update NewVersion a-b fixBug7
"""
GOOD_GATES = """
add_review_step_v1 add-review-step-v2 rename_step_b_v10 fix_rounding_of_totals_v1 charge_before_shipping_v1
ordered_refunds_V3 http2_client_v1 retry-later-v1 test_runner_limits_v1
"""


@pytest.mark.parametrize("gate", BAD_GATES.split())
@pytest.mark.parametrize("call", ["get_version({}, workflow.DEFAULT_VERSION, 1)", "patched({})", "deprecate_patch({})"])
def test_gates_that_do_not_say_what_they_guard(call: str, gate: str) -> None:
    source = in_run(f"workflow.{call.format(repr(gate))}  #! TSU301")
    assert found(source) == marked(source)


@pytest.mark.parametrize("gate", GOOD_GATES.split())
@pytest.mark.parametrize("call", ["get_version({}, workflow.DEFAULT_VERSION, 1)", "patched({})", "deprecate_patch({})"])
def test_gates_that_do(call: str, gate: str) -> None:
    assert found(in_run(f"workflow.{call.format(repr(gate))}")) == []


GATES = """
    workflow.get_version("add_review_step", 1, 2)  #! TSU301
    workflow.get_version(f"add_review_{order}_v1", 1, 2)  #! TSU301
    workflow.get_version("add_review_" + order, 1, 2)  #! TSU301
    workflow.get_version(order, 1, 2)  #! TSU301
    workflow.patched(order.gate)  #! TSU301
    workflow.patched("".join(order))  #! TSU301
    workflow.get_version(change_id="v2", min_supported=1, max_supported=2)  #! TSU301
    workflow.get_version(VAGUE, 1, 2)  #! TSU301
    workflow.patched(Order.VAGUE)  #! TSU301
    workflow.patched(self.VAGUE)  #! TSU301
    workflow.patched("")  #! TSU301
    workflow.patched("add_review_step")
    workflow.patched(CLEAR)
    workflow.patched(ELSEWHERE)
    workflow.patched(Gates.ADD_REVIEW)
    workflow.patched(*order)
    order.patched("v2")
"""


@pytest.mark.parametrize("line", GATES.strip().splitlines(), ids=str.strip)
def test_gate_ids_are_literals_that_name_a_version(line: str) -> None:
    source = 'VAGUE = "v2"\nCLEAR = "add_review_step_v1"\nfrom mine import ELSEWHERE, Gates\n' + in_run(line).replace(
        "class Order:", "class Order:\n    VAGUE = 'v2'"
    )
    assert found(source) == marked(source)
