"""What must be quick, compared with what it must not wait for, so that no machine is too slow for a test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG = 30.0
"""Seconds that something lasts which must not be waited for."""


@contextmanager
def quickly(*, after: float = 0.0, of: float = LONG) -> Iterator[None]:
    """The body takes ``after`` seconds at least, and not half of the ``of`` seconds that waiting would take."""
    began = time.monotonic()
    yield
    assert after <= time.monotonic() - began < of / 2
