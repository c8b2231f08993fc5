"""Durable memory of one engine: the contract, and SQLite as the store behind it."""

from __future__ import annotations

from tsuzuki.store._checker import Problem, check_store
from tsuzuki.store._contract import (
    DUE_NOW,
    ActivityRow,
    Batch,
    CurrentRun,
    HistoryBatch,
    NewRun,
    RequestId,
    RunFilter,
    RunUpdate,
    Store,
    StoredRun,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInUseError,
    StoreNotADatabaseError,
    StoreReadOnlyError,
    StoreTooNewError,
    StoreWentBackError,
    chain,
)
from tsuzuki.store._copy import StoreInfo, back_up, store_info
from tsuzuki.store._sqlite import SqliteStore

__all__ = [
    "DUE_NOW",
    "ActivityRow",
    "Batch",
    "CurrentRun",
    "HistoryBatch",
    "NewRun",
    "Problem",
    "RequestId",
    "RunFilter",
    "RunUpdate",
    "SqliteStore",
    "Store",
    "StoreError",
    "StoreFailedError",
    "StoreFullError",
    "StoreInUseError",
    "StoreInfo",
    "StoreNotADatabaseError",
    "StoreReadOnlyError",
    "StoreTooNewError",
    "StoreWentBackError",
    "StoredRun",
    "back_up",
    "chain",
    "check_store",
    "store_info",
]
