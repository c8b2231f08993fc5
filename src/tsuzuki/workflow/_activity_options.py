"""Options for all activity calls of a block: `with workflow.activity_options(...):`."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Unpack

from ._activity_config import ActivityConfig
from ._put_back import put_back

_defaults: Final[contextvars.ContextVar[dict[str, Any] | None]] = contextvars.ContextVar(
    "tsuzuki_activity_options", default=None
)


@contextmanager
def activity_options(**options: Unpack[ActivityConfig]) -> Iterator[None]:
    """Give options to every activity call inside the block, and in tasks that are created in it.

    Options given at the call itself go first, then those of the innermost block.

    Args:
        options: See `ActivityConfig`.
    """
    token = _defaults.set({**(_defaults.get() or {}), **options})
    try:
        yield
    finally:
        put_back(_defaults, token)


def with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """Fill the options of a call up from the blocks around it."""
    defaults = _defaults.get()
    return options if defaults is None else {**defaults, **options}
