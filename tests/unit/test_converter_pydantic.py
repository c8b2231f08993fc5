"""Pydantic models as values, alone and inside others; and that nobody else pays for them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pydantic
import pydantic.dataclasses
import pytest
import temporalio.contrib.pydantic
from pydantic import BaseModel, ConfigDict, Field

from tsuzuki.converter import DataConverter, PayloadDecodeError

ours = DataConverter.default.payload_converter
theirs = temporalio.contrib.pydantic.pydantic_data_converter.payload_converter


class Source(BaseModel):
    title: str
    at: datetime
    score: float = 0.0


class Report(BaseModel):
    model_config = ConfigDict(strict=True)

    text: str
    sources: list[Source]
    word_count: int = Field(alias="wordCount")


class Note(BaseModel):
    note: str


@pydantic.dataclasses.dataclass
class Limits:
    most: int = Field(gt=0)


@dataclasses.dataclass
class Job:
    source: Source
    either: Source | Note | None = None


SOURCE = Source(title="t", at=datetime(2026, 1, 2, tzinfo=UTC))
VALUES: list[tuple[Any, Any]] = [
    (SOURCE, Source),
    (Report(text="x", sources=[SOURCE], wordCount=3), Report),
    ([SOURCE], list[Source]),
    ({"a": SOURCE}, dict[str, Source]),
    (SOURCE, Source | None),
    (None, Source | None),
    (Note(note="n"), Source | Note),
    ((SOURCE, 3), tuple[Source, int]),
    (Limits(most=3), Limits),
]


@pytest.mark.parametrize(("value", "hint"), VALUES, ids=repr)
def test_models_pass_to_and_from_the_official_pydantic_converter(value: Any, hint: Any) -> None:
    assert ours.from_payload(ours.to_payload(value), hint) == value
    assert theirs.from_payload(ours.to_payload(value), hint) == value
    assert ours.from_payload(theirs.to_payload(value), hint) == value


@pytest.mark.parametrize("job", [Job(SOURCE), Job(SOURCE, Note(note="n")), Job(SOURCE, SOURCE)], ids=repr)
def test_models_inside_dataclasses_come_back(job: Job) -> None:
    back = ours.from_payload(ours.to_payload([job]), list[Job])
    assert back == [job]
    assert type(back[0].source) is Source
    assert type(back[0].either) is type(job.either)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ({"title": 5, "at": "2026-01-01T00:00:00Z"}, Source, "does not fit `Source`: .*title"),
        ({"most": 0}, Limits, "greater than 0"),
        ([{"title": "x"}], list[Source], "Field required"),
        ({"source": {"title": "x"}}, Job, "Field required"),
    ],
)
def test_what_a_model_refuses_is_named(value: Any, hint: Any, message: str) -> None:
    with pytest.raises(PayloadDecodeError, match=f"(?s){message}"):
        ours.from_payload(ours.to_payload(value), hint)


def test_pydantic_is_not_imported_for_those_who_do_not_use_it() -> None:
    script = """
import dataclasses, sys
from tsuzuki.converter import DataConverter
converter = DataConverter.default.payload_converter
@dataclasses.dataclass
class Point:
    x: int
assert converter.from_payload(converter.to_payload([Point(1)]), list[Point]) == [Point(1)]
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
