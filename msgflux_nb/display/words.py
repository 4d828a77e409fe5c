"""Writes an answer as plain text, for a terminal, LaTeX and PDF.

The text has neither times nor memory addresses, so equal answers have equal texts. No control character of a model's
text reaches the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import MsgfluxError, printable
from .markdown import encodable
from .server_tools import server_tool_words, server_tools
from .states import CALLS
from .structure import StructureRow

__all__ = ["answer_words", "calls_words", "shown_text"]

_LIMIT = 2_000  # characters of one call's arguments or result
_CALLS, _SOURCES = 40, 50


def answer_words(answer: Any, found: Sequence[StructureRow], problem: MsgfluxError | None) -> str:
    """Return an answer's plain text, with its ``repr`` as the last line.

    Args:
        answer: a response in any state.
        found: the fields of its structure; empty if it has no complete one.
        problem: why it has none, or None.
    """
    snapshot = answer.snapshot
    parts: list[str] = []
    if snapshot.reasoning:
        parts.append(f"[reasoning: {len(snapshot.reasoning):,} characters]")
    parts += server_tool_words(server_tools(snapshot.choices[0].fields))
    parts.append(_fields(found) if found else snapshot.text)
    parts += [_medium(item) for item in (*snapshot.images, snapshot.audio) if item is not None]
    parts += [] if answer.aggregator is None else [calls_words(answer.aggregator)]
    parts += [f"refusal: {snapshot.refusal}"] if snapshot.refusal else []
    parts += _sources(snapshot.annotations)
    parts += [f"{type(problem).__name__}: {problem}"] if problem is not None else []
    parts += [f"warning: {sentence}" for sentence in answer.metadata.warnings]
    return shown_text("\n".join([*filter(None, parts), repr(answer)]))


def calls_words(aggregator: Any) -> str:
    """Return one line for each call, with its result below it if there is one."""
    states, results = aggregator.states, getattr(aggregator, "results", {})
    lines = [line for state in states[:_CALLS] for line in _call(state, results)]
    left = len(states) - _CALLS
    return shown_text("\n".join([*lines, *([f"{left:,} more calls"] if left > 0 else [])]))


def shown_text(text: str) -> str:
    """Return text that is safe to send to a page and to print on a terminal."""
    return printable(encodable(text))


def _fields(found: Iterable[StructureRow]) -> str:
    return "\n".join(f"{row.field}: {'–' if row.value is None else row.value}" for row in found)


def _medium(item: Any) -> str:
    words = getattr(item, "transcript", None)
    return f"[{item!r}]" + (f"\n{words}" if words else "")


def _call(state: Any, results: dict[str, Any]) -> list[str]:
    word = "repaired" if state.status == "complete" and state.repaired else state.status
    mark = "" if word == "complete" else f" [{word}]"
    lines = [f"{state.name or '…'}({_cut(_arguments(state))}){mark}"]
    lines += [f"  {CALLS['invalid'].sign} {_cut(state.error)}"] if state.error else []
    if state.id in results:
        lines.append(f"  → {_cut(_result(results[state.id]))}")
    return lines


def _arguments(state: Any) -> str:
    if state.status == "invalid" or not isinstance(state.partial, dict):
        return str(state.raw)
    try:
        return ", ".join(f"{name}={value!r}" for name, value in state.partial.items())
    except (ValueError, RecursionError):  # a number with thousands of digits, or JSON a thousand levels deep
        return str(state.raw)


def _result(result: Any) -> str:
    if isinstance(result, str):
        return result
    try:
        return json.dumps(result, ensure_ascii=False, default=str)
    except Exception:  # a result may be any object, whose __str__ may fail
        return f"<{type(result).__name__}>"


def _sources(annotations: Sequence[Any]) -> list[str]:
    found: list[str] = []
    for annotation in annotations[:_SOURCES]:
        body = annotation
        if isinstance(annotation, dict) and isinstance(annotation.get(str(annotation.get("type"))), dict):
            body = annotation[annotation["type"]]
        url, title = (body.get("url"), body.get("title")) if isinstance(body, dict) else (None, None)
        if isinstance(url, str) and url:
            name = title if isinstance(title, str) and title.strip() else _host(url)
            found.append(f"[{len(found) + 1}] {name} {url}")
    return found


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}… {len(text) - _LIMIT:,} more characters"
