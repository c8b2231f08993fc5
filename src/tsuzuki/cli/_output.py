"""How commands write what they found: text for people, JSON for programs.

The JSON of messages is that of Temporal's own command line: camelCase names, full names of enums, times as text, and
payloads that hold JSON as that JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import cell_len
from temporalio.api.common.v1 import Payload

from ._terminal import one_line


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to write the answer; jsonl is a line for each.")
]


def write_json(value: Any, output: Output = Output.JSON) -> None:
    """Write a value, or a message, as JSON.

    Args:
        value: What to write.
        output: `JSONL` for a line for each item of a list, or one line for something else.
    """
    data = as_data(value) if isinstance(value, Message) else value
    if output is not Output.JSONL:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for line in data if isinstance(data, list) else [data]:
        typer.echo(json.dumps(line, separators=(",", ":"), ensure_ascii=False))


def write_fields(title: str, fields: Iterable[tuple[str, object]]) -> None:
    """Write a title and named values under it, those that are there."""
    typer.echo(f"{title}:")
    present = [(name, one_line(value)) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in present), default=0)
    for name, text in present:
        typer.echo(f"  {name:<{width}}  {text}")


def write_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table without lines; cells are never cut, so that ids can be copied from it."""
    lines = [list(names), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        cells = (text + " " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def as_data(message: Message) -> Any:
    """Give a message as what its JSON would be, with readable payloads."""
    return _readable(json_format.MessageToDict(message))


def payload_text(payload: Payload) -> str:
    """Write a payload in one line: its JSON, or what it is."""
    value = _readable(json_format.MessageToDict(payload))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def time_text(time: datetime | None) -> str:
    """Write a point in time; empty for none."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_time_text(time: datetime) -> str:
    """Write a point in time as the JSON of messages has it, with all of its digits."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp.ToJsonString()


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "encoding" in value.get("metadata", ()) and value.keys() <= {"metadata", "data"}:
        return _payload(value)
    if value.keys() == {"payloads"}:
        return _readable(value["payloads"])
    return {key: _readable(item) for key, item in value.items()}


def _payload(value: dict[str, Any]) -> Any:
    encoding = base64.b64decode(value["metadata"]["encoding"])
    if encoding == b"binary/null":
        return None
    if not encoding.startswith(b"json/"):
        return value
    try:
        return json.loads(base64.b64decode(value.get("data", "")))
    except ValueError:
        return value


def json_text(value: Any) -> str:
    """Give a text as it is, and another value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def value_text(value: Any) -> str:
    """Write a value that may be a time in one line."""
    return exact_time_text(value) if isinstance(value, datetime) else json_text(value)


def plain(value: Any) -> Any:
    """Give a dataclass, or a list of them, as what its JSON would be."""
    import msgspec

    return msgspec.to_builtins(value)
