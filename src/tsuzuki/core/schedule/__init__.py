"""Schedules: the times that a specification names, and what their overlap policies make of starts that wait."""

from __future__ import annotations

from .buffer import BufferedStart, Decision, decide
from .spec import SECONDS_MAX, Spec, Times, compile_spec

__all__ = ["SECONDS_MAX", "BufferedStart", "Decision", "Spec", "Times", "compile_spec", "decide"]
