"""The check: from paths to findings.

Files that cannot hold a workflow are told by their text, without parsing: they have no `workflow`, or nothing
of this package (or `temporalio`) in them. That makes thousands of files a matter of a second.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable

from ._files import Source, UnreadableError, decode, find_sources, is_utf8, read_bytes
from ._finding import OWN_CODES, UNREADABLE, Finding, Result
from ._module import Module
from ._rules import RULES, Problem, Rule
from ._selection import Selection
from ._suppress import apply, read_suppressions
from ._workflow_code import Reach, count_workflows, workflow_code


def lint_paths(paths: Iterable[str], selection: Selection | None = None) -> Result:
    """Check files, and the Python files in folders.

    Args:
        paths: Files and folders.
        selection: Which rules; the default is all.

    Returns:
        The findings, with counts.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    chosen = selection or Selection()
    findings: list[Finding] = []
    files = workflows = suppressed = 0
    for source in find_sources(paths):
        result = _lint_file(source, chosen)
        findings.extend(result.findings)
        files += 1
        workflows += result.workflows
        suppressed += result.suppressed
    return Result(tuple(sorted(findings)), files, workflows, suppressed)


def lint_text(text: str, path: str = "<text>", selection: Selection | None = None) -> Result:
    """Check one source.

    Args:
        text: The source.
        path: What to call it in the findings.
        selection: Which rules; the default is all.
    """
    chosen = selection or Selection()
    try:
        tree = _parse(text)
        found = _lint_module(Module(path, text, tree), chosen)
    except UnreadableError as error:
        return Result((_unreadable(path, error),), 1, 0, 0)
    except RecursionError:
        too_deep = UnreadableError("the code is nested too deeply to be checked")
        return Result((_unreadable(path, too_deep),), 1, 0, 0)
    left, suppressed = apply(found.findings, read_suppressions(text), path, chosen)
    return Result(tuple(sorted(left)), 1, found.workflows, suppressed)


def _lint_file(source: Source, selection: Selection) -> Result:
    try:
        data = read_bytes(source.path)
        if not source.named and is_utf8(data) and not _may_hold_workflow(data):
            return Result((), 1, 0, 0)
        text = decode(data)
    except UnreadableError as error:
        return Result((_unreadable(source.path, error),), 1, 0, 0)
    return lint_text(text, source.path, selection)


def _may_hold_workflow(data: bytes) -> bool:
    if b"tsuzuki" not in data and b"temporalio" not in data:
        return False
    return b"workflow" in data or b"ignore" in data


def _parse(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the code, and for whoever runs it
            return ast.parse(text)
    except SyntaxError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UnreadableError(
            f"this is not Python {version}: {error.msg}", error.lineno or 1, max(error.offset or 1, 1)
        ) from None
    except ValueError as error:  # a NUL in it
        raise UnreadableError(f"this is not Python: {error}") from None
    except (RecursionError, MemoryError):
        raise UnreadableError("the code is nested too deeply to be parsed") from None


class _Found:
    """Findings of a module before its comments are heard, and the number of its workflows."""

    def __init__(self, findings: list[Finding], workflows: int) -> None:
        self.findings = findings
        self.workflows = workflows


def _lint_module(module: Module, selection: Selection) -> _Found:
    findings = {
        _finding(module, rule, problem, reach)
        for reach in workflow_code(module).values()
        for rule in RULES
        if rule.code in selection
        for problem in rule.check(reach)
    }
    return _Found(sorted(findings), count_workflows(module))


def _finding(module: Module, rule: Rule, problem: Problem, reach: Reach) -> Finding:
    node = problem.node
    line, end_line = _lines(node)
    column = _characters(module, line, getattr(node, "col_offset", 0))
    end_column = _characters(module, end_line, getattr(node, "end_col_offset", 0))
    if end_line != getattr(node, "end_lineno", end_line):
        end_column = len(module.lines[end_line - 1])
    return Finding(
        module.path,
        line,
        column + 1,
        rule.code,
        end_line,
        end_column + 1,
        rule.name,
        problem.message,
        f"{problem.help} ({reach.why})" if reach.why else problem.help,
    )


def _lines(node: ast.AST) -> tuple[int, int]:
    """First and last line of a place; of a statement with a body, its head."""
    first = int(getattr(node, "lineno", 1))
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        return first, max(first, body[0].lineno - 1)
    return first, int(getattr(node, "end_lineno", first))


def _characters(module: Module, line: int, offset: int) -> int:
    """Turn an offset in bytes, as the parser counts, into one in characters."""
    text = module.lines[line - 1] if line <= len(module.lines) else ""
    return len(text.encode()[:offset].decode(errors="ignore"))


def _unreadable(path: str, error: UnreadableError) -> Finding:
    line, column = error.line, error.column
    help_ = "mend or exclude the file: nothing in it was checked"
    return Finding(path, line, column, UNREADABLE, line, column, OWN_CODES[UNREADABLE], str(error), help_)
