"""Values of other people's programs as text: bounded, without secrets, and without trusting their `repr`.

Containers and dataclasses are taken apart here, so that a list of a million items costs what is shown of it.
Objects of other kinds are asked for their `repr`; one that raises is shown by its class.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

ITEMS_MAX: Final = 20
"""Items shown of one container."""
DEPTH_MAX: Final = 4
"""Containers shown inside each other."""
TEXT_CHARACTERS_MAX: Final = 400
"""Characters shown of one string or `repr`."""
VALUE_CHARACTERS_MAX: Final = 4000
"""Characters shown of one variable."""
VARIABLES_MAX: Final = 100
"""Variables shown of one frame."""

MASKED: Final = "(masked)"
"""Stands for a value whose name says that it is a secret."""

_SECRET: Final = re.compile(
    r"(?i)(^|[_\W])(password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credentials?|authorization)s?($|[_\W])"
)
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable of a frame, or attribute of a workflow object.

    Attributes:
        name: Its name.
        type: Name of its class.
        text: Its value as text, bounded; `MASKED` for a secret.
    """

    name: str
    type: str
    text: str


def is_secret(name: str, masks: Sequence[re.Pattern[str]] = ()) -> bool:
    """Tell whether a name is that of a secret, by common words or by the caller's own patterns."""
    words = _WORDS.sub("_", name)
    return _SECRET.search(words) is not None or any(mask.search(name) for mask in masks)


def variables(values: Mapping[str, Any], masks: Sequence[re.Pattern[str]] = ()) -> tuple[Variable, ...]:
    """Show variables, in the order of the code; dunder names are left out.

    Args:
        values: Names and values.
        masks: Names, beside the common ones, whose values are not shown.
    """
    shown = []
    for name, value in list(values.items())[:VARIABLES_MAX]:
        if name.startswith("__") and name.endswith("__"):
            continue
        text = MASKED if is_secret(name, masks) else render(value, masks)
        shown.append(Variable(name, type(value).__name__, text))
    return tuple(shown)


def render(value: Any, masks: Sequence[re.Pattern[str]] = ()) -> str:
    """Show a value in at most `VALUE_CHARACTERS_MAX` characters."""
    return _cut(_render(value, masks, DEPTH_MAX), VALUE_CHARACTERS_MAX)


def _render(value: Any, masks: Sequence[re.Pattern[str]], depth: int) -> str:
    kind = type(value)
    if kind is str:
        text = repr(value[: TEXT_CHARACTERS_MAX + 1])
        return text if len(value) <= TEXT_CHARACTERS_MAX else f"{text[:-2]}...{text[-1]} ({len(value):,} characters)"
    if kind is bytes:
        text = repr(value[:TEXT_CHARACTERS_MAX])
        return text if len(value) <= TEXT_CHARACTERS_MAX else f"{text[:-1]}...{text[-1]} ({len(value):,} bytes)"
    if kind in (int, float, bool, complex, type(None)):
        return _own_repr(value)
    if depth == 0:
        return f"<{kind.__name__} ...>"
    if kind is dict:
        items = [_item(key, inner, masks, depth) for key, inner in _first(value.items())]
        return "{" + _joined(items, len(value)) + "}"
    if kind in (list, tuple, set, frozenset):
        return _sequence(value, masks, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(
            kind.__name__, {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}, masks, depth
        )
    model = getattr(kind, "model_fields", None) or getattr(kind, "__struct_fields__", None)
    if isinstance(model, (dict, tuple)):  # pydantic, msgspec
        return _fields(kind.__name__, {name: getattr(value, name, None) for name in model}, masks, depth)
    return _cut(_own_repr(value), TEXT_CHARACTERS_MAX)


def _sequence(value: Sequence[Any] | Set[Any], masks: Sequence[re.Pattern[str]], depth: int) -> str:
    items = [_render(item, masks, depth - 1) for item in _first(value)]
    if isinstance(value, (set, frozenset)):
        items.sort()  # their own order differs from one process to the next
        return "{" + _joined(items, len(value)) + "}" if value else "set()"
    inner = _joined(items, len(value))
    if isinstance(value, tuple):
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return f"[{inner}]"


def _item(key: Any, value: Any, masks: Sequence[re.Pattern[str]], depth: int) -> str:
    secret = isinstance(key, str) and is_secret(key, masks)
    return f"{_render(key, masks, depth - 1)}: {MASKED if secret else _render(value, masks, depth - 1)}"


def _fields(name: str, values: Mapping[str, Any], masks: Sequence[re.Pattern[str]], depth: int) -> str:
    items = [
        f"{field}={MASKED if is_secret(field, masks) else _render(value, masks, depth - 1)}"
        for field, value in _first(values.items())
    ]
    return f"{name}({_joined(items, len(values))})"


def _first(items: Any) -> list[Any]:
    shown: list[Any] = []
    for item in items:
        if len(shown) == ITEMS_MAX:
            break
        shown.append(item)
    return shown


def _joined(items: list[str], count: int) -> str:
    more = f", ... {count - len(items):,} more" if count > len(items) else ""
    return ", ".join(items) + more


def _own_repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    # An address says nothing, and is another one on every replay.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
