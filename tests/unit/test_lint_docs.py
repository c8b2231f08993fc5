"""The page about the lint is true: its rules are those of the table, and each example shows what it says.

After a change of the rules run `python tests/unit/test_lint_docs.py`.
"""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Final

import pytest
from lint_marks import found, in_run

from tsuzuki.replay.lint import OWN_CODES, RULES, Rule, as_text, lint_paths

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "lint.md"
MARK: Final = "<!-- Below here written by `python tests/unit/test_lint_docs.py` from the table of rules. -->\n"

FAMILIES: Final = {
    "TSU0": "Calls that differ on replay",
    "TSU1": "Commands and state",
    "TSU2": "Loops and cancellation",
    "TSU3": "Gates",
}
OWN: Final = {
    "TSU901": "The file is not Python, not UTF-8, or cannot be opened. Always reported: nothing in it was checked.",
    "TSU902": "A `# tsuzuki: ignore[...]` without a reason, without a code, or with a code that does not exist.",
    "TSU903": "A `# tsuzuki: ignore[...]` for a rule that finds nothing there (any more).",
}


def generated() -> str:
    """The part of the page that comes from the table."""
    parts = []
    for family, rules in groupby(RULES, key=lambda rule: rule.code[:4]):
        parts.append(f"### {FAMILIES[family]}\n")
        parts += map(about, rules)
    parts.append("### The lint itself\n")
    parts += [f"#### {code} {name}\n\n{OWN[code]}\n" for code, name in OWN_CODES.items()]
    return "\n" + "\n".join(parts)


def about(rule: Rule) -> str:
    bad = "".join(f"-{line}\n" for line in rule.bad.splitlines())
    good = "".join(f"+{line}\n" for line in rule.good.splitlines())
    table = "".join(f"| {names} | {cell(to)} |\n" for to, names in rows(rule).items())
    table = f"\n| | instead |\n|---|---|\n{table}" if table else ""
    why = fill(rule.why, 115, break_long_words=False, break_on_hyphens=False)
    return f"#### {rule.code} {rule.name}\n\n{why}\n\n```diff\n{bad}{good}```\n{table}"


def rows(rule: Rule) -> dict[str, str]:
    """The table of a rule by replacement: after the first call of a module only the last part of the name."""
    grouped: dict[str, list[str]] = {}
    owner_before = None
    for name, replacement in rule.calls.items():
        owner, _, last = name.rpartition(".")
        same = replacement.replace(f"().{last}(...)", "(), which has the same methods")
        names = grouped.setdefault(same, [])
        full = last if owner == "builtins" else name
        names.append(f"`{last}`" if names and owner == owner_before else f"`{full}`")
        owner_before = owner
    return {replacement: ", ".join(names) for replacement, names in grouped.items()}


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def write() -> None:
    """Write the generated part anew."""
    head, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(head + mark + generated(), encoding="utf-8")


def test_the_page_has_what_the_table_says() -> None:
    head, mark, rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, "the line that the generated part begins with is gone"
    assert rest == generated(), "run `python tests/unit/test_lint_docs.py`"
    assert "TSU001" in head


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_examples_show_what_they_say(rule: Rule) -> None:
    assert {code for _, code in found(in_run(rule.bad))} == {rule.code}
    assert found(in_run(rule.good)) == []


def test_codes_are_in_order_and_in_a_family() -> None:
    codes = [rule.code for rule in RULES] + list(OWN_CODES)
    assert codes == sorted(set(codes))
    assert {code[:4] for code in codes} == {*FAMILIES, "TSU9"}
    assert all(re.fullmatch(r"TSU\d{3}", code) for code in codes)


def test_the_output_at_the_top_is_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("src/shop/order.py")
    path.parent.mkdir(parents=True)
    path.write_text(
        "import asyncio\nfrom datetime import datetime, timedelta\n\nfrom tsuzuki import activity, workflow\n\n\n"
        "@activity.defn\ndef ship(order: str) -> None: ...\n\n\n"
        "MINUTE = timedelta(minutes=1)\n\n\n"
        "@workflow.defn\nclass Order:\n    @workflow.run\n    async def run(self, order: str) -> None:\n"
        "        # the day it began\n"
        "        self.began = datetime.now()\n"
        "        options = {'start_to_close_timeout': MINUTE}\n"
        "        workflow.start_activity(ship, order, **options)\n"
        "        await asyncio.gather(*(self.ask(x) for x in {'north', 'south'}))\n\n"
        "    async def ask(self, depot: str) -> None:\n        await workflow.sleep(1)\n"
    )
    shown = re.search(r"\$ tsuzuki lint src\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown
    assert as_text(lint_paths(["src"])) + "\n" == shown[1]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
    write()
