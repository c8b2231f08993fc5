"""An executor without threads, for libraries that want one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class InlineExecutor(Executor):
    """Runs what it is given at once, in the caller's thread; the only executor that a workflow may use.

    A library that sends synchronous functions to threads, and lets one choose the executor, runs them in order with
    this one, as part of the workflow's code: they must be deterministic too.
    """

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """Run it, and give its outcome."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
