"""The demo's command line: bad input in one line, the display, and the proof, each without a real run."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from typer.testing import CliRunner

import tsuzuki
from tsuzuki.cli._app import _app
from tsuzuki.cli._demo_proof import prove
from tsuzuki.cli._demo_state import RunState, State
from tsuzuki.cli._demo_view import LiveView, PlainView, view_on
from tsuzuki.client import PendingActivity
from tsuzuki.client import PendingActivityState as ClientState
from tsuzuki.converter import DataConverter
from tsuzuki.demo import Execution, Question, Search
from tsuzuki.demo._topics import Topic

# ---- bad input -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def make_folder(here: Path) -> None:
    (here / "texts").mkdir()


def make_binary(here: Path) -> None:
    make_folder(here)
    (here / "texts" / "a.txt").write_bytes(b"\x7fELF\0\0")


def make_unreadable(here: Path) -> None:
    make_folder(here)
    (here / "texts" / "a.txt").symlink_to(here / "gone")  # unreadable for root too


def make_no_database(here: Path) -> None:
    (here / "notes.db").write_text("These are notes, and long enough to have the header of a database. " * 20)


def make_other_database(here: Path) -> None:
    with sqlite3.connect(here / "notes.db") as connection:
        connection.execute("CREATE TABLE note (text)")
    connection.close()


def nothing(here: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "arguments", "words"),
    [
        (nothing, [""], "the question is empty"),
        (nothing, [" \t "], "the question is empty"),
        (nothing, ["why? " * 300], "at most 1,000"),
        (nothing, ["--crash-after", "0"], "from 1 to 15"),
        (nothing, ["--crash-after", "16"], "from 1 to 15"),
        (nothing, ["--search-seconds", "-1"], "from 0 to 20"),
        (nothing, ["--search-seconds", "nan"], "from 0 to 20"),
        (nothing, ["--corpus", "texts"], "does not exist"),
        (make_folder, ["--corpus", "texts"], "no text files"),
        (make_binary, ["--corpus", "texts"], "binary"),
        (make_unreadable, ["--corpus", "texts"], "cannot be read"),
        (make_binary, ["--corpus", "texts/a.txt"], "not a folder"),
        (nothing, ["--db", "gone/research.db"], "does not exist"),
        (make_folder, ["--db", "texts"], "is a folder"),
        (make_no_database, ["--db", "notes.db"], "not a database"),
        (make_other_database, ["--db", "notes.db"], "notes.db"),
    ],
)
def test_bad_input_is_refused_in_one_line_with_exit_code_2(
    here: Path, prepare: Callable[[Path], None], arguments: list[str], words: str
) -> None:
    prepare(here)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    result = CliRunner().invoke(_app, ["demo", *arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.startswith("tsuzuki: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    after = {path: path.read_bytes() for path in here.rglob("*") if path.is_file() and "owner" not in path.name}
    assert after == before  # nothing changed, and no new database was left behind


def test_a_database_in_use_is_refused_with_the_process_that_has_it(here: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from tsuzuki.engine import open_embedded\n"
        "async def main():\n"
        "    await open_embedded('research.db')\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        result = CliRunner().invoke(_app, ["demo"])
        other.communicate("")
    assert result.exit_code == 2
    assert f"process {other.pid}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(_app, ["--version"]).stdout == f"tsuzuki {tsuzuki.__version__}\n"


# ---- a history by hand -----------------------------------------------------------------------------------

START = datetime(2030, 1, 1, tzinfo=UTC)


def event(event_id: int, kind: str, second: float = 0, **attributes: object) -> HistoryEvent:
    made = HistoryEvent(event_id=event_id, event_type=EventType.Value(f"EVENT_TYPE_ACTIVITY_TASK_{kind}"))
    made.event_time.FromDatetime(START + timedelta(seconds=second))
    target = getattr(made, f"activity_task_{kind.lower()}_event_attributes")
    for name, value in attributes.items():
        setattr(target, name, value)
    return made


def scheduled(event_id: int, number: int) -> HistoryEvent:
    made = event(event_id, "SCHEDULED", activity_id=f"search-{number}")
    attributes = made.activity_task_scheduled_event_attributes
    attributes.activity_type.name = "search"
    job = Search(number, Topic(f"topic {number}", "", "", "", ()), Question("?"))
    attributes.input.payloads.extend(DataConverter.default.payload_converter.to_payloads([job]))
    return made


def search_events(first_id: int, number: int, attempt: int = 1) -> list[HistoryEvent]:
    """A search that was completed by this attempt, after 2 s."""
    return [
        scheduled(first_id, number),
        event(first_id + 1, "STARTED", 10, scheduled_event_id=first_id, attempt=attempt),
        event(first_id + 2, "COMPLETED", 12, scheduled_event_id=first_id),
    ]


def pending(number: int, state: ClientState, attempt: int, failure: Exception | None = None) -> PendingActivity:
    return PendingActivity(
        activity_id=f"search-{number}",
        activity_type="search",
        state=state,
        attempt=attempt,
        maximum_attempts=0,
        scheduled_time=None,
        last_started_time=START,
        last_heartbeat_time=None,
        next_attempt_time=None,
        last_failure=failure,  # type: ignore[arg-type]
        last_worker_identity="",
        heartbeat_details=(),
        raw_info=PendingActivityInfo(state=PendingActivityState.PENDING_ACTIVITY_STATE_STARTED),
    )


def a_run() -> RunState:
    """Search 1 restored, 2 done at its second attempt, 3 running, 4 retrying, 5 waiting."""
    run = RunState()
    for each in search_events(5, 1):
        run.apply(each, restored=True)
    for each in [*search_events(8, 2, attempt=2), scheduled(11, 3), scheduled(12, 4), scheduled(13, 5)]:
        run.apply(each, restored=False)
    run.observe(
        [
            pending(2, ClientState.STARTED, 2),  # the description is older than the history
            pending(3, ClientState.STARTED, 1),
            pending(4, ClientState.SCHEDULED, 3, ConnectionError("busy")),
            pending(5, ClientState.SCHEDULED, 1),
        ],
        START + timedelta(seconds=1.5),
    )
    return run


def test_rows_are_folded_from_history_and_description() -> None:
    rows = [(step.number, step.title, step.state, step.attempt, step.seconds, step.note) for step in a_run().steps]
    assert rows == [
        (1, "topic 1", State.RESTORED, 1, 2.0, ""),
        (2, "topic 2", State.DONE, 2, 2.0, ""),
        (3, "topic 3", State.RUNNING, 1, 1.5, ""),
        (4, "topic 4", State.RETRYING, 3, None, "busy"),
        (5, "topic 5", State.WAITING, 1, None, ""),
    ]
    assert (a_run().recorded(), a_run().recorded(State.RESTORED)) == (2, 1)


def test_a_failed_activity_shows_why() -> None:
    run = a_run()
    failed = event(14, "FAILED", scheduled_event_id=11)
    failed.activity_task_failed_event_attributes.failure.message = "no such text"
    run.apply(failed, restored=False)
    assert (run.steps[2].state, run.steps[2].note) == (State.FAILED, "no such text")


def test_without_a_terminal_each_change_is_a_line_and_nothing_is_said_twice() -> None:
    output = io.StringIO()
    view = view_on(Console(file=output, width=200))
    assert isinstance(view, PlainView)
    run = a_run()
    with view:
        view.show(run)
        view.show(run)
        run.stuck = "TypeError: a bug"
        view.show(run)
        view.show(run)
    assert output.getvalue().splitlines() == [
        "search  1  restored  attempt 1   2.00 s  topic 1",
        "search  2  done      attempt 2   2.00 s  topic 2",
        "search  3  running   attempt 1           topic 3",
        "search  4  retrying  attempt 3           topic 4 (busy)",
        "stuck: TypeError: a bug",
    ]


def test_on_a_terminal_the_run_is_a_table_with_every_column_however_long_a_reason_is() -> None:
    output = io.StringIO()
    view = view_on(Console(file=output, force_terminal=True, width=80, color_system=None))
    assert isinstance(view, LiveView)
    run = a_run()
    run.steps[3].note = "a reason that is much too long for its column, by far, and then some more " * 3
    with view:
        view.show(run)
    text = output.getvalue()
    for words in ("■   1  topic 1", "restored        1   2.00 s", "↻   4  topic 4", "retrying        3", "…"):
        assert words in text
    assert "10 more follow from what these find" in text
    assert "2 of 15 searches recorded, 1 of them restored" in text
    assert max(len(line) for line in text.split("\x1b[1A")[-1].splitlines()) <= 80 + len("\x1b[?25h")


# ---- the proof -------------------------------------------------------------------------------------------


def executions(*pairs: tuple[int, int]) -> list[Execution]:
    return [Execution("run", search, attempt, os.getpid()) for search, attempt in pairs]


HISTORY = [*search_events(5, 1), *search_events(8, 2, attempt=2)]


def test_each_recorded_search_with_its_failed_attempts_is_a_proof() -> None:
    proof = prove(HISTORY, executions((1, 1), (2, 1), (2, 2)))
    assert not proof.repeated
    assert proof.line == (
        "Proof: the log of executions has 3: the 2 that the history records and 1 that failed or was cut off."
        " No finished search ran twice."
    )


@pytest.mark.parametrize("again", [(1, 1), (1, 2), (2, 3), (2, 2)])
def test_an_execution_after_the_recorded_one_is_found(again: tuple[int, int]) -> None:
    proof = prove(HISTORY, executions((1, 1), (2, 1), (2, 2), again))
    assert proof.repeated
    assert f"search {again[0]} attempt {again[1]} in process {os.getpid()}" in proof.line


def test_without_a_log_there_is_no_proof() -> None:
    proof = prove(HISTORY, executions((1, 1)))
    assert not proof.repeated
    assert proof.line == "No proof: the log of executions lacks 1 of 2 recorded searches."
