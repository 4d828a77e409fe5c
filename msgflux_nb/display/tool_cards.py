"""Draws an answer's tool calls and sources. Every value is escaped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from .html import CODE, card_html, structure_html
from .icons import icon
from .markdown import link_html
from .states import CALLS, COLOURS, word_colour
from .structure import StructureRow
from .values import readable

__all__ = [
    "CARD_GRID",
    "LINE",
    "LOWER",
    "QUIET",
    "bounded",
    "flags",
    "labelled",
    "source_list",
    "tool_card",
    "tool_cards",
    "wrong",
]

QUIET = "opacity: 0.75"
LINE = "border-top: 1px solid rgba(128, 128, 128, 0.35); padding: 4px 0"
CARD_GRID = (
    "display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr)); "
    "align-items: stretch; max-width: 800px; margin: 4px 0"
)
"""The style of cards side by side, as many as fit."""
_APART = "margin-right: 8px"
LOWER = "position: relative; top: 1px"
"""The style of an icon before words: its middle is theirs."""
_JSON = (
    "margin: 8px 0; padding: 0; max-height: 240px; overflow: auto; white-space: pre-wrap; word-break: normal; "
    "overflow-wrap: anywhere"
)
_LIMIT = 2_000  # characters of arguments
_TABLE_ROWS = 12
_CARDS = 40
_SOURCES = 50
_NAME = 120


def tool_cards(states: Sequence[Any]) -> str:
    """Draw one card for each call: its name, id, state and arguments, and what is wrong with it."""
    left = len(states) - _CARDS
    more = f'<div style="{LINE}"><small>{left:,} more calls</small></div>' if left > 0 else ""
    cards = "".join(map(tool_card, states[:_CARDS]))
    return f'<div style="{CARD_GRID}">{cards}</div>{more}' if cards else ""


def source_list(annotations: Sequence[Any]) -> str:
    """Draw the sources of an answer as a numbered list of links, each with its host."""
    if not annotations:
        return ""
    items = "".join(f"<li>{_source(annotation)}</li>" for annotation in annotations[:_SOURCES])
    left = len(annotations) - _SOURCES
    more = f"<small>{left:,} more sources</small>" if left > 0 else ""
    return labelled("sources", f'<ol style="margin: 0">{items}</ol>{more}')


def labelled(label: str, inner: str) -> str:
    """Draw a part below its label."""
    return f'<div style="margin: 4px 0"><small style="{QUIET}">{label}</small>{inner}</div>'


def wrong(inner: str) -> str:
    """Draw a problem, marked as such."""
    return f'<div style="border-left: 3px solid {COLOURS["bad"]}; padding: 0 0 0 8px; margin: 6px 0">{inner}</div>'


def flags(sentences: Sequence[str]) -> str:
    """Draw warnings, each with a mark."""
    colour = COLOURS["look"]
    return "".join(
        f'<div><small><span style="color: {colour}; {LOWER}">{icon("warning")}</span> {escape(sentence)}</small></div>'
        for sentence in sentences
    )


def tool_card(state: Any) -> str:
    """Draw one call."""
    word = "repaired" if state.status == "complete" and state.repaired else state.status
    head = (
        f'<span style="{_APART}; {LOWER}">{icon("tools")}</span>'
        f'<b style="{CODE}; font-size: 13px; {_APART}" title="{escape(_cut(state.id, _NAME))}">'
        f"{escape(_cut(state.name, _NAME)) or '…'}</b>"
        f"{'' if word == 'complete' else _state_html(word)}"
    )
    error = wrong(escape(_cut(state.error, _LIMIT))) if state.error else ""
    return card_html(head, f"{_arguments(state)}{error}")


def _state_html(word: str) -> str:
    """Draw a state at the end of a card's head."""
    says = CALLS[word]
    mark = icon(says.icon) if says.icon else says.sign
    return (
        f'<span style="float: right; font-size: 13px; color: {word_colour(says.colour)}">'
        f'<span style="color: {says.colour}; {LOWER}">{mark}</span> {word}</span>'
    )


def _arguments(state: Any) -> str:
    if state.status == "invalid":
        return bounded(state.raw)
    if not state.partial:
        return (
            f'<p style="{QUIET}; margin: 6px 0"><small>no arguments</small></p>' if state.status == "complete" else ""
        )
    rows = _rows(state.partial)
    if rows:
        return structure_html(rows)
    try:
        return bounded(json.dumps(state.partial, indent=2, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):  # a number with thousands of digits, or JSON a thousand levels deep
        return bounded(state.raw)


def _rows(arguments: Any) -> list[StructureRow]:
    """Return the arguments as rows if they are few and plain, else an empty list."""
    if not isinstance(arguments, dict) or len(arguments) > _TABLE_ROWS:
        return []
    if not all(map(_is_plain, arguments.values())):
        return []
    try:
        rows = [
            StructureRow(name, readable(value), "None" if value is None else type(value).__name__)
            for name, value in arguments.items()
        ]
    except ValueError:  # a number of thousands of digits
        return []
    return rows if sum(len(row.field) + len(row.value or "") for row in rows) <= _LIMIT else []


def _is_plain(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, str | int | float) for item in items)


def bounded(text: str) -> str:
    """Draw plain text, only the beginning of a long one; empty for an empty text."""
    left = len(text) - _LIMIT
    more = f'<small style="{QUIET}">… {left:,} more characters</small>' if left > 0 else ""
    return f'<pre style="{_JSON}">{escape(text[:_LIMIT])}</pre>{more}' if text else ""


def _source(annotation: Any) -> str:
    body = annotation
    if isinstance(annotation, dict) and isinstance(annotation.get(str(annotation.get("type"))), dict):
        body = annotation[annotation["type"]]
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str) or not url:
        return escape(_cut(_json(annotation), 4 * _NAME))
    title = body.get("title")
    return link_html(_cut(title, _NAME) if isinstance(title, str) and title.strip() else _host(url), url)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
