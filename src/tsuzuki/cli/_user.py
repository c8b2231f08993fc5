"""Who sits at the keyboard."""

from __future__ import annotations

import getpass


def user() -> str:
    """The name of the user on this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
