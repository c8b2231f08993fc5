"""What the engine asks of a store, and the rows that pass between them.

A store keeps runs, their history and what stands beside history (attempts, request ids). It never decides:
each `Batch` is the outcome of transitions already made, written in one transaction with one disk sync.

Rows are named tuples so that a database driver can bind them as they are. Times are Unix nanoseconds.
`run_key` is a small integer, chosen by the engine, unique in the store and growing.
"""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from tsuzuki.store._conditions import Condition

DUE_NOW = 0
"""`RunUpdate.due_ns` of a run that has work to hand out or work that runs in this process: a restart must
look at it at once."""


class NewRun(NamedTuple):
    """The columns of a run that never change. Its first `RunUpdate` comes in the same batch."""

    run_key: int
    namespace: str
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    first_run_id: str
    start_request_id: str
    started_ns: int
    parent_workflow_id: str
    parent_run_id: str
    root_workflow_id: str = ""
    """Of the run at the top of its children; empty for a run that is the top itself."""
    root_run_id: str = ""


class RunUpdate(NamedTuple):
    """The columns of a run that change. Named as in the table; `run_key` last, as UPDATE binds it."""

    status: int
    """`WorkflowExecutionStatus`."""
    execution_ns: int
    """When the first workflow task may run: the start, plus start delay or back-off."""
    closed_ns: int | None
    next_event_id: int
    history_bytes: int
    chain: int
    """Chained checksum of the newest history batch; see `chain`."""
    due_ns: int | None
    """When somebody must look at this run again; `DUE_NOW`, a time, or None: only input wakes it."""
    workflow_task_attempt: int
    workflow_task_scheduled_ns: int | None
    """Set while a workflow task is scheduled or started, also for attempts that history does not show."""
    workflow_task_started_ns: int | None
    workflow_task_incarnation: int | None
    """The process incarnation that runs the started workflow task; None for a remote worker."""
    sticky_queue: str | None
    sticky_timeout_ns: int
    buffered: bytes | None
    """Events that wait for the started workflow task to end, as a serialized `History`."""
    failure: bytes | None
    """The last workflow task failure that history does not show, serialized `Failure`."""
    memo: bytes
    """Serialized `Memo`."""
    search_attributes: bytes
    """Serialized `SearchAttributes`."""
    run_key: int


class HistoryBatch(NamedTuple):
    """Events `first_event_id..last_event_id` of one run, as the bytes of a `History` message."""

    run_key: int
    first_event_id: int
    last_event_id: int
    chain: int
    events: bytes


class ActivityRow(NamedTuple):
    """What history does not say of a pending activity: written when it changes, gone when it closes."""

    run_key: int
    scheduled_event_id: int
    attempt: int
    scheduled_ns: int
    """When this attempt may start at the earliest."""
    started_ns: int | None
    incarnation: int | None
    """The process incarnation that runs the started attempt; None for a remote worker."""
    worker_identity: str
    request_id: str
    heartbeat_ns: int | None
    heartbeat_details: bytes | None
    """Serialized `Payloads`."""
    last_failure: bytes | None
    """Serialized `Failure` of the attempt before."""
    last_ended_ns: int | None
    pause: bytes | None = None
    """Serialized `PendingActivityInfo.PauseInfo`, while somebody has it paused."""
    options: bytes | None = None
    """Serialized `ActivityOptions`, once somebody has changed those of its scheduled event."""
    marks: int = 0
    """What else people have done to it, as bits; not 0 once they have done anything."""


class StreamRow(NamedTuple):
    """Events of a run's stream that came together, from one attempt of an activity."""

    run_key: int
    first_offset: int
    last_offset: int
    scheduled_event_id: int
    attempt: int
    start: str
    """Tells attempts of one number apart."""
    first_seq: int
    kinds: str
    """A letter for each event."""
    at_ns: int
    activity_id: str
    activity_type: str
    events: bytes
    """Serialized `Payload`."""


class LogRow(NamedTuple):
    """Lines of a run's log that came together."""

    run_key: int
    first_offset: int
    last_offset: int
    at_ns: int
    bytes_through: int
    """Of all lines of the run up to these, also of those that were dropped since."""
    lines: bytes
    """Serialized `Payload`."""


class LogEnd(NamedTuple):
    """How far a run's log has come."""

    last_offset: int
    bytes_through: int
    bytes_dropped: int


class StreamEnd(NamedTuple):
    """How far one attempt has come in a run's stream."""

    scheduled_event_id: int
    start: str
    last_seq: int
    last_offset: int
    bytes: int


