"""The command: formats, selection, exit codes; and our own code, which it must find clean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from lint_marks import in_run
from typer.testing import CliRunner

from tsuzuki.cli._app import _app
from tsuzuki.cli._lint import Format
from tsuzuki.replay.lint import FORMATS, OWN_CODES, RULES, lint_paths

ROOT = Path(__file__).parents[2]
LINES = 'now = time.time()\nawait workflow.sleep(now)\nworkflow.patched("v2")'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.py").write_text(in_run(LINES))
    (tmp_path / "clean.py").write_text(in_run("await workflow.sleep(1)"))
    return tmp_path


def lint(*arguments: str) -> Result:
    return CliRunner().invoke(_app, ["lint", *arguments])


def test_text_names_place_code_message_and_help() -> None:
    result = lint("order.py", "clean.py")
    assert result.exit_code == 1
    assert result.stdout == (
        "order.py:20:15: TSU001 `time.time()` reads the machine's clock, which tells another time on replay\n"
        "    help: workflow.time()\n"
        "order.py:22:26: TSU301 the gate 'v2' does not say what it guards\n"
        "    help: name what changes, as in `add_review_step_v1`\n"
        "\n"
        "Found 2 problems in 1 of 2 files with 2 workflows.\n"
    )


def test_nothing_found_is_exit_code_0() -> None:
    result = lint("clean.py")
    assert (result.exit_code, result.stdout) == (0, "No problems in 1 file with 1 workflow.\n")


def test_what_was_taken_back_is_counted(here: Path) -> None:
    (here / "order.py").write_text(in_run("time.time()  # tsuzuki: ignore[TSU001] only for the log"))
    assert lint("order.py").stdout == "No problems in 1 file with 1 workflow (1 finding suppressed).\n"


def test_json_is_one_object() -> None:
    result = lint("order.py", "--format", "json")
    assert result.exit_code == 1
    written = json.loads(result.stdout)
    assert written["findings"][0] == {
        "path": "order.py",
        "line": 20,
        "column": 15,
        "code": "TSU001",
        "end_line": 20,
        "end_column": 26,
        "name": "clock",
        "message": "`time.time()` reads the machine's clock, which tells another time on replay",
        "help": "workflow.time()",
    }
    assert written["summary"] == {"problems": 2, "files": 1, "workflows": 1, "suppressed": 0}
    assert result.stderr == "Found 2 problems in 1 of 1 file with 1 workflow.\n"
    assert json.loads(lint("clean.py", "--format", "json").stdout)["findings"] == []


def test_github_gets_one_escaped_command_a_finding(here: Path) -> None:
    (here / "odd,na:me%.py").write_text(in_run("while True:\n    await self.poll()\ntime.time(\n)"))
    result = lint("odd,na:me%.py", "--format", "github")
    first, second = result.stdout.splitlines()
    assert first.startswith(
        "::error title=tsuzuki TSU201 (growing loop),file=odd%2Cna%3Ame%25.py,line=20,col=9,endLine=20,endColumn="
    )
    assert second.startswith("::error title=tsuzuki TSU001 (clock),file=odd%2Cna%3Ame%25.py,line=22,endLine=23::`time.")
    assert second.endswith(". Help: workflow.time()")
    assert lint("clean.py", "--format", "github").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["--select", "TSU001"], ["TSU001"]),
        (["--select", "TSU0,TSU3"], ["TSU001", "TSU301"]),
        (["--select", "TSU0", "--select", "tsu301"], ["TSU001", "TSU301"]),
        (["--ignore", "TSU001"], ["TSU301"]),
        (["--select", "TSU", "--ignore", "TSU3"], ["TSU001"]),
        (["--select", "TSU1"], []),
    ],
)
def test_rules_are_selected_by_the_beginnings_of_their_codes(arguments: list[str], codes: list[str]) -> None:
    result = lint("order.py", "--format", "json", *arguments)
    assert [finding["code"] for finding in json.loads(result.stdout)["findings"]] == codes
    assert result.exit_code == (1 if codes else 0)


def test_a_file_that_cannot_be_read_is_reported_whatever_is_selected(here: Path) -> None:
    (here / "broken.py").write_text("def (")
    result = lint("broken.py", "--select", "TSU001", "--ignore", "TSU9")
    assert result.exit_code == 1
    assert result.stdout.startswith("broken.py:1:5: TSU901 this is not Python 3.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give the files and folders"),
        (["nowhere"], "nowhere does not exist"),
        (["order.py", "--select", "TS001"], "'TS001'; the nearest is TSU001"),
        (["order.py", "--ignore", "E501"], "no rule has a code that begins with 'E501'"),
    ],
)
def test_bad_input_is_refused_in_one_line_with_exit_code_2(arguments: list[str], words: str) -> None:
    result = lint(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.startswith("tsuzuki: ")
    assert result.stderr.count("\n") == 1


def test_an_unknown_format_is_refused() -> None:
    assert lint("order.py", "--format", "xml").exit_code == 2


def test_a_folder_without_python_files_is_noted(here: Path) -> None:
    (here / "empty").mkdir()
    result = lint("empty")
    assert (result.exit_code, result.stderr) == (0, "tsuzuki: no Python files there\n")


def test_a_path_that_is_no_text_can_be_printed(here: Path) -> None:
    (here / "caf\udce9.py").write_text(in_run("time.time()"))
    assert "caf\\udce9.py:20:9: TSU001" in lint(".").stdout


def test_the_rules_can_be_listed() -> None:
    lines = lint("--rules").stdout.splitlines()
    assert lines[0] == "TSU001 clock"
    assert [line.split()[0] for line in lines] == [*(rule.code for rule in RULES), *OWN_CODES]


def test_every_format_can_be_asked_for() -> None:
    assert {form.value for form in Format} == set(FORMATS)


def test_our_own_code_is_clean() -> None:
    result = lint_paths([str(ROOT / "src"), str(ROOT / "examples")])
    assert result.findings == ()
    assert result.workflows >= 2  # it looked
