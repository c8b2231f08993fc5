"""JSON that others wrote: bodies of requests, and what runs hold. It is read within bounds, and written for browsers.

What Python would read besides JSON (NaN, numbers beyond all floats) no browser reads, and what is nested without end
breaks whoever goes through it: neither counts as JSON. Half of a surrogate pair stands as the escape that it was.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

from starlette.responses import JSONResponse

DEPTH_MAX: Final = 200
"""How deep lists and objects may be nested."""
_NO_BRACKETS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[^\[\]{}"]+', re.DOTALL)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def read_json(data: bytes) -> Any:
    """Read JSON.

    Raises:
        ValueError: It is none, or nested deeper than `DEPTH_MAX`.
    """
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _depth(data) > DEPTH_MAX:
        raise ValueError(f"it is nested deeper than {DEPTH_MAX}")
    try:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:  # in an encoding other than UTF-8, brackets are not found where they are looked for
        raise ValueError("it is nested too deep") from None


def _depth(data: bytes) -> int:
    """Also of what is no JSON: a text without an end goes to the end, so that nothing is gone through twice."""
    brackets = _NO_BRACKETS.sub(b"", data)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond all numbers")
    return value


def encoded(text: str) -> bytes:
    """JSON as it is sent: in a text of JSON the escape that Python makes of half a pair is JSON's own."""
    return text.encode("utf-8", "backslashreplace")


class JsonResponse(JSONResponse):
    """A response that holds what others wrote."""

    def render(self, content: Any) -> bytes:
        return encoded(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
