"""Checks afterwards whether an answer continued its start."""

from __future__ import annotations

import itertools
import re
from typing import Any

from ...generation.decode import decode_json
from ...models.stream import Arriving
from ...protocol.partial_json import PartialJSON

__all__ = ["verdict"]

_REPEATED_CHARACTERS = 12  # fewer repeated characters of a longer start may be chance
_WHOLE_CHARACTERS = 3
_OPENERS = re.compile(r"\{|```\w*|\d+[.)]")
_SHOWN_CHARACTERS = 40


def verdict(answer: Any, start: str) -> str:
    """Return what happened to a start that was not continued, and what to do; empty if nothing is wrong.

    If the provider gives no sign, the text shows it: it repeats the beginning of the start, or for a structure, it is
    JSON without the start but not with it.

    Args:
        answer: a response, or None.
        start: the start of the request.
    """
    if answer is None or not start.strip() or not answer.continuation.strip():
        return ""
    metadata = answer.metadata
    if metadata.prefill_method is None:
        return (
            "The first answer, with the prefill, did not fit its schema. This one is the correction, which was "
            "requested without the prefill."
        )
    emulated = metadata.prefill_method == "emulated"
    repeated = _repeated(start, answer.continuation)
    if repeated or (answer.generation_schema is not None and _is_whole_without(start, answer)):
        what = f"it repeats {_short(repeated)}" if repeated else "its JSON is complete without the start"
        return f"The answer started over instead of going on: {what}. {_remedy(answer, emulated)}"
    if metadata.prefill_found is not False:
        return ""
    if emulated:
        return (
            f"The answer does not begin with the start that was asked for in words, but with "
            f"{_short(answer.continuation)}. Say it in the message too, or use a model that continues a start."
        )
    return (
        f"{metadata.provider} is known to repeat a start, and did not here: it may have started over. "
        f'If it went on all the same, say so with profile={{"{_echo_field(answer)}": False}}.'
    )


def _repeated(start: str, continuation: str) -> str:
    """Return the beginning of the start that the continuation repeats; empty if it is too short to be certain."""
    begun, came = start.strip(), continuation.lstrip()
    if came.startswith(begun):
        return begun if len(begun) >= _WHOLE_CHARACTERS or _OPENERS.fullmatch(begun) else ""
    if "\n" in start.lstrip():
        return ""  # lines of a text often begin in the same way
    same = [a for a, b in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(begun, came, strict=False))]
    return "".join(same).rstrip() if len(same) >= _REPEATED_CHARACTERS else ""


def _is_whole_without(start: str, answer: Any) -> bool:
    together = PartialJSON()
    together.feed(start.lstrip() + answer.continuation)
    cut = together.error is None and answer.metadata.finish_reason != "stop"
    if together.complete or cut:
        return False
    try:
        return isinstance(decode_json(answer.continuation), dict)
    except ValueError:
        return False


def _remedy(answer: Any, emulated: bool) -> str:
    if emulated:
        return "It was asked for in words only; a model that continues a start is more certain."
    return (
        f"If {answer.metadata.provider} always repeats a start, say so with "
        f'profile={{"{_echo_field(answer)}": True}}; if it does not go on from one, profile={{"prefill": "none"}} has '
        'it refused before anything is sent, and prefill_mode="emulate" asks for it in words.'
    )


def _echo_field(answer: Any) -> str:
    return "echo_stream" if isinstance(answer, Arriving) else "echo"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
