"""Public test tools: virtual time and fault injection for your own tests."""

from __future__ import annotations

from tsuzuki.testing._faulty_store import Fault, FaultyStore, Moment, Point
from tsuzuki.testing._local_server import LocalServer, notation
from tsuzuki.testing._virtual_clock import VirtualClock

__all__ = ["Fault", "FaultyStore", "LocalServer", "Moment", "Point", "VirtualClock", "notation"]
