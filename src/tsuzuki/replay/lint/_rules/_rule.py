"""What a rule is: a code that never changes, words for people, and a check of one function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .._workflow_code import Reach


@dataclass(frozen=True)
class Problem:
    """One place where a rule is broken.

    Attributes:
        node: The place; for a statement with a body only its first line counts.
        message: What happens because of it.
        help: What to write instead.
    """

    node: ast.AST
    message: str
    help: str


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: Stable for ever: `TSU` and three digits. The first tells the family.
        name: A few words, for the summary and the documents.
        why: What goes wrong, as a paragraph of the documents.
        bad: Lines of a workflow's `run` that break it.
        good: The same, mended.
        check: Finds the problems of one function that is workflow code.
        calls: For rules about forbidden calls: dotted name -> replacement.
    """

    code: str
    name: str
    why: str
    bad: str
    good: str
    check: Callable[[Reach], Iterator[Problem]]
    calls: Mapping[str, str] = field(default_factory=dict)
