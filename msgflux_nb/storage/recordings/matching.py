"""Finds the recorded exchange for a request: the same request, else one with the same messages; pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from .hidden import MASK
from .lines import RecordedExchange
from .media import each_text, without_media

__all__ = ["WantedRequest", "differing", "explained", "is_same", "question_of", "question_of_line"]

# The fields with the question, on any wire. Besides these and the form of the answer, all fields are options.
_ASKED = frozenset(("messages", "input", "system", "instructions", "prompt"))
_FORM = frozenset(
    (
        *(
            "response_format",
            "tools",
            "tool_choice",
            "functions",
            "json_schema",
            "grammar",
            "output_format",
            "modalities",
        ),
        *("format", "text", "guided_json", "output_config"),
    )
)
# Options within a field of the form.
_OPTIONS = {
    "text": frozenset(("verbosity",)),
    "output_config": frozenset(("effort",)),
    "tool_choice": frozenset(("disable_parallel_tool_use",)),
}
_HIDDEN = re.compile(re.escape(MASK) + r"|\[key\]")
_LINES_SHOWN = 24
_CHARACTERS_SHOWN = 160
_COMPARED = 4_000


class WantedRequest(NamedTuple):
    """How a request is looked for.

    Attributes:
        whole: the hash of the whole request.
        asked: the hash of its messages and of the required form of the answer.
        body: its JSON, with long media replaced by their hashes.
    """

    whole: bytes
    asked: bytes
    body: Any


def question_of(wire: str, body: bytes) -> WantedRequest:
    """Return how to look for a request that is about to be sent."""
    return _question(wire, each_text(msgspec.json.decode(body), without_media))


def question_of_line(line: RecordedExchange) -> WantedRequest:
    """Return how a recorded request can be found."""
    return _question(line.wire, line.body)


def _question(wire: str, body: Any) -> WantedRequest:
    fields = body if isinstance(body, dict) else {"body": body}
    asked = {name: _without_options(name, value) for name, value in fields.items() if name in _ASKED or name in _FORM}
    asked = {name: value for name, value in asked.items() if value is not None}
    return WantedRequest(_hash(wire, fields), _hash("", asked), fields)


def _without_options(name: str, value: Any) -> Any:
    """Return what a field says about the question or the form; None if it has only options or what is usual."""
    options = _OPTIONS.get(name)
    if options is not None and isinstance(value, dict):
        value = {inner: one for inner, one in value.items() if inner not in options} or None
    return None if name == "tool_choice" and value in ("auto", {"type": "auto"}) else value


def _hash(wire: str, value: Any) -> bytes:
    return hashlib.blake2b(wire.encode() + msgspec.json.encode(value, order="sorted"), digest_size=16).digest()


def is_same(recorded: Any, asked: Any) -> bool:
    """Whether a request equals a recorded one; a mask in the recorded one matches any text."""
    if isinstance(recorded, str) and isinstance(asked, str):
        if recorded == asked:
            return True
        parts = _HIDDEN.split(recorded)
        return len(parts) > 1 and re.fullmatch(".*?".join(map(re.escape, parts)), asked, re.S) is not None
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return recorded.keys() == asked.keys() and all(is_same(recorded[name], asked[name]) for name in recorded)
    if isinstance(recorded, list) and isinstance(asked, list):
        return len(recorded) == len(asked) and all(map(is_same, recorded, asked))
    return type(recorded) is type(asked) and bool(recorded == asked)


def differing(recorded: Any, asked: Any) -> list[str]:
    """Describe in words which options differ between two requests."""
    names = sorted(name for name in recorded.keys() | asked.keys() if recorded.get(name) != asked.get(name))
    return [
        f"{name} {_short(recorded[name]) if name in recorded else 'not given'} and not "
        f"{_short(asked[name]) if name in asked else 'left out'}"
        for name in names
    ]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:39]}…"


def explained(asked: Any, recorded: Iterable[Any], name: str, how: str) -> str:
    """Return an error message: the nearest recorded request, what differs, and what to do.

    Args:
        asked: the body of the request.
        recorded: the recorded bodies.
        name: the name of the recording.
        how: a sentence that says what to do.
    """
    nearest = _nearest(asked, recorded)
    if nearest is None:
        return f"{name} holds no recorded request. {how}"
    difference = "\n".join(_difference(nearest, asked))
    begin = f"this request is not in {name}. The nearest recorded request, and what differs (- recorded, + asked):"
    return f"{begin}\n{difference}\n{how}"


def _nearest(asked: Any, recorded: Iterable[Any]) -> Any:
    text = _plain(asked)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    best: tuple[float, Any] = (-1.0, None)
    for body in recorded:
        matcher.set_seq1(_plain(body))
        if matcher.real_quick_ratio() > best[0] and matcher.quick_ratio() > best[0]:
            best = max(best, (matcher.quick_ratio(), body), key=lambda one: one[0])
    return best[1]


def _plain(body: Any) -> str:
    asked = {name: body[name] for name in body if name in _ASKED}
    return msgspec.json.encode(asked or body).decode()[-_COMPARED:]


def _difference(recorded: Any, asked: Any) -> Iterator[str]:
    lines = difflib.unified_diff(_pretty(recorded), _pretty(asked), n=0, lineterm="")
    shown = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    for line in shown[:_LINES_SHOWN]:
        yield line if len(line) <= _CHARACTERS_SHOWN else f"{line[: _CHARACTERS_SHOWN - 1]}…"
    if len(shown) > _LINES_SHOWN:
        yield f"… and {len(shown) - _LINES_SHOWN} lines more"


def _pretty(body: Any) -> list[str]:
    text = msgspec.json.format(msgspec.json.encode(body, order="sorted"), indent=1).decode()
    return [part for line in text.split("\n") for part in line.replace("\\n", "\\n\n").split("\n")]
