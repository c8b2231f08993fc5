"""Forbidden calls: every row of every table, and what must not be taken for one."""

from __future__ import annotations

import re

import pytest
from lint_marks import found, in_module, in_run, marked

from tsuzuki.replay.lint import RULES

ROWS = [(rule.code, name) for rule in RULES for name in rule.calls]


def call_of(name: str) -> str:
    """A call, or use, of a row of a table: `a.*` and `a.B().*` stand for any."""
    if name in ("os.environ", "os.environb", "sys.argv"):
        return name
    return re.sub(r"\*$", "anything", name).removeprefix("builtins.") + "()"


def source_of(name: str, where: str) -> str:
    root = re.split(r"[.(]", name)
    module = name.partition("(")[0].rpartition(".")[0] or root[0]
    module = re.sub(r"\.[A-Z].*", "", module)  # not the class
    module = {"sys.stdin": "sys", "datetime.datetime": "datetime", "datetime.date": "datetime"}.get(module, module)
    imported = "" if root[0] == "builtins" else f"import {module}\n"
    return f"{imported}from tsuzuki import workflow\n{where}\n    async def run(self):\n        {call_of(name)}\n"


@pytest.mark.parametrize(("code", "name"), ROWS, ids=[name for _, name in ROWS])
def test_each_row_is_found_in_a_workflow_and_nowhere_else(code: str, name: str) -> None:
    inside = source_of(name, "@workflow.defn\nclass Order:\n    @workflow.run")
    assert found(inside) == [(inside.count("\n"), code)]
    assert found(source_of(name, "class Order:")) == []


@pytest.mark.parametrize(("code", "name"), ROWS, ids=[name for _, name in ROWS])
def test_each_row_has_a_replacement_that_is_not_forbidden_itself(code: str, name: str) -> None:
    replacement = next(rule.calls[name] for rule in RULES if rule.code == code)
    assert replacement
    code_in_it = re.match(r"(await )?workflow\.\w+\(", replacement)
    if code_in_it:
        assert found(in_run(re.split(r"[;,] ", replacement)[0].replace("...", "1"))) in ([], [(22, "TSU102")])


HARMLESS = """
    workflow.now(); workflow.time(); workflow.uuid4(); workflow.random().randint(1, 6)
    datetime.datetime.fromtimestamp(0, datetime.UTC); datetime.datetime(2030, 1, 1); datetime.date(2030, 1, 1)
    datetime.timedelta(seconds=3).total_seconds()
    time.strftime("%Y", order.when); time.gmtime(0); time.localtime(5); time.struct_time(())
    random.Random(7).random()
    uuid.uuid5(uuid.NAMESPACE_URL, "x"); uuid.UUID(int=3)
    os.path.join("a", "b"); os.fspath("x"); os.sep
    Path("a") / "b"; Path("a").name; Path("a").with_suffix(".md"); Path("x").parent.as_posix()
    httpx.Timeout(5); httpx.URL("https://example.org"); requests.Request("GET", "x")
    print("hello")
    workflow.logger.info("hello")
    await asyncio.sleep(1)
    await asyncio.wait_for(self.work(), 3)
    asyncio.get_running_loop().time()
    asyncio.Lock(); asyncio.Event(); asyncio.Queue()
    clock = order.clock; clock.time(); clock.now()
    sorted([3, 1]); hash; open
"""


@pytest.mark.parametrize("line", HARMLESS.strip().splitlines(), ids=lambda line: line.strip()[:40])
def test_harmless_calls_are_left_alone(line: str) -> None:
    assert found(in_run(line)) == []


