"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("busy machine", deadline=None)  # no test is wrong because a machine has other things to do
settings.load_profile("busy machine")
