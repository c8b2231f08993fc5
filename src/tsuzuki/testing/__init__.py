"""Public test tools: virtual time and fault injection for your own tests."""

from __future__ import annotations

from tsuzuki.testing._faulty_store import Fault, FaultyStore, Moment, Point

__all__ = ["Fault", "FaultyStore", "Moment", "Point"]
