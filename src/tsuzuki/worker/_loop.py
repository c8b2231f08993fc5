"""The event loop of one run: plain asyncio, the same order on every replay.

Owns the ready queue, the timers asked of asyncio and the conditions that the code waits on. It has no
clock, no selector and no thread: the run pushes work in and calls `run_ready` until nothing is left. It must
never call anything outside its run.

Invariant: callbacks run first in, first out, and futures and tasks hash by a number that counts them, so
that the sets inside asyncio (`wait`, `TaskGroup`, `as_completed`) iterate in the same order on every replay.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import operator
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, Final, NoReturn, Protocol, TypeVar, TypeVarTuple, Unpack

from tsuzuki.workflow import InlineExecutor, NotAllowedInWorkflowError

from . import _guard

Result = TypeVar("Result")
Args = TypeVarTuple("Args")

_UNWIND_TRIES_MAX: Final = 100
_SWEEP_AT_MIN: Final = 16
_FRUITLESS_POLLS_MAX: Final = 1000
"""A callback that asks for itself again, with the same arguments, waits for others (AnyIO does so while it cancels):
after so many times in one activation it goes on in the next one, for what it waits for is not to be had in this one."""

_logger: Final = logging.getLogger("tsuzuki.worker")
_swap_current_task: Final = getattr(asyncio.tasks, "_swap_current_task", None)
_SWAPS_TASK: Final = sys.version_info >= (3, 14)


class LoopOwner(Protocol):
    """What the loop asks of its run."""

    time_ns: int
    replaying: bool
    failed_by: BaseException | None
    """Set when the workflow task has failed: the loop stops at once."""

    def start_timer(self, handle: TimerHandle, delay_s: float) -> None: ...
    def cancel_timer(self, handle: TimerHandle) -> None: ...
    def check_may_act(self, action: str) -> None: ...


class _Nobody:
    """Stands in for the run of a loop that was abandoned, so that the two are not garbage in a circle."""

    time_ns = 0
    replaying = True
    failed_by: BaseException | None = None

    def start_timer(self, handle: TimerHandle, delay_s: float) -> None:
        raise Evicted("start a timer")

    def cancel_timer(self, handle: TimerHandle) -> None:
        pass

    def check_may_act(self, action: str) -> None:
        raise Evicted(action)


class Evicted(BaseException):
    """Raised into workflow code that tries to do something while its run is being thrown away."""


class WorkflowFuture(asyncio.Future[Result]):
    """A future whose place in a set does not depend on its address."""

    __slots__ = ("_order",)

    def __init__(self, loop: WorkflowLoop) -> None:
        super().__init__(loop=loop)
        self._order = loop.next_order()

    def __hash__(self) -> int:
        return self._order


class WorkflowTask(asyncio.Task[Result]):
    """A task whose place in a set does not depend on its address."""

    __slots__ = ("_order",)

    _log_destroy_pending: bool

    def __init__(
        self,
        coro: Coroutine[Any, Any, Result] | Generator[Any, None, Result],
        loop: WorkflowLoop,
        name: str | None,
        context: contextvars.Context | None,
        order: int | None = None,
    ) -> None:
        self._order = loop.next_order() if order is None else order  # before anything that hashes the task
        super().__init__(coro, loop=loop, name=name or f"Task-{self._order & 0xFFFF}", context=context)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self._order


class ReadyHandle(asyncio.Handle):
    """A callback in the ready queue; asyncio's handle without its debugging."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: WorkflowLoop,
        context: contextvars.Context,
    ) -> None:
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<ReadyHandle {self._callback!r}{' cancelled' if self._cancelled else ''}>"


class TimerHandle(asyncio.TimerHandle):
    """A durable timer that asyncio asked for.

    Attributes:
        machine: What stands for it in history; the run's business.
    """

    __slots__ = ("machine",)

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: WorkflowLoop,
        context: contextvars.Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.machine: Any = None


