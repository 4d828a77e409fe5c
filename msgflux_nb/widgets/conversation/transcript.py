"""A conversation in a saved notebook: escaped HTML and plain text, which depend only on the content."""

from __future__ import annotations

import html
from collections.abc import Iterable

from ...display.html import WORDS, answer_html
from ...display.markdown import encodable
from .parts import Card

__all__ = ["transcript_html", "transcript_text"]

_TURN = "display: flex; column-gap: 12px; margin: 4px 0"
_ROLE = "flex: 0 0 64px; opacity: 0.75"
_BODY = "min-width: 0; flex: 1"
_QUIET = "opacity: 0.75"


def transcript_html(turns: Iterable[Card]) -> str:
    """Return turns as HTML; a model's Markdown comes from the sanitiser, everything else is escaped."""
    return "".join(_turn(turn) for turn in turns)


def transcript_text(turns: Iterable[Card]) -> str:
    """Return turns as plain text, one line per part."""
    return "\n".join(f"{turn['role']}: {line}" for turn in turns for line in map(_line, turn["parts"]))


def _turn(turn: Card) -> str:
    parts = "".join(map(_part, turn["parts"]))
    index, count = turn.get("siblings", (0, 1))
    aside = [turn.get("note", ""), f"{index + 1}/{count}" if count > 1 else ""]
    note = " · ".join(filter(None, aside))
    below = f'<div><small style="{_QUIET}">{_safe(note)}</small></div>' if note else ""
    return (
        f'<div style="{_TURN}"><small style="{_ROLE}">{_safe(turn["role"])}</small>'
        f'<div style="{_BODY}">{parts}{below}</div></div>'
    )


def _part(part: Card) -> str:
    if part["kind"] == "text":
        if part.get("html"):
            return "".join(part["html"])
        given = _given(part)
        return f'<pre dir="auto" style="{WORDS}">{answer_html(given, part["text"][len(given) :])}</pre>'
    if part["kind"] == "reasoning":
        words = f'<pre dir="auto" style="{WORDS}">{_safe(part["text"])}</pre>'
        return f'<details><summary style="{_QUIET}"><small>reasoning</small></summary>{words}</details>'
    return f'<pre dir="auto" style="{WORDS}; {_QUIET}">{_safe(_line(part))}</pre>'


def _given(part: Card) -> str:
    """Return the prefill of a part; its length is in JavaScript's units."""
    units: bytes = part["text"].encode("utf-16-le", "surrogatepass")[: 2 * part.get("prefill", 0)]
    return units.decode("utf-16-le", "ignore")


def _line(part: Card) -> str:
    match part["kind"]:
        case "text":
            return str(part["text"])
        case "image" | "audio" | "file":
            return f"[{part['kind']}: {part['name']}, {part['detail']}]"
        case "call":
            return f"{part['name']}({part['text']})"
        case "answers":
            return f"[answers {part['text']}]"
        case "reasoning" | "refusal":
            return f"[{part['kind']}: {part['text']}]"
    return f"[{part['name']}: {part['text']}]"


def _safe(text: str) -> str:
    return html.escape(encodable(text), quote=True)
