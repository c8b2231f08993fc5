"""Comments that take findings back: `# tsuzuki: ignore[TSU001] reason`.

A comment counts for the code that begins on its line, or that ends there; alone on a line, for the next line
of code. Without a reason it counts too, and is a finding itself: whoever reads the code next needs one.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ._finding import SUPPRESSION, UNUSED, Finding
from ._selection import CODES, Selection

_COMMENT: Final = re.compile(r"#\s*tsuzuki:\s*ignore\b(?:\[(?P<codes>[^\]]*)\])?(?P<reason>[^#]*)", re.IGNORECASE)
_REASON_CHARS_MIN: Final = 3
_EXAMPLE: Final = "# tsuzuki: ignore[TSU001] why it is safe here"


@dataclass
class Suppression:
    """One such comment.

    Attributes:
        line: Where it stands.
        column: Of its `#`, from 1.
        length: Its characters.
        target: The line whose findings it takes back.
        codes: As written.
        reason: Why.
        used: Those of its codes that took something back.
    """

    line: int
    column: int
    length: int
    target: int
    codes: tuple[str, ...]
    reason: str
    used: set[str] = field(default_factory=set)

    def covers(self, finding: Finding) -> bool:
        """Tell whether it takes a finding back."""
        on_its_lines = self.target in (finding.line, finding.end_line)
        return finding.code in self.codes and on_its_lines


def read_suppressions(text: str) -> list[Suppression]:
    """Find the comments in a source that has been parsed."""
    if not re.search(r"tsuzuki:\s*ignore", text, re.IGNORECASE):
        return []
    found: list[Suppression] = []
    waiting: list[Suppression] = []  # alone on their lines, for the code below
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                made = [_suppression(token, match) for match in _COMMENT.finditer(token.string)]
                found += made
                if not token.line[: token.start[1]].strip():
                    waiting += made
            elif token.type not in _NO_CODE:
                for it in waiting:
                    it.target = token.start[0]
                waiting.clear()
    except (tokenize.TokenError, IndentationError):
        pass  # it parsed: only what comes after its end is odd
    return found


_NO_CODE: Final = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


def apply(
    findings: list[Finding], suppressions: list[Suppression], path: str, selection: Selection
) -> tuple[list[Finding], int]:
    """Take back what comments cover, and add what is wrong with the comments.

    Returns:
        What is left, and how many were taken back.
    """
    left = []
    for finding in findings:
        covering = [it for it in suppressions if it.covers(finding)]
        for it in covering:
            it.used.add(finding.code)
        if not covering:
            left.append(finding)
    taken_back = len(findings) - len(left)
    for it in suppressions:
        left.extend(about for about in _wrong_with(it, path, selection) if about.code in selection)
    return left, taken_back


def _suppression(token: tokenize.TokenInfo, match: re.Match[str]) -> Suppression:
    line, start = token.start[0], token.start[1] + match.start()
    codes = tuple(code.strip().upper() for code in (match["codes"] or "").split(",") if code.strip())
    reason = match["reason"].strip(" \t:-–—,.")
    return Suppression(line, start + 1, len(match[0].rstrip()), line, codes, reason)


def _wrong_with(it: Suppression, path: str, selection: Selection) -> Iterator[Finding]:
    def about(code: str, name: str, message: str, help_: str) -> Finding:
        return Finding(path, it.line, it.column, code, it.line, it.column + it.length, name, message, help_)

    name = "suppression"
    if not it.codes:
        yield about(SUPPRESSION, name, "this comment names no rule, and takes nothing back", _EXAMPLE)
        return
    if len(it.reason) < _REASON_CHARS_MIN:
        help_ = f"# tsuzuki: ignore[{','.join(it.codes)}] why it is safe here"
        yield about(SUPPRESSION, name, "this comment gives no reason", help_)
    for code in it.codes:
        if code not in CODES:
            yield about(SUPPRESSION, name, f"there is no rule {code}", "tsuzuki lint --rules")
        elif code in selection and code not in it.used:
            yield about(UNUSED, "unused suppression", f"{code} finds nothing here", "remove it")
