"""Removes keys that a server may repeat from a failed answer, which is kept as evidence."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import MsgfluxError
from ..protocol.events import Usage
from ..protocol.failure import Scrub
from ..protocol.snapshot import Choice, Snapshot
from ..storage.recordings.media import each_text

__all__ = ["Masked", "describe", "texts_of", "without_keys"]

_MOST_FIELDS = 1_000_000  # bytes of JSON
_LEFT_OUT = "other fields of the failed answer were left out, since they are too large to be searched for keys"


def describe(
    error: MsgfluxError, snapshot: Snapshot, attempts: int, scrub: Scrub, *, usage: Usage | None = None
) -> None:
    """Add the snapshot and the attempts to an error; remove keys from its message, since the answer may repeat them."""
    error.args = (scrub(str(error)),)
    error.snapshot = msgspec.structs.replace(snapshot, usage=usage or snapshot.usage)
    error.attempts = attempts


def without_keys(snapshot: Snapshot, scrub: Scrub) -> Snapshot:
    """Return an answer without keys in its fields; its texts are the model's and stay."""
    given = [snapshot.fields, *(choice.fields for choice in snapshot.choices)]
    fields, *of_choices = [_scrubbed(one, scrub) for one in given]
    choices = tuple(
        msgspec.structs.replace(choice, fields=kept or {})
        for choice, kept in zip(snapshot.choices, of_choices, strict=True)
    )
    warnings = (*snapshot.warnings, *((_LEFT_OUT,) if None in (fields, *of_choices) else ()))
    return msgspec.structs.replace(snapshot, choices=choices, fields=fields or {}, warnings=warnings)


class Masked:
    """Masks an endpoint's keys in what a server adds to an answer: ids, names, links and other fields.

    The texts stay, since they are the model's, and so do ids and names of calls, which are sent back. What only looks
    like a key stays too: it may be a signature or a part of a link.

    Args:
        scrub: an endpoint's ``scrub``.
    """

    def __init__(self, scrub: Scrub) -> None:
        self._hide: Scrub = getattr(getattr(scrub, "__self__", None), "hide", scrub)
        self._known: dict[str | None, str | None] = {None: None}  # snapshots of a stream repeat a few short texts
        self._latest: tuple[Snapshot, Snapshot] | None = None

    def snapshot(self, found: Snapshot) -> Snapshot:
        """Return a snapshot with masked fields."""
        if self._hide is str:
            return found
        if self._latest is None or self._latest[0] is not found:
            clean = msgspec.structs.replace(
                found,
                choices=tuple(map(self._choice, found.choices)),
                usage=self.usage(found.usage),
                id=self._text(found.id),
                model=self._text(found.model),
                fields=self._value(found.fields),
                warnings=tuple(map(self._hide, found.warnings)),
            )
            self._latest = found, clean
        return self._latest[1]

    def usage(self, usage: Usage | None) -> Usage | None:
        """Return usage with a masked tier."""
        if usage is None or usage.tier is None:
            return usage
        return msgspec.structs.replace(usage, tier=self._text(usage.tier))

    def _choice(self, choice: Choice) -> Choice:
        if not (choice.fields or choice.annotations or choice.raw_finish_reason):
            return choice
        return msgspec.structs.replace(
            choice,
            annotations=tuple(self._value(list(choice.annotations))),
            raw_finish_reason=self._text(choice.raw_finish_reason),
            fields=self._value(choice.fields),
        )

    def _text(self, text: str | None) -> str | None:
        if text is not None and text not in self._known:
            self._known[text] = self._hide(text)
        return self._known[text]

    def _value(self, value: Any) -> Any:
        if not value or self._hide(written := _written(value)) == written:
            return value  # nearly always: one search in place of one for each text
        return each_text(value, self._hide)


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


def _scrubbed(value: dict[str, Any], scrub: Scrub) -> dict[str, Any] | None:
    """Return fields without keys; None if they cannot be searched."""
    if not value:
        return value
    try:
        data = msgspec.json.encode(value)
        if len(data) > _MOST_FIELDS:
            return None
        clean = scrub(data.decode())
        return value if clean == data.decode() else msgspec.json.decode(clean)
    except (ValueError, TypeError, RecursionError):
        return None
