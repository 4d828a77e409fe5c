"""How a model asks inside a recording: who answers instead of the network, what is kept, and whose time counts."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import msgspec

from ..storage.recordings.inside import Inside, inside

__all__ = ["Asking", "Replayed", "under_way"]

_LONGEST_WAIT_SECONDS = 1.5


class Replayed(NamedTuple):
    """Where a recorded answer comes from.

    Attributes:
        date: when it was recorded, such as ``"2026-11-20"``.
        file: the name of the recording.
    """

    date: str
    file: str


def under_way(own: Any = None, *, live: bool = False) -> Inside | None:
    """Return what answers and what is kept at this moment; None if nothing is recorded or replayed.

    Args:
        own: the replay that a model is itself.
        live: whether the network answers in any case.

    Raises:
        RecordingError: the recording that ``MSGFLUX_REPLAY`` names cannot be used.
    """
    now = inside()
    player = own or now.player
    if player is None and os.environ.get("MSGFLUX_REPLAY"):
        from ..storage.recordings.player import player_of_environment

        player = player_of_environment()
    if live:
        player = None
    return None if player is None and now.recorder is None else Inside(player, now.recorder)


class Asking:
    """How one exchange asks.

    Args:
        now: what answers, and what is kept.
        name: the model as it was asked for.
        settings: what it was built with, without secrets.
        sample: of several answers to one request, which is wanted.

    Attributes:
        seconds: the time of a replayed exchange: as it was, whatever the speed.
    """

    def __init__(self, now: Inside, *, name: str, settings: dict[str, Any], sample: int) -> None:
        self.player, self.recorder = now.player, now.recorder
        self.name, self.settings, self.sample = name, settings, sample
        self.seconds = 0.0

    def clock(self) -> float:
        """Return the time of a replayed exchange, in seconds."""
        return self.seconds

    def waits(self, delay: float) -> float:
        """Return how long to really wait when the exchange waits."""
        if self.player is None:
            return delay
        self.seconds += delay
        return min(delay, _LONGEST_WAIT_SECONDS) / float(self.player.speed)


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a recording keeps of the arguments that a model was built with, as JSON."""
    kept = ("options", "extra_body", "prefill_mode", "wire", "cache_prompt")
    built = {**{name: arguments[name] for name in kept}, **arguments["built"]}
    found: dict[str, Any] = msgspec.to_builtins(
        {name: value for name, value in built.items() if value not in (None, {}, False, "auto")}, enc_hook=str
    )
    return found
