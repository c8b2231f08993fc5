"""For all tests: a busy machine is no failure of a property."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("tsuzuki", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tsuzuki")
