"""Checks that a call does not wait for something slow, so that no machine is too slow for the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG = 30.0
"""Seconds that something lasts which must not be waited for."""


@contextmanager
def quickly(*, after: float = 0.0, of: float = LONG) -> Iterator[None]:
    """Check that the body takes at least ``after`` seconds, and less than half of the ``of`` seconds of a wait."""
    began = time.monotonic()
    yield
    assert after <= time.monotonic() - began < of / 2
