"""Judging workflow code without running it for real: replays of recorded histories, and the lint."""

from ._replayer import Replayer, WorkflowReplayResult, WorkflowReplayResults

__all__ = ["Replayer", "WorkflowReplayResult", "WorkflowReplayResults"]