class WorkflowLoop(asyncio.AbstractEventLoop):
    """One run's event loop.

    Args:
        owner: The run.
        runtime: What workflow code can ask of it.
        order_base: A number that is the run's own and the same on every replay. Hashes of tasks start
            there: all tasks of the process meet in asyncio's registry, and must not all collide.
        guarded: Refuse calls that break determinism while this is the running loop.
    """

    def __init__(self, owner: LoopOwner, runtime: Any, order_base: int, *, guarded: bool = False) -> None:
        self.workflow_runtime: Any = runtime
        self._guarded = guarded
        self._owner: LoopOwner = owner
        self._ready: deque[Any] = deque()  # handles, whose insides typeshed hides
        self._running: Any = None
        self._polls: list[Any] = []
        """Handles of callbacks that have only asked to be called again."""
        self._conditions: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []
        self.last_order = order_base << 16
        """Of the sequence that futures and tasks hash by. Who runs code that no replay runs puts it back after that."""
        self._exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        # asyncio keeps weak references only. Done tasks are swept out now and then.
        self._tasks: list[WorkflowTask[Any]] = []
        self._sweep_at = _SWEEP_AT_MIN

    def next_order(self) -> int:
        """Return the next number of the sequence that futures and tasks hash by."""
        self.last_order = order = self.last_order + 1
        return order

    # ---- driven by the run -----------------------------------------------------------------------------

    def run_ready(self, *, check_conditions: bool) -> None:
        """Run callbacks until none is left.

        Args:
            check_conditions: Look at the conditions whenever the queue is empty.

        Raises:
            BaseException: What the run says the workflow task has failed by.
        """
        ready = self._ready
        take = ready.popleft
        owner = self._owner
        fruitless = 0
        while True:
            while ready:
                handle = take()
                if not handle._cancelled:
                    self._running = handle
                    try:
                        handle._context.run(handle._callback, *handle._args)
                    except KeyboardInterrupt:
                        raise
                    except SystemExit as error:
                        raise NotAllowedInWorkflowError(
                            "workflow code called sys.exit(); return, or raise ApplicationError"
                        ) from error
                    except Exception as error:
                        self.call_exception_handler({"message": "a callback failed", "exception": error})
                    if owner.failed_by is not None:
                        raise owner.failed_by
            self._running = None
            if self._polls and fruitless < _FRUITLESS_POLLS_MAX:
                fruitless += 1
                ready.extend(self._polls)
                self._polls.clear()
                continue
            if not check_conditions or not self._conditions:
                return
            self._check_conditions()
            if not ready:
                return
            fruitless = 0

    def enter(self) -> tuple[asyncio.AbstractEventLoop | None, Any, Any, bool]:
        """Make this the running loop of the thread; returns what `leave` needs to undo it."""
        host = asyncio._get_running_loop()
        task = None
        if _SWAPS_TASK and host is not None and _swap_current_task is not None:
            task = _swap_current_task(host, None)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_first_iterated, self._asyncgen_finalized)
        asyncio._set_running_loop(self)
        return host, task, hooks, self._guarded and _guard.enter()

    def leave(self, entered: tuple[asyncio.AbstractEventLoop | None, Any, Any, bool]) -> None:
        """Give the thread back to its own loop."""
        host, task, hooks, guarded = entered
        if guarded:
            _guard.leave()
        asyncio._set_running_loop(host)
        sys.set_asyncgen_hooks(*hooks)
        if task is not None and _swap_current_task is not None:
            _swap_current_task(host, task)

    def push(self, handle: asyncio.Handle) -> None:
        """Put a handle at the end of the ready queue; for timers that fired."""
        self._ready.append(handle)

    def wait_for_condition(self, condition: Callable[[], bool]) -> asyncio.Future[bool]:
        """Return a future that is done once the condition holds."""
        future: asyncio.Future[bool] = WorkflowFuture(self)
        self._conditions.append((condition, future))
        return future

    def _check_conditions(self) -> None:
        waiting = []
        for entry in self._conditions:
            condition, future = entry
            if future.done():
                continue
            if condition():
                future.set_result(True)
            else:
                waiting.append(entry)
        self._conditions[:] = waiting

    def has_waiting(self) -> bool:
        """Tell whether any task is not done."""
        for task in self._tasks:  # noqa: SIM110  (a generator would cost four times the look at one task)
            if not task.done():
                return True
        return False

    def waiting_tasks(self) -> list[WorkflowTask[Any]]:
        """The tasks that are not done, oldest first."""
        return [task for task in self._tasks if not task.done()]

    def is_disturbed(self) -> bool:
        """Tell whether something is ready to run, which after a query nothing may be."""
        return bool(self._ready)

    def destroy(self) -> None:
        """Throw away everything that is still waiting; called inside `enter`, with the owner refusing to act.

        Ending a coroutine runs its `finally` blocks. They find every door shut (`Evicted`), here and now and
        not whenever the garbage collector comes by, on whatever thread, in the middle of another run.
        """
        self._ready.clear()
        self._polls.clear()
        self._conditions.clear()
        for task in reversed(self._tasks):  # inner tasks were made after those that wait for them
            _unwind(task.get_coro())
            waiter = getattr(task, "_fut_waiter", None)
            if waiter is not None:
                # Lets go of the task, so that the two are not garbage in a circle. A handle's own `cancel`
                # would ask for something.
                asyncio.Future.cancel(waiter)
            asyncio.Future.cancel(task)  # lets go of its callbacks: `gather` has one that knows the task

    def abandon(self) -> None:
        """Let go of the run; nothing runs here any more."""
        self._owner = _NOBODY
        self.workflow_runtime = None
        self._ready.clear()
        self._polls.clear()
        self._tasks.clear()
        self._conditions.clear()

    # ---- asyncio ---------------------------------------------------------------------------------------

    def call_soon(
        self,
        callback: Callable[[Unpack[Args]], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = ReadyHandle(callback, args, self, contextvars.copy_context() if context is None else context)
        running = self._running
        if running is not None and callback == running._callback and _same(args, running._args):
            self._polls.append(handle)
        else:
            self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Args]], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = TimerHandle(self.time() + delay, callback, args, self, context)
        self._owner.start_timer(handle, delay)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Args]], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        # asyncio.timeout computes `when` from time(); a float cannot carry nanoseconds since the epoch, so
        # the difference is rounded to what it can.
        return self.call_later(round(when - self.time(), 3), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        assert isinstance(handle, TimerHandle)
        self._owner.cancel_timer(handle)

    def time(self) -> float:
        return self._owner.time_ns / 1e9

    def create_future(self) -> asyncio.Future[Any]:
        return WorkflowFuture(self)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Args]], Result], *args: *Args
    ) -> asyncio.Future[Result]:
        if not isinstance(executor, InlineExecutor):
            raise NotAllowedInWorkflowError(
                "run_in_executor() is not possible in a workflow: its event loop has nothing for threads; call an "
                "activity with workflow.execute_activity(...), or give it a workflow.InlineExecutor"
            )
        future: asyncio.Future[Result] = self.create_future()
        done = executor.submit(func, *args)
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)
        return future

    def create_task(
        self,
        coro: Coroutine[Any, Any, Result] | Generator[Any, None, Result],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        order: int | None = None,
        **_: Any,  # eager_start and what later versions add
    ) -> asyncio.Task[Result]:
        """As asyncio's; `order` in place of the next number of the sequence, for a task that a replay may not have."""
        self._owner.check_may_act("create a task")
        task = WorkflowTask(coro, self, name, context, order)
        self.keep(task)
        return task

    def keep(self, task: WorkflowTask[Any]) -> None:
        """Keep a new task alive until it is done."""
        tasks = self._tasks
        tasks.append(task)
        if len(tasks) >= self._sweep_at:
            self._tasks = tasks = [kept for kept in tasks if not kept.done()]
            self._sweep_at = max(_SWEEP_AT_MIN, 2 * len(tasks))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(self) -> Any:
        return self._exception_handler

    def set_exception_handler(self, handler: Any) -> None:
        self._exception_handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._owner.replaying:
            return  # said the first time; and an evicted run counts as replaying
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        _logger.error(
            "in workflow code: %s", context.get("message", "unhandled error"), exc_info=context.get("exception")
        )

    def _asyncgen_first_iterated(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Replaces the host loop's hook, which would finish the generator on the host loop."""

    def _asyncgen_finalized(self, generator: AsyncGenerator[Any, Any]) -> None:
        if asyncio._get_running_loop() is self and not self._owner.replaying:
            self.create_task(generator.aclose())  # as asyncio does
        else:
            _finish_generator(generator)

    async def shutdown_asyncgens(self) -> None:
        return None


def _same(args: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    """The very same objects: comparing values might run code of theirs."""
    return len(args) == len(others) and all(map(operator.is_, args, others))


def _unwind(coroutine: Any) -> None:
    """End a suspended coroutine, however hard it resists; what it raises is nobody's concern any more.

    `close()` will not do: one that waits in a `finally` while it is closed is cut off from those that wait for
    it, and left to the garbage collector.
    """
    for _ in range(_UNWIND_TRIES_MAX):
        try:
            coroutine.throw(Evicted("the run is being evicted"))
        except BaseException:
            return


def _finish_generator(generator: AsyncGenerator[Any, Any]) -> None:
    closing = generator.aclose()
    try:
        closing.send(None)
    except BaseException:
        return
    _unwind(closing)


_NOBODY: Final = _Nobody()

_NOT_ALLOWED: Final = {
    "call_soon_threadsafe": "threads; let an activity do the work",
    "set_default_executor": "threads; call an activity with workflow.execute_activity(...)",
    "run_forever": "running it by hand; the worker does",
    "run_until_complete": "running it by hand; use `await`",
    "stop": "stopping it; return from the workflow",
    "close": "closing it; return from the workflow",
    "getaddrinfo": "the network; call an activity with workflow.execute_activity(...)",
    "getnameinfo": "the network; call an activity with workflow.execute_activity(...)",
    "create_connection": "the network; call an activity with workflow.execute_activity(...)",
    "create_server": "the network; call an activity with workflow.execute_activity(...)",
    "create_datagram_endpoint": "the network; call an activity with workflow.execute_activity(...)",
    "create_unix_connection": "the network; call an activity with workflow.execute_activity(...)",
    "create_unix_server": "the network; call an activity with workflow.execute_activity(...)",
    "connect_accepted_socket": "the network; call an activity with workflow.execute_activity(...)",
    "start_tls": "the network; call an activity with workflow.execute_activity(...)",
    "sendfile": "the network; call an activity with workflow.execute_activity(...)",
    "sock_accept": "the network; call an activity with workflow.execute_activity(...)",
    "sock_connect": "the network; call an activity with workflow.execute_activity(...)",
    "sock_recv": "the network; call an activity with workflow.execute_activity(...)",
    "sock_recv_into": "the network; call an activity with workflow.execute_activity(...)",
    "sock_recvfrom": "the network; call an activity with workflow.execute_activity(...)",
    "sock_recvfrom_into": "the network; call an activity with workflow.execute_activity(...)",
    "sock_sendall": "the network; call an activity with workflow.execute_activity(...)",
    "sock_sendfile": "the network; call an activity with workflow.execute_activity(...)",
    "sock_sendto": "the network; call an activity with workflow.execute_activity(...)",
    "add_reader": "files and sockets; call an activity with workflow.execute_activity(...)",
    "add_writer": "files and sockets; call an activity with workflow.execute_activity(...)",
    "remove_reader": "files and sockets; call an activity with workflow.execute_activity(...)",
    "remove_writer": "files and sockets; call an activity with workflow.execute_activity(...)",
    "connect_read_pipe": "pipes; call an activity with workflow.execute_activity(...)",
    "connect_write_pipe": "pipes; call an activity with workflow.execute_activity(...)",
    "subprocess_exec": "subprocesses; call an activity with workflow.execute_activity(...)",
    "subprocess_shell": "subprocesses; call an activity with workflow.execute_activity(...)",
    "add_signal_handler": "operating system signals; use workflow signals",
    "remove_signal_handler": "operating system signals; use workflow signals",
    "set_task_factory": "task factories; they would break the order of tasks",
    "set_debug": "debug mode",
    "shutdown_default_executor": "threads; there are none",
}


def _refusal(name: str, advice: str) -> Callable[..., NoReturn]:
    def refuse(self: WorkflowLoop, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotAllowedInWorkflowError(
            f"{name}() is not possible in a workflow: its event loop has nothing for {advice}"
        )

    refuse.__name__ = name
    return refuse


for _name, _advice in _NOT_ALLOWED.items():
    setattr(WorkflowLoop, _name, _refusal(_name, _advice))
