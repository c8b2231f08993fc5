"""The worker: runs workflow and activity code for one task queue."""

from ._worker import Worker

__all__ = ["Worker"]
