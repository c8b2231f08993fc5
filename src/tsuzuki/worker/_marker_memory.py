"""What a run knows from its markers."""

from __future__ import annotations

from temporalio.api.common.v1 import Payload


class MarkerMemory:
    """Answers given once, and values shown ahead on replay.

    Attributes:
        versions: By change id, in the order of their first call.
        patches: Ids that history, as far as it is known, has a marker of.
        patch_answers: What `patched` has answered.
        side_effects: Number of calls so far.
        side_effect_values: By number of the call; taken out when used.
        mutable_calls: Number of calls by name.
        mutable_values: By name and number of the call that recorded it.
    """

    __slots__ = (
        "mutable_calls",
        "mutable_values",
        "patch_answers",
        "patches",
        "side_effect_values",
        "side_effects",
        "versions",
    )

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.patches: set[str] = set()
        self.patch_answers: dict[str, bool] = {}
        self.side_effects = 0
        self.side_effect_values: dict[int, list[Payload]] = {}
        self.mutable_calls: dict[str, int] = {}
        self.mutable_values: dict[str, dict[int, list[Payload]]] = {}