class CurrentRun(NamedTuple):
    """The newest run of a workflow id."""

    namespace: str
    workflow_id: str
    run_key: int


class RequestId(NamedTuple):
    """A request that a run has already answered (signals, cancel requests); kept as long as the run."""

    run_key: int
    request_id: str


class SearchAttributeRow(NamedTuple):
    """A custom search attribute that a namespace has registered."""

    attribute_key: int
    """Chosen by the engine, above 0 and unique in the store; those below are predefined in every namespace."""
    namespace: str
    name: str
    kind: int
    """`IndexedValueType`."""


class AttributeValue(NamedTuple):
    """One value of a search attribute of a run, by which it is found."""

    attribute_key: int
    value: str | int | float
    run_key: int


class Record(NamedTuple):
    """Something that the engine keeps besides runs: a batch operation, a schedule. Small, and few of each kind."""

    kind: str
    namespace: str
    name: str
    """Unique within kind and namespace."""
    asked: bytes
    """What was asked for, as the serialized request."""
    state: bytes
    """How far it has come."""


class NamespaceRow(NamedTuple):
    """A namespace: what keeps the runs of one team from those of another."""

    name: str
    namespace_id: str
    """A UUID, given once."""
    state: int
    """`NamespaceState`."""
    retention_ns: int
    """How long closed runs are kept; 0: until somebody deletes them."""
    description: str
    owner_email: str
    data: bytes
    """The owner's own keys and values, as a serialized `NamespaceInfo`."""


