"""Activities for a process pool: what it runs must be importable there."""

from __future__ import annotations

import os
import time

from tsuzuki import activity
from tsuzuki.exceptions import ApplicationError, CancelledError

WAIT_S_MAX = 300.0


class Awkward(Exception):
    """Cannot be pickled back: its arguments are not those of its constructor."""

    def __init__(self, place: str, *, code: int) -> None:
        super().__init__(f"{code} at {place}")


@activity.defn
def whoami(name: str) -> str:
    info = activity.info()
    return f"{name} {info.activity_type} {info.attempt} {info.heartbeat_details} {os.getpid()}"


@activity.defn
def fail_awkwardly() -> None:
    activity.heartbeat("before", 1)
    activity.heartbeat("before", 2)
    raise Awkward("here", code=7)


@activity.defn
def refuse() -> None:
    raise ApplicationError("no", {"why": "policy"}, type="Refused", non_retryable=True)


@activity.defn
def wait_for_cancel() -> None:
    activity.heartbeat("started")
    activity.wait_for_cancelled_sync(WAIT_S_MAX)
    details = activity.cancellation_details()
    assert details is not None, "was never cancelled"
    if details.cancel_requested:
        raise CancelledError("stopped", "pooled")


@activity.defn
def wait_for_shutdown() -> bool:
    activity.heartbeat("started")
    activity.wait_for_worker_shutdown_sync(WAIT_S_MAX)
    return activity.is_worker_shutdown()


@activity.defn
def hand_over() -> None:
    activity.raise_complete_async()


@activity.defn
def die() -> None:
    os._exit(1)


@activity.defn
def tell() -> None:
    activity.logger.debug("not kept")
    try:
        raise ValueError("broken")
    except ValueError:
        activity.logger.exception("told by %s", "ada", extra={"apiKey": "sesame"})


@activity.defn
def publish() -> None:
    with activity.open_stream() as stream:
        stream.publish_sync("word")


@activity.defn
def pass_time() -> float:
    return time.monotonic()


@activity.defn
def add(first: int, second: int) -> list[object]:
    activity.heartbeat("nobody listens to a local one")
    return [first + second, activity.info().is_local, activity.info().attempt]
