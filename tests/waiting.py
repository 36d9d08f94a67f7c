"""Waiting for what comes when it comes: a guard against hanging, which no busy machine reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

GUARD_S = 600.0
"""The longest that a test waits for something that takes seconds on a machine at rest."""

VERB_S = 7200.0
"""The longest that a test waits for a verb that makes and boots targets."""


def until(happened: Callable[[], object], what: str, said: Callable[[], str] = str) -> None:
    """Return once `happened` gives something true; `said` tells more where it never does."""
    end = time.monotonic() + GUARD_S
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {what}: {said()}"
        time.sleep(0.05)
