"""`tsuzuki lint`: finds in workflow code, without running it, what would break replay.

Reads source with `ast` and never imports it. What it is not sure of it does not report. Every rule is a file
in `_rules` with a row in `RULES`.
"""

from ._check import lint_paths, lint_text
from ._files import UnreadableError
from ._finding import OWN_CODES, Finding, Result
from ._gates import GateCall, gate_calls
from ._report import FORMATS, as_github, as_json, as_text, escape, summary
from ._rules import RULES, Rule
from ._selection import Selection, UnknownCodeError, select

__all__ = [
    "FORMATS",
    "OWN_CODES",
    "RULES",
    "Finding",
    "GateCall",
    "Result",
    "Rule",
    "Selection",
    "UnknownCodeError",
    "UnreadableError",
    "as_github",
    "as_json",
    "as_text",
    "escape",
    "gate_calls",
    "lint_paths",
    "lint_text",
    "select",
    "summary",
]
