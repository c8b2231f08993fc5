"""Options of calls: each must be known and of its type."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any


def check_option(whose: str, types: Mapping[str, type], option: str, value: Any) -> None:
    """Refuse an option that is unknown or of the wrong type; None stands for one that is not given.

    Args:
        whose: With its article, as "an activity".
        types: All options that there are.
        option: The name that was given.
        value: Its value.

    Raises:
        TypeError: It is refused; the message names the nearest option, or the type that was expected.
    """
    expected = types.get(option)
    if expected is None:
        near = difflib.get_close_matches(option, types, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise TypeError(f"{whose} has no option {option}{hint}")
    if not isinstance(value, expected) and (value is not None or option == "cancellation_type"):
        raise TypeError(
            f"the {whose.partition(' ')[2]} option {option} is {value!r} ({type(value).__name__}); "
            f"it must be of type {expected.__name__}"
        )
