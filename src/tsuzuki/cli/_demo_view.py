"""How a research run is shown: a live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tsuzuki.demo import SEARCHES

from ._demo_state import RunState, State, Step

WIDTH_MAX: Final = 110  # wider, and the eye loses the row

_SIGNS: Final = {
    State.WAITING: ("·", "dim"),
    State.RUNNING: ("▶", "yellow"),
    State.RETRYING: ("↻", "magenta"),
    State.DONE: ("✓", "green"),
    State.RESTORED: ("■", "cyan"),
    State.FAILED: ("✗", "red"),
}


class View(Protocol):
    """Shows the state of a run whenever it is told to, between `with` and its end."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Print a line that stays."""
        ...

    def show(self, run: RunState) -> None:
        """Show the run as it is now."""
        ...


def view_on(console: Console) -> View:
    """The view that suits a console."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """A line for each change of a step."""

    def __init__(self, console: Console) -> None:
        self._console: Final = console
        self._shown: dict[tuple[int, str], tuple[State, int]] = {}
        self._stuck = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)

    def show(self, run: RunState) -> None:
        for step in run.steps:
            now = (step.state, step.attempt)
            if step.state is not State.WAITING and self._shown.get((step.number, step.title)) != now:
                self._shown[step.number, step.title] = now
                self.say(_line(step))
        if run.stuck != self._stuck:
            self._stuck = run.stuck
            if run.stuck:
                self.say(f"stuck: {run.stuck}")


def _line(step: Step) -> str:
    name = f"search {step.number:2}" if step.number else "         "
    seconds = f"{step.seconds:5.2f} s" if step.recorded and step.seconds is not None else ""
    note = f" ({step.note})" if step.note else ""
    return f"{name}  {step.state.value:<8}  attempt {step.attempt}  {seconds:>7}  {step.title}{note}"


class LiveView:
    """A table that is drawn anew in place."""

    def __init__(self, console: Console) -> None:
        self._console: Final = console
        self._live: Final = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False)

    def show(self, run: RunState) -> None:
        self._live.update(_picture(run, self._console.width), refresh=True)


def _picture(run: RunState, width: int) -> RenderableType:
    table = Table(box=None, padding=(0, 1), expand=True, width=min(width, WIDTH_MAX))
    table.add_column("", width=1)
    table.add_column("#", justify="right", style="dim", width=2)
    table.add_column("search", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("state", width=8)
    table.add_column("attempt", justify="right", width=7)
    table.add_column("time", justify="right", width=7)
    for step in run.steps:
        sign, style = _SIGNS[step.state]
        title = Text(step.title)
        if step.note:
            title.append(f"  {step.note}", style="dim")
        table.add_row(
            Text(sign, style),
            str(step.number or ""),
            title,
            Text(step.state.value, style),
            str(step.attempt),
            f"{step.seconds:.2f} s" if step.seconds is not None else "",
        )
    unknown = SEARCHES - len(run.searches)
    if unknown:
        hint = "more follow from what these find" if run.searches else "searches once there is a plan"
        table.add_row("", "", Text(f"{unknown} {hint}", style="dim"), "", "", "")
    summary = Table.grid(padding=(0, 1))
    counts = f"{run.recorded()} of {SEARCHES} searches recorded"
    if restored := run.recorded(State.RESTORED):
        counts += f", {restored} of them restored"
    summary.add_row(ProgressBar(total=SEARCHES, completed=run.recorded(), width=30), counts)
    lines: list[RenderableType] = [table, summary]
    if run.stuck:
        lines.append(Text(f"stuck: {run.stuck}", style="red"))
    return Group(*lines)
