"""An answer as a notebook shows it: text, structure, tool calls, media and sources, and a line of numbers.

Reading only: drawing an answer that still arrives does not advance it. What a model wrote is escaped, or goes through
the one sanitiser.
"""

from __future__ import annotations

import html
from typing import Any

from ..errors import MsgfluxError
from .figures import status
from .html import WORDS, answer_html, structure_html
from .icons import icon
from .markdown import NO_MATHS, encodable, markdown_html, text_html
from .server_tools import server_tool_cards, server_tools
from .structure import Row, rows
from .tool_cards import QUIET, flags, labelled, source_list, tool_cards, wrong
from .words import answer_words, calls_words, shown_text

__all__ = ["aggregator_bundle", "answer_bundle"]

_ASIDE = f"{QUIET}; border-left: 2px solid rgba(128, 128, 128, 0.35); padding: 0 0 0 12px; margin: 4px 0"


def answer_bundle(answer: Any) -> dict[str, str]:
    """Return what a notebook displays for a response, whole or arriving: ``text/html`` and ``text/plain``."""
    snapshot = answer.snapshot
    states = [] if answer.aggregator is None else answer.aggregator.states
    media = [item.html() for item in (*snapshot.images, snapshot.audio) if item is not None]
    silent = not (snapshot.text or states or media or snapshot.refusal)
    found, problem = _structure(answer, asked=not states and (answer.generation_schema is not None or silent))
    parts = [
        _reasoning(snapshot),
        server_tool_cards(server_tools(snapshot.choices[0].fields)),
        structure_html(found) if found else _text(answer),
        *(f'<div style="margin: 4px 0">{item}</div>' for item in media),
        tool_cards(states),
        wrong(labelled("refusal", text_html(snapshot.refusal))) if snapshot.refusal else "",
        source_list(snapshot.annotations),
    ]
    if problem is not None:
        parts.append(wrong(_words(f"<b>{type(problem).__name__}</b> {html.escape(str(problem))}")))
    parts.append(flags(answer.metadata.warnings))
    parts.append(_line(answer, problem))
    return _bundle("msgflux-answer", parts, answer_words(answer, found, problem))


def _line(answer: Any, problem: MsgfluxError | None) -> str:
    """How it ended, with a mark, and the figures: one quiet line."""
    drawing, colour, word = _standing(answer, problem)
    mark = f'<span style="color: {colour}">{icon(drawing, word)}</span> ' if drawing else ""
    return f'<div>{mark}<small style="{QUIET}">{html.escape(" · ".join(status(answer)))}</small></div>'


def _standing(answer: Any, problem: MsgfluxError | None) -> tuple[str, str, str]:
    if problem is not None:
        return "cross", "var(--jp-error-color1, #d32f2f)", "failed"
    reason = answer.metadata.finish_reason
    if reason == "length":
        return "warning", "var(--jp-warn-color1, #f57c00)", "cut off"
    return ("check", "var(--jp-success-color1, #388e3c)", "complete") if reason else ("", "", "")


def aggregator_bundle(aggregator: Any) -> dict[str, str]:
    """Return what a notebook displays for a ``ToolCallAggregator``: one card for each call."""
    cards = tool_cards(aggregator.states) or f'<small style="{QUIET}">no tool calls yet</small>'
    words = calls_words(aggregator)
    return _bundle("msgflux-tool-calls", [cards], f"{words}\n{aggregator!r}" if words else "no tool calls yet")


def _bundle(name: str, parts: list[str], words: str) -> dict[str, str]:
    drawn = f'<div class="{name} {NO_MATHS}" style="line-height: 20px">{"".join(parts)}</div>'
    return {"text/html": encodable(drawn), "text/plain": shown_text(words)}


def _structure(answer: Any, *, asked: bool) -> tuple[list[Row], MsgfluxError | None]:
    """The fields of a complete structure, or why there are none, or why there is nothing at all."""
    if not asked or answer.snapshot.finish_reason is None:
        return [], None
    try:
        value = answer._whole()
        return ([] if answer.generation_schema is None else rows(answer.generation_schema, value)), None
    except MsgfluxError as error:
        return [], error


def _text(answer: Any) -> str:
    """The text as Markdown, but a structure or an answer with a prefill as it is.

    A prefill may end within a construct of Markdown, and who writes one looks at each character.
    """
    text, continuation = answer.snapshot.text, answer.snapshot.continuation
    prefill = text.removesuffix(continuation)
    if not text:
        return ""
    if prefill or answer.generation_schema is not None:
        return _words(answer_html(prefill, continuation))
    return markdown_html(text)


def _reasoning(snapshot: Any) -> str:
    if not snapshot.reasoning:
        return ""
    open_ = " open" if snapshot.finish_reason is None else ""
    title = f"<small>reasoning · {len(snapshot.reasoning):,} characters</small>"
    words = f'<div style="{_ASIDE}">{text_html(snapshot.reasoning)}</div>'
    return f'<details{open_} style="margin: 0 0 8px"><summary style="{QUIET}">{title}</summary>{words}</details>'


def _words(inner: str) -> str:
    return f'<pre style="{WORDS}">{inner}</pre>'