@dataclass(slots=True)
class Batch:
    """Everything that one commit writes."""

    new_runs: list[NewRun] = field(default_factory=list)
    run_updates: list[RunUpdate] = field(default_factory=list)
    histories: list[HistoryBatch] = field(default_factory=list)
    activities: list[ActivityRow] = field(default_factory=list)
    """Inserted or replaced."""
    activities_gone: list[tuple[int, int]] = field(default_factory=list)
    """(run_key, scheduled_event_id); deleting a row that is not there is fine."""
    currents: list[CurrentRun] = field(default_factory=list)
    request_ids: list[RequestId] = field(default_factory=list)
    search_attributes: list[SearchAttributeRow] = field(default_factory=list)
    search_attributes_gone: list[tuple[int]] = field(default_factory=list)
    """(attribute_key,), with all their values."""
    attribute_values_gone: list[tuple[int]] = field(default_factory=list)
    """(run_key,): all values of a run, before those below are inserted."""
    attribute_values: list[AttributeValue] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    """Inserted or replaced, the last one of a name counts; after `records_gone`."""
    records_gone: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind, namespace, name)."""
    namespaces: list[NamespaceRow] = field(default_factory=list)
    """Inserted or replaced."""
    runs_gone: list[int] = field(default_factory=list)
    """Keys of runs to delete with all that is theirs, after everything else of the batch was written."""
    namespaces_gone: list[str] = field(default_factory=list)
    """Deleted before `namespaces` are written: one may be made anew."""
    streams: list[StreamRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    logs_gone: list[tuple[int, int]] = field(default_factory=list)
    """(run_key, bytes_through): the rows of a run up to that many bytes, before those above are inserted."""


class StoredRun(NamedTuple):
    """One run as the store has it."""

    new: NewRun
    update: RunUpdate


class Position(NamedTuple):
    """Where a list of runs goes on: after this run."""

    order_ns: int
    """When it closed; `OPEN` for an open one."""
    started_ns: int
    run_key: int


OPEN: Final = (1 << 63) - 1
"""`Position.order_ns` of open runs: they come first."""


class Lists(Protocol):
    """The part of a `Store` whose questions others think of."""

    def list_runs(
        self, namespace: str, condition: Condition, before: Position | None, limit: int
    ) -> list[StoredRun]: ...

    def count_runs(self, namespace: str, condition: Condition) -> int: ...

    def count_runs_by_status(self, namespace: str, condition: Condition) -> list[tuple[int, int]]: ...


class Store(Protocol):
    """One engine's durable memory.

    `write` and the reads run on the engine's event loop; `commit` may run on one other thread, and
    meanwhile only reads are called. Reads see what was committed, and only that.
    """

    @property
    def name(self) -> str:
        """For messages: the path, or `:memory:`."""
        ...

    @property
    def incarnation(self) -> int:
        """Grows by one with each opening; tells attempts of this process from those of dead ones."""
        ...

    @property
    def last_run_key(self) -> int:
        """The highest run key ever committed, also of a deleted run; 0 in a new store. Read once, at opening."""
        ...

    @property
    def commits_in_memory(self) -> bool:
        """True when `commit` never waits for a disk, so that no thread is worth its hop."""
        ...

    def write(self, batch: Batch) -> None:
        """Put the batch into the open transaction (beginning it). Nothing is durable before `commit`."""
        ...

    def commit(self) -> None:
        """Make everything written durable.

        Raises:
            StoreFullError: Nothing was written, because there is no room.
            StoreFailedError: The outcome is unknown; the store must be reopened.
        """
        ...

    def reopen(self) -> None:
        """After a failed write or commit: forget the transaction, open the file anew, same incarnation."""
        ...

    def close(self) -> None: ...

    def run(self, run_key: int) -> StoredRun | None: ...

    def find_run(self, namespace: str, workflow_id: str, run_id: str) -> StoredRun | None: ...

    def current_run(self, namespace: str, workflow_id: str) -> StoredRun | None: ...

    def history(self, run_key: int, first_event_id: int = 1, last_event_id: int | None = None) -> list[HistoryBatch]:
        """The batches that hold any event from first to last, in order."""
        ...

    def activities(self, run_key: int) -> list[ActivityRow]: ...

    def stream(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[StreamRow]:
        """The first rows that hold any event after an offset, in order, up to the first that exceeds the bytes."""
        ...

    def stream_ends(self, run_key: int) -> list[StreamEnd]:
        """One for each attempt that is in the run's stream."""
        ...

    def log(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[LogRow]:
        """The first rows that hold any line after an offset, in order, up to the first that exceeds the bytes."""
        ...

    def log_end(self, run_key: int) -> LogEnd | None:
        """None if the run has no log."""
        ...

    def has_request_id(self, run_key: int, request_id: str) -> bool: ...

    def due(self, until_ns: int, after: tuple[int, int] | None, limit: int) -> list[tuple[int, int]]:
        """(due_ns, run_key) of runs due up to a time, in order, from after a position on."""
        ...

    def search_attributes(self) -> list[SearchAttributeRow]: ...

    def records(self, kind: str) -> list[Record]: ...

    def brief(self) -> AbstractContextManager[None]:
        """Inside, lists and counts are given up early (StoreQueryTooLongError), as other things wait."""
        ...

    def aside(self) -> Lists | None:
        """Lists and counts for another thread, which see every commit that was made before; None if this store has
        none such."""
        ...

    def matching_run_keys(self, namespace: str, condition: Condition, after: int, until: int, limit: int) -> list[int]:
        """The keys of runs above `after`, up to and with `until`, lowest first; raises as `list_runs`."""
        ...

    def list_runs(self, namespace: str, condition: Condition, before: Position | None, limit: int) -> list[StoredRun]:
        """Open runs first, the last started first; then closed ones, the last closed first.

        Raises:
            ValueError: The condition names an unknown column or operator.
            StoreQueryTooLongError: It was given up.
        """
        ...

    def count_runs(self, namespace: str, condition: Condition) -> int: ...

    def count_runs_by_status(self, namespace: str, condition: Condition) -> list[tuple[int, int]]:
        """(status, how many), the most first."""
        ...

    def namespaces(self) -> list[NamespaceRow]:
        """All of them, by name."""
        ...

    def closed_runs(self, namespace: str, until_ns: int, limit: int) -> list[tuple[int, int]]:
        """(run_key, history_bytes) of runs that closed up to a time, the earliest first."""
        ...

    def any_runs(self, namespace: str, limit: int) -> list[tuple[int, int]]:
        """(run_key, history_bytes) of some runs of a namespace, open ones too; empty when there is none."""
        ...


def chain(previous: int, events: bytes) -> int:
    """The checksum of a history batch, over its bytes and the checksum of the batch before (0 for none)."""
    return zlib.crc32(events, previous)


class StoreError(Exception):
    """The store cannot be used as asked. The message says why and what to do."""


class StoreInUseError(StoreError):
    """Another process owns the store."""

    def __init__(self, message: str, owner_pid: int | None) -> None:
        super().__init__(message)
        self.owner_pid = owner_pid


class StoreNotADatabaseError(StoreError):
    """The file is something else, or is damaged."""


class StoreTooNewError(StoreError):
    """A newer version of Tsuzuki wrote the store."""


class StoreWentBackError(StoreError):
    """The store holds less than was once committed to it."""


class StoreReadOnlyError(StoreError):
    """The file or its folder cannot be written."""


class StoreFullError(StoreError):
    """No room on the disk: nothing of the batch was written."""


class StoreFailedError(StoreError):
    """A write or sync failed and its outcome is unknown."""


class StoreQueryTooLongError(StoreError):
    """A list or count of runs looked at too much and was given up; nothing else is wrong."""
