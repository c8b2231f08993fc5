"""What the lint has to say about one place, and about a whole check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UNREADABLE: Final = "TSU901"
SUPPRESSION: Final = "TSU902"
UNUSED: Final = "TSU903"

OWN_CODES: Final = {
    UNREADABLE: "unreadable file",
    SUPPRESSION: "suppression without a reason",
    UNUSED: "unused suppression",
}
"""Findings about the lint itself, beside those of the rules: code -> name."""


@dataclass(frozen=True, order=True)
class Finding:
    """One problem at one place.

    Attributes:
        path: The file, as it was reached from the path given.
        line: From 1.
        column: From 1, in characters.
        code: `TSU001` and so on.
        end_line: Where the place ends.
        end_column: Behind its last character.
        name: The rule's name.
        message: What happens because of it.
        help: What to write instead.
    """

    path: str
    line: int
    column: int
    code: str
    end_line: int
    end_column: int
    name: str
    message: str
    help: str


@dataclass(frozen=True)
class Result:
    """The outcome of a check.

    Attributes:
        findings: In the order of path and place.
        files: Number of files that were looked at.
        workflows: Number of workflows that were found in them.
        suppressed: Number of findings that comments took back.
    """

    findings: tuple[Finding, ...]
    files: int
    workflows: int
    suppressed: int
