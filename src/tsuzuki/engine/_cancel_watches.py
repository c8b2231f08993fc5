"""Who is told that an attempt of an activity should stop, without waiting for its next heartbeat."""

from __future__ import annotations

from collections.abc import Callable

from tsuzuki.core.execution import Execution

from ._journal import Journal

OnCancel = Callable[[], None]


class CancelWatches:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._watches: dict[tuple[int, int, int], list[OnCancel]] = {}

    def watch(self, key: tuple[int, int, int], on_cancel: OnCancel) -> Callable[[], None]:
        """Call back when an attempt (run key, scheduled event id, attempt) should stop. Returns what ends the watch."""
        self._watches.setdefault(key, []).append(on_cancel)

        def unwatch() -> None:
            watching = self._watches.get(key)
            if watching is not None and on_cancel in watching:
                watching.remove(on_cancel)
                if not watching:
                    del self._watches[key]

        return unwatch

    def announce(self, run: Execution) -> None:
        """Tell those who watch what a transition of `run` has cancelled, once it is on disk."""
        for scheduled_event_id, attempt in run.cancelled_activities:
            watching = self._watches.get((run.key, scheduled_event_id, attempt))
            if watching:
                for on_cancel in list(watching):
                    self._journal.when_durable(lambda error, tell=on_cancel: None if error else tell())  # type: ignore[misc]
        run.cancelled_activities.clear()
