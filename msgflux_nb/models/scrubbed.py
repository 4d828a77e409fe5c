"""Removes keys that a server may repeat from a failed answer, which is kept as evidence."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import MsgfluxError
from ..protocol.events import Usage
from ..protocol.failure import Scrub
from ..protocol.snapshot import Snapshot

__all__ = ["describe", "texts_of", "without_keys"]


def describe(
    error: MsgfluxError, snapshot: Snapshot, attempts: int, scrub: Scrub, *, usage: Usage | None = None
) -> None:
    """Add the snapshot and the attempts to an error; remove keys from its message, since the answer may repeat them."""
    error.args = (scrub(str(error)),)
    error.snapshot = msgspec.structs.replace(snapshot, usage=usage or snapshot.usage)
    error.attempts = attempts


def without_keys(snapshot: Snapshot, scrub: Scrub) -> Snapshot:
    """Return an answer without keys in its fields; its texts are the model's and stay."""
    choices = tuple(
        msgspec.structs.replace(one, fields=_scrubbed(one.fields, scrub)) if one.fields else one
        for one in snapshot.choices
    )
    return msgspec.structs.replace(snapshot, choices=choices, fields=_scrubbed(snapshot.fields, scrub))


def texts_of(snapshot: Snapshot) -> bytes:
    """Return all texts of an answer, each joined from its pieces."""
    texts = [_written(snapshot.fields)]
    for choice in snapshot.choices:
        calls = [f"{call.name}{_written(call.arguments)}" for call in choice.tool_calls]
        texts += [choice.continuation, choice.reasoning or "", choice.refusal or "", *calls, _written(choice.fields)]
    return "\n".join(texts).encode("utf-8", "surrogatepass")


def _written(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, TypeError, RecursionError):
        return repr(value)


def _scrubbed(value: Any, scrub: Scrub) -> Any:
    try:
        data = msgspec.json.encode(value)
        clean = scrub(data.decode())
        return value if clean == data.decode() else msgspec.json.decode(clean)
    except (ValueError, TypeError, RecursionError):
        return {}  # cannot be searched for keys
