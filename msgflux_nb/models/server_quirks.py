"""What this process has learnt from answers about a model at its endpoint."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, NamedTuple

from ..protocol.profile import Profile, Wire
from ..protocol.remedy import Remedy
from ..protocol.request import Way
from ..storage.recordings.active import Active

__all__ = ["Known", "NotCopied", "ServerQuirks", "quirks_of"]

_log = logging.getLogger("msgflux_nb")


class Known(NamedTuple):
    """What was learnt that changes later requests.

    Attributes:
        refused: ways of asking for a structure that the server refuses.
        remedies: parts of requests that the server refuses, with what is sent instead.
        wire: the wire that works, if the endpoint lacks the provider's own or asks for another.
    """

    refused: frozenset[Way] = frozenset()
    remedies: tuple[Remedy, ...] = ()
    wire: Wire | None = None


class ServerQuirks:
    """What is known of one model at one endpoint.

    Args:
        model: its name, for the log.

    Attributes:
        known: what changes requests; replaced by a new object when more is learnt.
        echo: whether an answer repeats the prefill, by whether it is streamed.
    """

    def __init__(self, model: str = "") -> None:
        self.known = Known()
        self.echo: dict[bool, bool] = {}
        self._model = model

    def forget(self, remedies: Collection[Remedy]) -> None:
        """Remove remedies that did not help."""
        left = tuple(remedy for remedy in self.known.remedies if remedy not in remedies)
        if len(left) != len(self.known.remedies):
            self.known = self.known._replace(remedies=left)
            _log.info(
                "%s: the change that the server named is undone, since it still refuses the request.", self._model
            )

    def learn(self, refused: Collection[Way], remedies: Collection[Remedy], wire: Wire | None = None) -> None:
        """Remember what an answer has shown; nearly always nothing."""
        if not refused and not remedies and wire is None:
            return
        ways = frozenset(refused) - self.known.refused
        new = [remedy for remedy in remedies if remedy not in self.known.remedies]
        found = self.known.wire is None and wire is not None
        if not ways and not new and not found:
            return
        self.known = Known(self.known.refused | ways, (*self.known.remedies, *new), self.known.wire or wire)
        if found:
            _log.info("%s: the wire %s is used from now on, as the server asks.", self._model, wire)
        for remedy in new:
            _log.info("%s: %s from now on, as the server asks.", self._model, remedy)
        for way in sorted(ways):
            _log.info("%s: the server refuses %s; schemas go another way from now on.", self._model, way[0])


_known: dict[tuple[str, str], ServerQuirks] = {}


def quirks_of(profile: Profile, model: str, now: Active | None = None) -> ServerQuirks:
    """Return what is known of a model at its endpoint.

    A recording has its own; otherwise it would lack the exchanges from which this process learnt.
    """
    known = _known if now is None else (now.player or now.recorder).learnt
    return known.setdefault((profile.base_url or profile.provider, model), ServerQuirks(model))


class NotCopied(dict[Any, Any]):
    """What a model has built for itself; a copy of the model begins without it."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), ()
