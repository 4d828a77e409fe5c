"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples each time, so that a change is judged by what it changes; --hypothesis-profile=chance tries others.
# No deadlines: no test is wrong because a machine has other things to do.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("chance", deadline=None)
settings.load_profile("same")
