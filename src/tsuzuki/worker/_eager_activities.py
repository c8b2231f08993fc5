"""Activities that come with the answer to the workflow task that scheduled them, without a poll in between.

The worker asks for as many as it has free slots for, and keeps these slots until the answer is there. It asks a
service in another process only: one in this process knows each free slot, and no network is in between.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse, RespondWorkflowTaskCompletedRequest

from ._turns import Kept, Turns

AT_ONCE_MAX: Final = 3
"""For one workflow task, as in the official SDKs: other workers may have more room."""

_SCHEDULE: Final = CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK


class EagerActivities:
    """Those of one worker.

    Args:
        turns: Of the slots that run its activities.
        task_queue: Its own.
        known: The names of its activities; with None among them it has one for every name.
    """

    def __init__(
        self, turns: Turns[PollActivityTaskQueueResponse], task_queue: str, known: Container[str | None]
    ) -> None:
        self._turns = turns
        self._task_queue = task_queue
        self._known = known
        self._any = None in known

    def ask(self, request: RespondWorkflowTaskCompletedRequest) -> list[Kept[PollActivityTaskQueueResponse]]:
        """Ask for activities, by their commands; returns the slots that are kept for them.

        They go to `hand_out`, or to `put_back` if there is no answer.
        """
        kept: list[Kept[PollActivityTaskQueueResponse]] = []
        for command in request.commands:
            if command.command_type != _SCHEDULE:
                continue
            asked = command.schedule_activity_task_command_attributes
            if asked.task_queue.name != self._task_queue or not (self._any or asked.activity_type.name in self._known):
                continue
            slot = self._turns.keep() if len(kept) < AT_ONCE_MAX else None
            if slot is None:
                break
            asked.request_eager_execution = True
            kept.append(slot)
        return kept

    def hand_out(
        self, kept: list[Kept[PollActivityTaskQueueResponse]], tasks: Sequence[PollActivityTaskQueueResponse]
    ) -> None:
        """Start what has come; a service need not do as it was asked."""
        for task in tasks[: len(kept)]:
            self._turns.hand(kept.pop(), task)
        self.put_back(kept)

    def put_back(self, kept: list[Kept[PollActivityTaskQueueResponse]]) -> None:
        """Let the slots poll again."""
        for slot in kept:
            self._turns.put_back(slot)
