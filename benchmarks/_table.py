"""The table: rows of measured numbers, their goals, and the Markdown that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._series import Series, number

BEGIN = "<!-- table: written by `python -m benchmarks --write docs/benchmarks.md` -->"
END = "<!-- end of table -->"


@dataclass(frozen=True)
class Goal:
    """A bound for a number: `at_least` for ratios of speed, else at most."""

    bound: float
    at_least: bool
    unit: str = "x"

    def show(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.bound:g}{self.unit}"

    def verdict(self, value: float) -> str:
        """`met`, or by how much it is missed."""
        if (value >= self.bound) if self.at_least else (value <= self.bound):
            return "met"
        short = self.bound / value if self.at_least else value / self.bound
        return f"missed by a factor of {number(short)}"


@dataclass(frozen=True)
class Row:
    """One line. `judged` is what the goal is held against: a ratio, or the number itself."""

    letter: str
    what: str
    ours: str
    other: str = ""
    ratio: Series | None = None
    judged: Series | None = None
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        judged = self.ratio if self.judged is None else self.judged
        goal = "" if self.goal is None else self.goal.show()
        verdict = "" if self.goal is None or judged is None else self.goal.verdict(judged.median)
        ratio = "" if self.ratio is None else self.ratio.show("x")
        return (self.letter, self.what, self.ours, self.other, ratio, goal, verdict)


HEADER = ("", "Measured", "Tsuzuki", "beside", "ratio", "goal", "")


def render(machine: Sequence[str], rows: Sequence[Row]) -> str:
    """Header lines and the aligned Markdown table: `median (lowest-highest)` everywhere."""
    cells = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*(f"- {line}" for line in machine), "", *lines, ""])


def write(path: Path, table: str) -> None:
    """Put the table between its two marks in `path`; the rest of the document stays as it is."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no marks for the table; expected {BEGIN!r} and {END!r}")
    path.write_text(f"{before}{BEGIN}\n{table}{END}{after}")
