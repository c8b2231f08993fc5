"""TSU005: identifiers drawn from the machine."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls, each
from ._rule import Rule

_CALLS: Final = {
    **each("uuid", "uuid1 uuid4 uuid6 uuid7 uuid8", "workflow.uuid4()"),
    "uuid.getnode": "an activity that returns it",
}

RULE: Final = Rule(
    code="TSU005",
    name="uuid",
    why=(
        "Another id comes out on replay, so what was started under the first one is not found again. "
        "`workflow.uuid4()` is the same every time. `uuid.uuid3` and `uuid.uuid5` are computed, and fine."
    ),
    bad="order_id = uuid.uuid4()",
    good="order_id = workflow.uuid4()",
    check=calls(_CALLS, "gives another id on replay", fine_with={"uuid.uuid8": 3}),
    calls=_CALLS,
)
