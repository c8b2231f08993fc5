"""Why a transition is refused. The engine turns these into service errors; nothing was changed."""

from __future__ import annotations

from temporalio.api.enums.v1 import WorkflowTaskFailedCause


class Refusal(Exception):
    """An input that does not fit the state it meets."""


class InvalidInput(Refusal):
    """The request is malformed, whatever the state."""


class NotFound(Refusal):
    """There is no such execution, or the token is of an attempt that is over."""


class TooMuch(Refusal):
    """A limit on what may be in flight at once was reached; the same request may succeed later."""


class Exhausted(Refusal):
    """A limit of the run was reached; the same request never succeeds on this run."""


class WrongState(Refusal):
    """The run is not in the state for this; the same request may succeed when it is."""


class NotOffered(Refusal):
    """A part of the protocol that this engine does not have."""


class AlreadyStarted(Refusal):
    """The workflow id is taken.

    Attributes:
        run_id: The run that has it.
        start_request_id: The request that started that run.
    """

    def __init__(self, message: str, run_id: str, start_request_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.start_request_id = start_request_id


class BadCommand(Refusal):
    """A command that cannot be carried out: it fails the workflow task.

    Attributes:
        cause: What history records.
        ends_run: The run cannot get past this however often it tries (a payload over the limit).
    """

    def __init__(self, cause: WorkflowTaskFailedCause.ValueType, message: str, *, ends_run: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.ends_run = ends_run
