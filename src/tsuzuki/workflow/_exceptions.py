"""What the workflow side raises on its own account, apart from failures that history records."""

from __future__ import annotations

from tsuzuki.exceptions import TsuzukiError


class NotInWorkflowError(TsuzukiError, RuntimeError):
    """A `tsuzuki.workflow` call was made outside workflow code."""


class ReadOnlyContextError(TsuzukiError, RuntimeError):
    """Code that may only look (a query, a condition, `__init__` of a query) tried to change something."""


class NotAllowedInWorkflowError(TsuzukiError, RuntimeError):
    """Workflow code asked its event loop for something that cannot be the same on every replay.

    Fails the workflow task, not the workflow: the run continues once the code is mended.
    """


class DeterminismError(NotAllowedInWorkflowError):
    """Workflow code made a call whose outcome another replay would not see again.

    Raised by the guard where the call stands. Fails the workflow task even if the code catches it; the run
    goes on once the code is mended.

    Attributes:
        call: The call, such as `time.time()`.
        source: `file:line` of the workflow code that made it.
        replacement: What to do instead.
    """

    def __init__(self, *, call: str, source: str, why: str, replacement: str) -> None:
        super().__init__(
            f"{source}: {call} in workflow code {why}. {replacement}; or lift the guard with "
            "`with workflow.unsafe.determinism_guard_off():`"
        )
        self.call = call
        self.source = source
        self.replacement = replacement


class DeadlockError(TsuzukiError):
    """Workflow code ran for too long without waiting for anything; everything else on its worker stood still.

    Fails the workflow task; the run goes on once the code is mended.

    Attributes:
        source: `file:line` where the code was found; where the workflow begins when none of its code was running.
        timeout_s: How long it may run at a stretch.
    """

    def __init__(self, *, source: str, timeout_s: float) -> None:
        super().__init__(
            f"{source}: workflow code did not yield for {timeout_s:g} s, and held up the worker. Do the work in "
            "an activity; or give the worker a longer deadlock_timeout"
        )
        self.source = source
        self.timeout_s = timeout_s


class NondeterminismError(TsuzukiError):
    """Workflow code took another path than the one its history records.

    Fails the workflow task; the run is stuck, and goes on once the code fits the history again. Where it is among
    the failure exception types of the worker or workflow, it fails the workflow.

    Attributes:
        event_id: The recorded event; 0 when history ended before the command.
        event: What is recorded there.
        command: What the code produced instead.
        source: `file:line` of the workflow code that produced the command; empty when there is none.
    """

    def __init__(self, *, event_id: int, event: str, command: str, source: str) -> None:
        recorded = f"history event {event_id} is {event}" if event_id else f"history records {event}"
        produced = f"{source} now produces {command}" if source else f"the workflow now produces {command}"
        super().__init__(
            f"{recorded}, but {produced}. If the code changed while this run was open, guard the change with "
            'workflow.get_version("...", workflow.DEFAULT_VERSION, 1).'
        )
        self.event_id = event_id
        self.event = event
        self.command = command
        self.source = source


class UnsupportedVersionError(TsuzukiError):
    """A run was recorded with a version of a change that the code has no more, or does not have yet.

    Fails the workflow task; the run is stuck, and goes on once the code supports the version.

    Attributes:
        change_id: The id given to `get_version`.
        version: What is recorded.
        min_supported: The oldest version that the code has.
        max_supported: The newest one.
    """

    def __init__(self, *, change_id: str, version: int, min_supported: int, max_supported: int, source: str) -> None:
        call = f"{source} " if source else ""
        if version < min_supported:
            what = f"support for it was removed: {call}supports {min_supported} to {max_supported}"
            found = (
                f"Such runs have no '{change_id}-...' in the search attribute TemporalChangeVersion."
                if version < 0
                else f"The search attribute TemporalChangeVersion = '{change_id}-{version}' finds such runs."
            )
            way_out = (
                f"Put the code of version {version} back (get_version({change_id!r}, {version}, {max_supported})) "
                f"until no open run needs it. {found} Or reset the run to before the change."
            )
        else:
            what = f"this code is older: {call}supports {min_supported} to {max_supported}"
            way_out = f"Deploy the code that has version {version} on every worker of the task queue."
        super().__init__(f"this run takes version {version} of {change_id!r}, but {what}. {way_out}")
        self.change_id = change_id
        self.version = version
        self.min_supported = min_supported
        self.max_supported = max_supported
