"""Comments that take findings back, and what is said about the comments."""

from __future__ import annotations

import pytest
from lint_marks import HEAD, found, in_run

from tsuzuki.replay.lint import lint_text

FIRST = in_run("pass").splitlines().index("        pass") + 1
"""The line of the first statement of `run`."""


def codes_at(body: str, *selected: str) -> list[tuple[int, str]]:
    """Findings, with lines counted from the body's first."""
    return [(line - FIRST + 1, code) for line, code in found(in_run(body), *selected)]


@pytest.mark.parametrize(
    "body",
    [
        "time.time()  # tsuzuki: ignore[TSU001] measured only for the log",
        "time.time()  # tsuzuki: ignore[TSU001]: measured only for the log",
        "time.time()  # tsuzuki:ignore[tsu001] - measured only for the log",
        "time.time()  # noqa: DTZ  # tsuzuki: ignore[TSU001] measured only for the log",
        "# tsuzuki: ignore[TSU001] measured only for the log\ntime.time()",
        "# tsuzuki: ignore[TSU001] measured only for the log\n# another comment\n\ntime.time()",
        "time.sleep(time.time())  # tsuzuki: ignore[TSU001, TSU002] measured only for the log",
        "# tsuzuki: ignore[TSU001] measured only\n# tsuzuki: ignore[TSU002] it is short\ntime.sleep(time.time())",
        "time.sleep(time.time())  # tsuzuki: ignore[TSU001] measured # tsuzuki: ignore[TSU002] it is short",
        "await workflow.execute_activity(  # tsuzuki: ignore[TSU102] set by an interceptor\n    charge,\n    order,\n)",
        "await workflow.execute_activity(\n    charge,\n    order,\n)  # tsuzuki: ignore[TSU102] set by an interceptor",
        "while True:  # tsuzuki: ignore[TSU201] it ends with the process\n    await self.poll()",
        "x = [\n    # tsuzuki: ignore[TSU001] measured only for the log\n    time.time(),\n]",
    ],
)
def test_a_comment_with_a_reason_takes_findings_back(body: str) -> None:
    result = lint_text(in_run(body))
    assert result.findings == ()
    assert result.suppressed >= 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("time.time()  # tsuzuki: ignore[TSU001]", [(1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore[TSU001]  # noqa", [(1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore[TSU001] - ", [(1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore", [(1, "TSU001"), (1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore it is fine", [(1, "TSU001"), (1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore[] it is fine", [(1, "TSU001"), (1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore[TSU777] it is fine", [(1, "TSU001"), (1, "TSU902")]),
        ("time.time()  # tsuzuki: ignore[TSU002] it is fine", [(1, "TSU001"), (1, "TSU903")]),
        ("print(1)  # tsuzuki: ignore[TSU001] it is fine", [(1, "TSU903")]),
        ("print(1)  # tsuzuki: ignore[TSU001]", [(1, "TSU902"), (1, "TSU903")]),
        ("time.time()  # tsuzuki: ignore[TSU001,TSU002] it is fine", [(1, "TSU903")]),
        ("time.time()\n# tsuzuki: ignore[TSU001] it is fine", [(1, "TSU001"), (2, "TSU903")]),
        ("time.time()\nprint(1)  # tsuzuki: ignore[TSU001] it is fine", [(1, "TSU001"), (2, "TSU903")]),
        ("while True:\n    await self.poll()  # tsuzuki: ignore[TSU201] it ends", [(1, "TSU201"), (2, "TSU903")]),
        ("x = 'time.time()  # tsuzuki: ignore[TSU001]'", []),
    ],
)
def test_what_is_wrong_with_a_comment_is_a_finding(body: str, expected: list[tuple[int, str]]) -> None:
    assert codes_at(body) == expected


def test_a_rule_that_is_not_asked_for_leaves_its_comments_in_peace() -> None:
    body = "print(1)  # tsuzuki: ignore[TSU001] it is fine"
    assert codes_at(body, "TSU002", "TSU9") == []
    assert codes_at(body, "TSU001", "TSU9") == [(1, "TSU903")]
    assert codes_at(body, "TSU001") == []


def test_comments_outside_workflow_code_are_unused() -> None:
    source = HEAD + "time.time()  # tsuzuki: ignore[TSU001] it is fine\n"
    assert found(source) == [(source.count("\n"), "TSU903")]


def test_findings_about_comments_cannot_be_taken_back_by_comments() -> None:
    body = "print(1)  # tsuzuki: ignore[TSU001,TSU903] it is fine"
    assert codes_at(body) == [(1, "TSU903"), (1, "TSU903")]
