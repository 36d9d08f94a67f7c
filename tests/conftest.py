"""What holds for every test: how long it takes says nothing, for a machine may be slow or busy."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("baremark", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("baremark")
