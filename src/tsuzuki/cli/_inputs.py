"""What commands take besides names: JSON values, durations, KEY=VALUE pairs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ._endings import refuse

Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="JSON", help="An argument, as JSON; may be given again."),
]
InputFiles = Annotated[
    list[Path] | None,
    typer.Option("--input-file", metavar="PATH", help="A file with an argument as JSON; may be given again."),
]

InputMeta = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Metadata of the payload of an argument, such as encoding=binary/plain; may be given again. Of the same "
        "key the first goes to the first argument, and so on.",
    ),
]
InputBase64 = Annotated[bool, typer.Option("--input-base64", help="Arguments are Base64 of what is sent.")]

_JSON: Final = "json/plain"
_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def arguments(
    inputs: list[str] | None,
    files: list[Path] | None,
    meta: list[str] | None = None,
    in_base64: bool = False,
) -> list[Any]:
    """Read the arguments of a workflow, signal, query or update.

    Args:
        inputs: As they were typed.
        files: Files that hold them instead.
        meta: KEY=VALUE pairs for their payloads; with any, a payload is made of the bytes as they were given.
        in_base64: Whether these bytes are Base64.
    """
    if inputs and files:
        refuse("--input and --input-file cannot be combined")
    given = [("--input", text.encode()) for text in inputs or ()] + [_from_file(path) for path in files or ()]
    if not meta and not in_base64:
        return [from_json(option, data.decode("utf-8", "replace")) for option, data in given]
    metadata = _metadata(meta or ())
    return [_raw(position, *one, metadata, in_base64) for position, one in enumerate(given)]


def _metadata(pairs: Iterable[str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not (key and separator):
            refuse(f"--input-meta {pair}: expected KEY=VALUE")
        found.setdefault(key, []).append(value.encode())
    return found


def _raw(position: int, option: str, data: bytes, metadata: Mapping[str, list[bytes]], in_base64: bool) -> Any:
    """A payload of the bytes as they are; of a key with fewer values than there are arguments, the first."""
    from temporalio.api.common.v1 import Payload

    from tsuzuki.common import RawValue

    if in_base64:
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError as error:
            refuse(f"{option} {data.decode('utf-8', 'replace')} is not Base64: {error}")
    own = {key: values[position] if position < len(values) else values[0] for key, values in metadata.items()}
    own = {"encoding": _JSON.encode(), **own}
    if own["encoding"].startswith(b"json/"):
        from_json(option, data.decode("utf-8", "replace"))
    return RawValue(Payload(metadata=own, data=data))


def from_json(option: str, text: str, *, key: str = "") -> Any:
    """Read one JSON value, that of KEY=JSON if there is a key, or end with a line that says what is wrong."""
    begin = f"{key}=" if key else ""
    try:
        return json.loads(text)
    except ValueError as error:
        quoted = "" if text.lstrip()[:1] in ("{", "[", '"') else f""". Text takes quotes: {option} '{begin}"{text}"'"""
        refuse(f"{option} {begin}{text} is not JSON: {error}{quoted}")


def pairs(option: str, given: list[str] | None) -> dict[str, Any]:
    """Read KEY=JSON pairs."""
    found = {}
    for pair in given or ():
        key, separator, value = pair.partition("=")
        if not (key and separator):
            refuse(f"{option} {pair}: expected KEY=JSON")
        found[key] = from_json(option, value, key=key)
    return found


def duration(text: str) -> timedelta:
    """Read a duration such as `90s`, `1h30m` or `500ms`.

    Raises:
        BadParameter: It is none.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no duration; expected a number and a unit, as in 90s, 1h30m or 500ms")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is longer than any time") from None


def _from_file(path: Path) -> tuple[str, bytes]:
    try:
        return f"--input-file {path}:", path.read_bytes()
    except OSError as error:
        refuse(f"--input-file {path}: {error.strerror}")
