"""TSU011: asking somebody at the keyboard."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls, each
from ._rule import Rule

_SIGNAL: Final = "a signal or an update that brings the answer, and await workflow.wait_condition(...)"

_CALLS: Final = {
    "builtins.input": _SIGNAL,
    "getpass.getpass": _SIGNAL,
    **each("sys.stdin", "read readline readlines", _SIGNAL),
}

RULE: Final = Rule(
    code="TSU011",
    name="console input",
    why=(
        "It stops the worker until somebody types, and asks again on every replay. People answer a workflow by "
        "a signal or an update. (`print` is harmless, but prints again on replay; `workflow.logger` does not.)"
    ),
    bad='answer = input("Ship it? ")',
    good="await workflow.wait_condition(lambda: self.answer is not None)",
    check=calls(_CALLS, "stops the whole worker until somebody types, and asks again on every replay"),
    calls=_CALLS,
)
