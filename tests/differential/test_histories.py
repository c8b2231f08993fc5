"""Every scenario, in three pairings, leaves the same history and gives its callers the same answers."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable

import pytest

from differential._pairings import official_on_real, ours_on_ours, ours_on_real
from differential._program import names

AT_ONCE = 8
SECONDS_MAX = 60.0

DIFFERENT = {
    "failures::workflow_retried": "the real server starts no run within a second of the one before",
    "failures::workflow_retries_exhausted": "the real server starts no run within a second of the one before",
    "lifecycle::conflict_terminates_existing": "the reason is in our words",
    "signal_with_start::signal_with_start_in_place_of_an_open_run": "the reason is in our words",
    "lifecycle::terminate_without_reason": "no reason is noted where none was given",
}
"""Where our engine differs from the real server, and why."""

Transcripts = dict[str, list[str]]


@pytest.fixture(scope="module")
def reference(real_server: str) -> Transcripts:
    """What the official worker leaves on the real server, recorded once, several scenarios at a time."""
    return asyncio.run(_record(lambda name: official_on_real(name, real_server)))


@pytest.fixture(scope="module")
def ours_remote(real_server: str) -> Transcripts:
    """What our worker leaves on the real server."""
    return asyncio.run(_record(lambda name: ours_on_real(name, real_server)))


@pytest.fixture(scope="module")
def ours_embedded() -> Transcripts:
    """What our worker leaves on our engine."""
    return asyncio.run(_record(ours_on_ours))


@pytest.mark.parametrize("name", sorted(names()))
def test_our_worker_on_the_real_server(name: str, reference: Transcripts, ours_remote: Transcripts) -> None:
    _assert_equal(name, reference[name], ours_remote[name])


@pytest.mark.parametrize("name", sorted(names()))
def test_our_worker_on_our_engine(
    name: str, reference: Transcripts, ours_embedded: Transcripts, request: pytest.FixtureRequest
) -> None:
    if name in DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENT[name]))
    _assert_equal(name, reference[name], ours_embedded[name])


async def _record(run: Callable[[str], Awaitable[list[str]]]) -> Transcripts:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> list[str]:
        async with slots:
            try:
                return await asyncio.wait_for(run(name), SECONDS_MAX)
            except Exception as error:
                return [f"broken: {type(error).__name__}: {error}"]

    known = list(names())
    return dict(zip(known, await asyncio.gather(*map(one, known)), strict=True))


def _assert_equal(name: str, expected: list[str], got: list[str]) -> None:
    assert not expected[0].startswith("broken"), f"{name}: the reference itself failed: {expected[0]}"
    difference = "\n".join(difflib.unified_diff(expected, got, "official worker", "ours", lineterm="", n=1))
    assert not difference, f"{name}\n{difference}"
