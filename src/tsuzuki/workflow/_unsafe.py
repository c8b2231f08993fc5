"""Doors out of determinism, all in one place so that reviews find them."""

from __future__ import annotations

from typing import NoReturn

from ._runtime import current_runtime


class unsafe:
    """What a workflow should not need; each is documented with what can go wrong."""

    def __init__(self) -> NoReturn:
        raise NotImplementedError("workflow.unsafe is a namespace, not a class to make instances of")

    @staticmethod
    def is_replaying() -> bool:
        """Tell whether the code is being run again over recorded history.

        Deciding anything by it breaks replay; it is meant for logs and metrics.
        """
        return current_runtime().replaying
