"""JSON bytes to Python values, by type hint.

One decoder is compiled for each hint and kept. msgspec decodes straight into dataclasses and all the types
it knows; hints with pydantic classes go to pydantic; hints that neither can compile (a union of two
dataclasses, say) and the few JSON shapes that other writers use are built part by part in `_structure`.

Invariant: no hint means plain Python values, never a guess at a type.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec

from . import _pydantic
from ._structure import Mismatch, convert_custom, structure

_HINTS_MAX: Final = 4096
_decode_any = msgspec.json.Decoder().decode
_decoders: dict[object, Callable[[bytes], Any]] = {}


def decode_json(data: bytes, hint: Any) -> Any:
    """Decode JSON into a value of the hinted type; None means no hint.

    Raises:
        ValueError: The data is not JSON, or does not fit the hint; the message says what was expected and
            what came, where.
    """
    if hint is None:
        try:
            return _decode_any(data)
        except msgspec.DecodeError:
            return json.loads(data)  # NaN, lone surrogates
    try:
        decode = _decoders[hint]
    except KeyError:
        decode = _remember(hint)
    except TypeError:  # unhashable: an annotation with a list in it
        decode = _compile(hint)
    return decode(data)


def _remember(hint: Any) -> Callable[[bytes], Any]:
    if len(_decoders) >= _HINTS_MAX:  # types made in a loop
        _decoders.clear()
    return _decoders.setdefault(hint, _compile(hint))


def _compile(hint: Any) -> Callable[[bytes], Any]:
    if _pydantic.mentions_pydantic(hint):
        return _pydantic.json_validator(hint)

    def decode_by_structure(data: bytes) -> Any:
        return structure(hint, json.loads(data))

    try:
        decode_natively = msgspec.json.Decoder(hint, dec_hook=convert_custom).decode
    except TypeError:
        return decode_by_structure

    def decode(data: bytes) -> Any:
        try:
            return decode_natively(data)
        except (msgspec.DecodeError, Mismatch) as refused:
            try:
                return decode_by_structure(data)
            except ValueError:
                raise refused from None

    return decode