@pytest.mark.parametrize(
    "body",
    [
        "time = order.time\nreturn time.time()",
        "for time in order.times:\n    time.time()",
        "with order.lock as random:\n    random.choice()",
        "[time.time() for time in order.times]",
        "open = order.open\nopen('x')",
        "sorted(order, key=lambda random: random.random())",
        "import mine as time\ntime.time()",
        "try:\n    pass\nexcept ValueError as uuid:\n    uuid.uuid4()",
        "match order:\n    case [time]:\n        time.time()",
        "(time := order.time)\ntime.time()",
    ],
)
def test_a_name_with_another_meaning_is_not_the_module(body: str) -> None:
    assert found(in_run(body)) == []


@pytest.mark.parametrize(
    "source",
    [
        in_module("""
            import time as clock
            from time import time, monotonic as tick
            from datetime import datetime as dt
            now = dt.now

            @workflow.defn
            class Order:
                @workflow.run
                async def run(self):
                    clock.time()  #! TSU001
                    time()  #! TSU001
                    tick()  #! TSU001
                    dt.utcnow()  #! TSU001
                    now()  #! TSU001
                    from random import choice
                    choice("ab")  #! TSU003
            """),
        in_module("""
            from os import environ
            try:
                import ujson, httpx as web
            except ImportError:
                web = None

            @workflow.defn
            class Order:
                @workflow.run
                async def run(self, path: Path, name: str | None, other: "Path | None"):
                    environ.get("A")  #! TSU006
                    os.environ["A"]  #! TSU006
                    web.get("x")  #! TSU008
                    path.read_text()  #! TSU007
                    (path / "a" / "b").exists()  #! TSU007
                    path.parent.joinpath("a").with_suffix(".md").unlink()  #! TSU007
                    random.Random(None)  #! TSU003
                    here = Path("a")
                    here.write_text("b")  #! TSU007
                    with web.Client() as client:  #! TSU008
                        client.get("x")  #! TSU008
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(None, print)  #! TSU010
                    requests.Session().get("x").json().update()  #! TSU008
                    x = open("a").read()  #! TSU007
            """),
    ],
    ids=["aliases", "instances"],
)
def test_names_are_followed_to_their_meaning(source: str) -> None:
    assert found(source) == marked(source)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("x = [time.time() for _ in order]", 1),
        ("x = f'{time.time()}'", 1),
        ("await workflow.wait_condition(lambda: time.time() > 3)", 1),
        ("if (now := time.time()) > 3:\n    pass", 1),
        ("async with asyncio.timeout(time.time()):\n    pass", 1),
        ("def inner():\n    return time.time()\ninner()", 2),
        ("def inner(at=time.time()):\n    return at\nreturn inner", 1),
        ("x = await self.work() or time.time()", 1),
        ("match time.time():\n    case 1:\n        pass", 1),
    ],
)
def test_forbidden_calls_are_found_wherever_they_stand(body: str, lines: int) -> None:
    first = in_run("pass").splitlines().index("        pass") + 1
    assert found(in_run(body)) == [(first + lines - 1, "TSU001")]


@pytest.mark.parametrize(
    "body",
    [
        "workflow.side_effect(lambda: random.random())",
        "workflow.side_effect(uuid.uuid4)",
        "workflow.mutable_side_effect('limit', lambda: os.environ['LIMIT'])",
        "def draw():\n    return random.random()\nx = workflow.side_effect(draw)",
        "with workflow.unsafe.sandbox_unrestricted():\n    time.time()",
        "with workflow.unsafe.determinism_guard_off():\n    time.time()",
        "with workflow.unsafe.anything(), order:\n    if order:\n        time.time()",
    ],
)
def test_recorded_functions_and_unsafe_blocks_are_exempt(body: str) -> None:
    assert found(in_run(body)) == []


def test_a_block_for_imports_exempts_nothing_else() -> None:
    source = in_run("with workflow.unsafe.imports_passed_through():\n    import numpy\n    time.time()  #! TSU001")
    assert found(source) == marked(source)


def test_an_unsafe_block_exempts_only_itself() -> None:
    source = in_run("with workflow.unsafe.x():\n    time.time()\ntime.time()  #! TSU001")
    assert found(source) == marked(source)
