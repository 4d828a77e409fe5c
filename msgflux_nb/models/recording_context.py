"""How an exchange runs while a recording is made or replayed: its player, its recorder and its clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ..storage.recordings.active import Active, active

__all__ = ["RecordingContext", "Replayed", "active_recording"]

_LONGEST_WAIT_SECONDS = 1.5


class Replayed(NamedTuple):
    """Where a recorded answer comes from.

    Attributes:
        date: when it was recorded, such as ``"2026-11-20"``.
        file: the name of the recording.
    """

    date: str
    file: str


def active_recording(own: Any = None, *, live: bool = False) -> Active | None:
    """Return the player and the recorder in use; None if nothing is recorded or replayed.

    Args:
        own: the player of a model that is a recording itself.
        live: whether to ask the network even if a replay is on.

    Raises:
        RecordingError: the recording that ``MSGFLUX_REPLAY`` names cannot be used.
    """
    now = active()
    player = own or now.player
    if player is None and os.environ.get("MSGFLUX_REPLAY"):
        from ..storage.recordings.player import player_of_environment

        player = player_of_environment()
    if live:
        player = None
    return None if player is None and now.recorder is None else Active(player, now.recorder)


class RecordingContext:
    """How one exchange is recorded or replayed.

    Args:
        now: the player and the recorder in use.
        name: the model's name as the caller gave it.
        settings: the arguments that the model was built with, without secrets.
        sample: the number of the wanted answer, if a request has several.
        hide: returns bytes without the model's key.

    Attributes:
        seconds: the recorded time of a replayed exchange; the speed of the replay does not change it.
    """

    def __init__(
        self, now: Active, name: str, settings: dict[str, Any], sample: int, hide: Callable[[bytes], bytes]
    ) -> None:
        self.player, self.recorder = now.player, now.recorder
        self.name, self.settings, self.sample, self.hide = name, settings, sample, hide
        self.seconds = 0.0

    def clock(self) -> float:
        """Return the recorded time of a replayed exchange, in seconds."""
        return self.seconds

    def waits(self, delay: float) -> float:
        """Return the seconds to really wait; a replay divides them by its speed."""
        if self.player is None:
            return delay
        self.seconds += delay
        return min(delay, _LONGEST_WAIT_SECONDS) / float(self.player.speed)


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a model that a recording keeps, as JSON."""
    kept = ("options", "extra_body", "prefill_mode", "wire", "cache_prompt")
    built = {**{name: arguments[name] for name in kept}, **arguments["built"]}
    found: dict[str, Any] = msgspec.to_builtins(
        {name: value for name, value in built.items() if value not in (None, {}, False, "auto")}, enc_hook=str
    )
    return found
