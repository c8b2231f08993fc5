"""Lists and counts beside the event loop: what can be told at once is, and what takes longer goes to another thread.

So a filter that has to look at every run keeps no worker waiting, and one that an index answers pays no thread hop.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from tsuzuki.core.refusal import TooMuch
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import Lists, StoreError, StoreQueryTooLongError

from ._engine import Engine
from ._refusals import refusals_as_errors

T = TypeVar("T")

WAITING_MAX: Final = 20
"""Long queries that run or wait, one after another."""


class ListsAside:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def ask(self, query: Callable[[Lists], T]) -> T:
        """What a query finds, which the caller has made sure of being on disk.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: it takes too long, or too many do; UNAVAILABLE: it was broken off.
        """
        store = self._engine.store
        aside = store.aside()
        with refusals_as_errors():
            try:
                if aside is None:
                    return query(store)
                with store.brief():
                    return query(store)
            except StoreQueryTooLongError as error:
                if aside is None:
                    raise TooMuch(str(error)) from None
            if self._waiting >= WAITING_MAX:
                raise TooMuch(f"{WAITING_MAX} long lists and counts wait already; ask again a little later.")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "lists aside")
        self._waiting += 1
        try:
            return await self._engine.loop.run_in_executor(self._thread, query, aside)
        except StoreQueryTooLongError as error:
            with refusals_as_errors():
                raise TooMuch(str(error)) from None
        except StoreError as error:
            raise ServiceError(StatusCode.UNAVAILABLE, str(error)) from None
        finally:
            self._waiting -= 1
