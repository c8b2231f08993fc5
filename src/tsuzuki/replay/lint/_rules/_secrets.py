"""TSU004: secrets and the system's random bytes."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls
from ._rule import Rule

_IN_ACTIVITY: Final = "make the secret in an activity and pass on a reference to it: results are stored in the history"

_CALLS: Final = {
    "secrets.*": _IN_ACTIVITY,
    "os.urandom": "workflow.random().randbytes(n); for a secret an activity",
    "os.getrandom": "workflow.random().randbytes(n); for a secret an activity",
    "random.SystemRandom": "workflow.random(); for a secret an activity",
    "random.SystemRandom().*": "workflow.random(); for a secret an activity",
}

RULE: Final = Rule(
    code="TSU004",
    name="secrets",
    why=(
        "Bytes from the system differ on replay. And a secret does not belong in workflow code, whose inputs and "
        "results are all stored: make it in an activity and pass on a reference."
    ),
    bad="salt = os.urandom(16)",
    good="salt = workflow.random().randbytes(16)",
    check=calls(_CALLS, "gives something else on replay", fine_with={"secrets.compare_digest": 2}),
    calls=_CALLS,
)
