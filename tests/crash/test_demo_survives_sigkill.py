"""The main job: a research run is killed with SIGKILL, started again by the same command, and repeats nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tsuzuki.demo import SEARCHES, UNRELIABLE, Execution

TEXTS = {
    "lamps.md": "# Lamp\n\nA lamp gives light when current flows. A lamp must never be opened while it is hot.\n",
    "switches.md": "# Switch\n\nA switch opens and closes the current of a lamp. A switch fails when it gets wet.\n",
    "fuses.md": "# FuseBox\n\nThe FuseBox protects each lamp and each switch. A FuseBox cuts the current at once.\n",
}
QUESTION = "How do a lamp and a switch work, and what can go wrong?"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "texts" / name).write_text(text)
    return tmp_path


def demo(here: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with a cache of its own and searches that do not wait."""
    code = "from tsuzuki.cli import main; main()"
    command = [sys.executable, "-c", code, "demo", QUESTION, "--corpus", "texts", "--search-seconds", "0", *options]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    environment["XDG_CACHE_HOME"] = str(here / "cache")
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=600, check=False)


def executions(here: Path) -> list[Execution]:
    """The log of executions, read without the program's help."""
    fields = re.compile(r'\{"run_id": "([^"]+)", "search": (\d+), "attempt": (\d+), "pid": (\d+)\}')
    lines = (here / "research.db.searches.log").read_text().splitlines()
    matches = [fields.fullmatch(line) for line in lines]
    return [Execution(m[1], int(m[2]), int(m[3]), int(m[4])) for m in matches if m]


def restored(stderr: str) -> set[int]:
    return {int(number) for number in re.findall(r"^search +(\d+) +restored", stderr, re.MULTILINE)}


def test_without_a_crash_every_search_runs_once_and_the_unreliable_one_twice(here: Path) -> None:
    done = demo(here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"# {QUESTION}\n")
    counts = Counter(execution.search for execution in executions(here))
    assert counts == {search: 2 if search == UNRELIABLE else 1 for search in range(1, SEARCHES + 1)}
    assert f"search {UNRELIABLE:2}  retrying  attempt 2" in done.stderr
    assert f"0 restored from research.db, {SEARCHES} ran in this process" in done.stderr


@pytest.mark.parametrize("crash_after", [1, 5, 9, 12, SEARCHES])
def test_a_killed_run_is_finished_by_the_same_command_without_repeating_a_search(here: Path, crash_after: int) -> None:
    killed = demo(here, "--crash-after", str(crash_after))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout == ""
    before = executions(here)
    (first_process,) = {execution.pid for execution in before}

    resumed = demo(here, "--crash-after", str(crash_after))  # the same command: it does not crash again
    assert resumed.returncode == 0, resumed.stderr
    recorded = restored(resumed.stderr)
    assert len(recorded) >= crash_after
    after = [execution for execution in executions(here) if execution.pid != first_process]
    assert {execution.search for execution in after} & recorded == set()
    assert {execution.search for execution in after} | recorded == set(range(1, SEARCHES + 1))
    attempts = [(execution.search, execution.attempt) for execution in before + after]
    assert len(attempts) == len(set(attempts))
    ran = SEARCHES - len(recorded)
    assert f"{len(recorded)} restored from research.db, {ran} ran in this process" in resumed.stderr
    assert "No finished search ran twice." in resumed.stderr


def test_a_run_killed_again_and_again_still_repeats_nothing(here: Path) -> None:
    for crash_after in range(2, SEARCHES + 1, 3):
        assert demo(here, "--crash-after", str(crash_after)).returncode == -signal.SIGKILL
    done = demo(here)
    assert done.returncode == 0, done.stderr
    assert "No finished search ran twice." in done.stderr
    attempts = [(execution.search, execution.attempt) for execution in executions(here)]
    assert len(attempts) == len(set(attempts))


def test_the_report_does_not_depend_on_where_the_run_was_killed(here: Path) -> None:
    whole = demo(here, "--db", "whole.db")
    demo(here, "--crash-after", "6")
    assert demo(here).stdout == whole.stdout


def test_a_finished_question_is_answered_from_the_database(here: Path) -> None:
    first = demo(here)
    log = executions(here)
    (here / "texts" / "lamps.md").unlink()  # not needed any more
    again = demo(here)
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert "This question was answered before" in again.stderr
    assert executions(here) == log


def test_new_starts_a_finished_question_again(here: Path) -> None:
    demo(here)
    again = demo(here, "--new")
    assert again.returncode == 0, again.stderr
    runs = Counter(execution.run_id for execution in executions(here))
    assert list(runs.values()) == [SEARCHES + 1, SEARCHES + 1]
    assert f"0 restored from research.db, {SEARCHES} ran" in again.stderr


def test_questions_in_one_database_do_not_disturb_each_other(here: Path) -> None:
    demo(here, "--crash-after", "3")
    code = "from tsuzuki.cli import main; main()"
    command = [sys.executable, "-c", code, "demo", "What is a fuse?", "--corpus", "texts", "--search-seconds", "0"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(here / "cache")}
    other = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert other.returncode == 0, other.stderr
    assert "0 restored" in other.stderr
    assert len(restored(demo(here).stderr)) >= 3


def test_an_interrupted_run_says_how_to_go_on(here: Path) -> None:
    # A test run in the background of a shell is born deaf to SIGINT, and so are its children.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = listen + "from tsuzuki.cli import main; main()"
    command = [sys.executable, "-c", code, "demo", QUESTION, "--corpus", "texts", "--search-seconds", "0.2"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(here / "cache")}
    with subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        next(line for line in lines if re.match(r"search +2 +done", line))
        process.send_signal(signal.SIGINT)
        rest = "".join(lines)
        assert process.wait(timeout=120) == 130
    assert "the same command goes on from there" in rest
    resumed = demo(here)
    assert resumed.returncode == 0, resumed.stderr
    assert len(restored(resumed.stderr)) >= 1
    assert "No finished search ran twice." in resumed.stderr
