"""Every scenario, in five pairings, leaves the same history and gives its callers the same answers."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable

import pytest

from differential._pairings import (
    official_on_our_server,
    official_on_real,
    ours_on_our_server,
    ours_on_ours,
    ours_on_real,
)
from differential._program import names

AT_ONCE = 8
SECONDS_MAX = 300.0

DIFFERENT = {
    "cron::child_with_a_bad_schedule": "the reason is in our words",
    "lifecycle::conflict_terminates_existing": "the reason is in our words",
    "signal_with_start::signal_with_start_in_place_of_an_open_run": "the reason is in our words",
    "lifecycle::terminate_without_reason": "no reason is noted where none was given",
}
"""Where our engine differs from the real server, and why."""

Pairing = Callable[[str], Awaitable[list[str]]]


class Recording:
    """The transcripts of one pairing: all recorded at first, several at a time, then single ones on demand."""

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self.transcripts = asyncio.run(self._all())

    async def _all(self) -> dict[str, list[str]]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> list[str]:
            async with slots:
                return await self._record(name)

        known = list(names())
        return dict(zip(known, await asyncio.gather(*map(one, known)), strict=True))

    async def _record(self, name: str) -> list[str]:
        try:
            return await asyncio.wait_for(self._pairing(name), SECONDS_MAX)
        except Exception as error:
            return [f"broken: {type(error).__name__}: {error}"]

    def again(self, name: str) -> None:
        """Record one scenario anew, alone."""
        self.transcripts[name] = asyncio.run(self._record(name))


@pytest.fixture(scope="module")
def reference(real_server: str) -> Recording:
    """What the official worker leaves on the real server."""
    return Recording(lambda name: official_on_real(name, real_server))


@pytest.fixture(scope="module")
def ours_remote(real_server: str) -> Recording:
    """What our worker leaves on the real server."""
    return Recording(lambda name: ours_on_real(name, real_server))


@pytest.fixture(scope="module")
def ours_embedded() -> Recording:
    """What our worker leaves on our engine."""
    return Recording(ours_on_ours)


@pytest.fixture(scope="module")
def ours_served() -> Recording:
    """What our worker leaves on our server, over gRPC."""
    return Recording(ours_on_our_server)


@pytest.fixture(scope="module")
def official_served() -> Recording:
    """What the official worker leaves on our server."""
    return Recording(official_on_our_server)


@pytest.mark.parametrize("name", sorted(names()))
def test_our_worker_on_the_real_server(name: str, reference: Recording, ours_remote: Recording) -> None:
    _assert_equal(name, reference, ours_remote)


@pytest.mark.parametrize("name", sorted(names()))
def test_our_worker_on_our_engine(
    name: str, reference: Recording, ours_embedded: Recording, request: pytest.FixtureRequest
) -> None:
    _may_differ(name, request)
    _assert_equal(name, reference, ours_embedded)


@pytest.mark.parametrize("name", sorted(names()))
def test_our_worker_on_our_server(
    name: str, reference: Recording, ours_served: Recording, request: pytest.FixtureRequest
) -> None:
    _may_differ(name, request)
    _assert_equal(name, reference, ours_served)


@pytest.mark.parametrize("name", sorted(names()))
def test_the_official_worker_on_our_server(
    name: str, reference: Recording, official_served: Recording, request: pytest.FixtureRequest
) -> None:
    _may_differ(name, request)
    _assert_equal(name, reference, official_served)


def _may_differ(name: str, request: pytest.FixtureRequest) -> None:
    if name in DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENT[name], strict=True))


def _assert_equal(name: str, reference: Recording, ours: Recording) -> None:
    """On a busy machine one of the short timeouts may pass that should not, so what differs is run once more."""
    if _difference(name, reference, ours):
        reference.again(name)
        ours.again(name)
    difference = _difference(name, reference, ours)
    assert not difference, f"{name}\n{difference}"


def _difference(name: str, reference: Recording, ours: Recording) -> str:
    expected, got = reference.transcripts[name], ours.transcripts[name]
    if expected[0].startswith("broken"):
        return f"the reference itself is {expected[0]}"
    return "\n".join(difflib.unified_diff(expected, got, "the real server", "here", lineterm="", n=1))
