"""JSON that others wrote is read within bounds, in one go, and as browsers read it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tsuzuki.server.http._foreign_json import DEPTH_MAX, JsonResponse, read_json


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"[]" * (depth % 2) + b"]}" * (depth // 2)


@pytest.mark.parametrize("depth", [1, DEPTH_MAX - 1, DEPTH_MAX])
def test_what_is_nested_within_the_bound_is_read(depth: int) -> None:
    assert json.dumps(read_json(nested(depth)), separators=(",", ":")).encode() == nested(depth)


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 2000, 200_000])
def test_what_is_nested_deeper_is_not(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper than 200"):
        read_json(nested(depth))


def test_brackets_in_texts_are_no_nesting() -> None:
    value = ["[{" * 500, '\\"[' * 500, *([] for _ in range(500))]
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e400", "-1e400", "", "{", "[" * 199 + '"'])
def test_what_no_browser_reads_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Python's for some of them
        read_json(text.encode())


def test_nesting_in_another_encoding_breaks_nothing() -> None:
    with pytest.raises(ValueError, match="nested"):
        read_json(("[" * 100_000).encode("utf-16"))


def test_a_text_without_an_end_is_gone_through_once() -> None:
    """For each of its quotes anew, this one would take hours."""
    with pytest.raises(ValueError, match=r"Unterminated|Invalid|Expecting"):
        read_json(b"[" * 150 + b"{}" * 150 + b'"' + b'\\"' * 1_000_000)


def test_any_value_is_read_and_written_as_it_is() -> None:
    chance = Random(7)

    def value(depth: int) -> Any:
        kind = chance.randrange(7 if depth else 5)
        if kind >= 5:
            inner = [value(depth - 1) for _ in range(chance.randrange(4))]
            return inner if kind == 5 else {str(number): each for number, each in enumerate(inner)}
        return [None, True, chance.randrange(-(2**70), 2**70), chance.uniform(-1e300, 1e300), '"[\\\ud800ü'][kind]

    for _ in range(300):
        made = value(6)
        assert read_json(json.dumps(made).encode()) == made
        assert json.loads(bytes(JsonResponse(made).body)) == made
