"""The endpoint of replayed requests: no address, no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol.request import ChatRequest

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["areplay_endpoint", "replay_endpoint"]


def replay_endpoint(request: ChatRequest | None) -> Endpoint:
    """Return an endpoint to which nothing is sent."""
    from .endpoint import Endpoint

    return Endpoint(base_url="http://replay.invalid")


async def areplay_endpoint(request: ChatRequest | None) -> Endpoint:
    """As :func:`replay_endpoint`, for the async driver."""
    return replay_endpoint(request)
