"""TSU012: an activity called as if it were a helper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .._workflow_code import Reach, called_function, is_activity
from ._rule import Problem, Rule


def _check(reach: Reach) -> Iterator[Problem]:
    for call, _ in reach.function.calls:
        called = called_function(reach.function, call)
        if called is not None and is_activity(called):
            name = called.node.name
            yield Problem(
                call,
                f"activity `{name}` is called directly: it runs inside the workflow, unrecorded, on every replay",
                f"await workflow.execute_activity({name}, ..., start_to_close_timeout=...)",
            )


RULE: Final = Rule(
    code="TSU012",
    name="activity called directly",
    why=(
        "Python allows it, and it may even seem to work: but nothing is recorded or retried, and everything "
        "is done again on every replay."
    ),
    bad="await charge(order)",
    good="await workflow.execute_activity(charge, order, start_to_close_timeout=MINUTE)",
    check=_check,
)
