"""What is set in the context of workflow code for the length of a block, and put back at its end."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from typing import Any


def put_back(variable: contextvars.ContextVar[Any], token: contextvars.Token[Any]) -> None:
    """Set a variable to what it was before, wherever the block comes to its end.

    Python's garbage collector ends code that nobody evicted in whatever context it happens to run: there is nothing
    to put back there, and the code's own context is gone.
    """
    with suppress(ValueError):
        variable.reset(token)
