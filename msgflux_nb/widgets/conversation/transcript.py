"""A conversation in a saved notebook: escaped HTML and plain text, which depend only on the content.

A very long one is not kept whole: its last turns are, and the beginning of each text.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence

from ...display.html import WORDS, answer_html
from ...display.markdown import encodable
from .parts import LONGEST, Card

__all__ = ["transcript_html", "transcript_text"]

_TURN = "display: flex; column-gap: 12px; margin: 4px 0"
_ROLE = "flex: 0 0 64px; opacity: 0.75"
_BODY = "min-width: 0; flex: 1"
_QUIET = "opacity: 0.75"
_TEXT, _TURNS = 50_000, 300_000  # characters of a text, and of all turns, since each change writes them again
_AROUND = 300  # characters of HTML around the text of a turn


def transcript_html(turns: Iterable[Card]) -> str:
    """Return turns as HTML; a model's Markdown comes from the sanitiser, everything else is escaped."""
    shown, before = _last(list(turns))
    first = f'<div style="{_QUIET}"><small>{before}</small></div>' if before else ""
    return first + "".join(map(_turn, shown))


def transcript_text(turns: Iterable[Card]) -> str:
    """Return turns as plain text, one line per part."""
    shown, before = _last(list(turns))
    lines = (f"{turn['role']}: {line}" for turn in shown for line in map(_line, turn["parts"]))
    return "\n".join([before, *lines] if before else lines)


def _last(turns: Sequence[Card]) -> tuple[list[Card], str]:
    """Return the last turns that are not too long together, at least one, and a note about those before them."""
    shown: list[Card] = []
    room = _TURNS
    for turn in reversed(turns):
        parts = list(map(_shortened, turn["parts"]))
        room -= _AROUND + sum(max(len(part["text"]), sum(map(len, part["html"]))) for part in parts)
        if room < 0 and shown:
            break
        shown.append({**turn, "parts": parts})
    before = len(turns) - len(shown)
    return shown[::-1], f"the first {before:,} of {len(turns):,} turns are not kept here" if before else ""


def _shortened(part: Card) -> Card:
    """Return a part with the beginning of its text, and with its first blocks of Markdown."""
    text, blocks = part.get("text") or "", part.get("html") or []
    left = LONGEST + part["left"] - _TEXT if "left" in part else len(text) - _TEXT
    ends = itertools.accumulate(map(len, blocks))
    kept = [block for block, end in zip(blocks, ends, strict=True) if end <= 2 * _TEXT]
    if kept and len(kept) < len(blocks):
        kept.append(f'<div style="{_QUIET}">… the rest of {left + _TEXT:,} characters is not kept here</div>')
    return {**part, "html": kept, "text": f"{text[:_TEXT]}… {left:,} more characters" if left > 0 else text}


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
    if not part.get("prefill"):
        return ""
    units: bytes = part["text"].encode("utf-16-le", "surrogatepass")[: 2 * part["prefill"]]
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
