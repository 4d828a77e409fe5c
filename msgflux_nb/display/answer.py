"""Draws an answer for a notebook: text, structure, tool calls, media and sources, and a line of figures.

Drawing only reads: it does not advance an answer that still arrives. A model's text is escaped or sanitised. There is
no script. If the drawing differs from the raw text, the raw text can be opened below the line of figures, where one
click selects all of it.
"""

from __future__ import annotations

import html
import re
from typing import Any

from ..errors import MsgfluxError
from .figures import cut_at, status
from .html import CARD, WORDS, answer_html, card_html, marked, structure_html
from .icons import icon
from .markdown import NO_MATHS, encodable, markdown_html, text_html
from .problems import happened, told
from .server_tools import server_tool_cards, server_tools
from .structure import StructureRow, rows, type_name
from .tool_cards import LOWER, QUIET, flags, labelled, source_list, tool_cards, wrong
from .words import answer_words, calls_words, shown_text

__all__ = ["aggregator_bundle", "answer_bundle"]

_ASIDE = f"{QUIET}; border-left: 2px solid rgba(128, 128, 128, 0.35); padding: 0 0 0 12px; margin: 4px 0 8px"
_READ = "max-width: 76ch; font-size: 14px; line-height: 1.6"
_LINE = (
    "display: flex; flex-wrap: wrap; align-items: center; gap: 0 14px; font-size: 12px; line-height: 24px; "
    "margin: 6px 0 0"
)
_RAW = (
    f"{WORDS}; font-family: monospace; font-size: 12px; line-height: 1.5; padding: 8px 12px; margin: 4px 0; "
    "max-height: 320px; overflow: auto; background: rgba(128, 128, 128, 0.08); border-radius: 5px; user-select: all"
)
_RAW_LIMIT = 20_000  # characters
_A_MOMENT = 0.05  # seconds of thought that are said
_FIGURE = re.compile(r"[\d,–]+ in · [\d,–]+ out|first word after [\d,.]+ s|[\d,.]+ s")
_PLAIN = re.compile(r"[^\W\d_][\w ,.;:?'’()–-]*")  # words without a meaning in Markdown at the beginning of a line
_NUMBER = re.compile(r"([\d,.]+(?: s)?)")
_FOLD = (
    "display: flex; align-items: center; gap: 3px; margin-left: -4px; cursor: pointer; list-style: none; "
    "font-size: 12px"
)
# Styles that attributes cannot express. An untrusted notebook drops this sheet; the answer is readable without it.
_SHEET = (
    "<style>"
    ".msgflux-answer details[open] > summary > .mf-i:first-child { rotate: 90deg }"
    ".msgflux-answer.msgflux-answer .msgflux-markdown > :first-child { margin-top: 0 }"
    ".msgflux-answer.msgflux-answer .msgflux-markdown > :last-child { margin-bottom: 0 }"
    ".msgflux-answer.msgflux-answer .msgflux-markdown :is(p, ul, ol, blockquote) { margin-block: 8px }"
    ".msgflux-answer.msgflux-answer .msgflux-markdown :is(ul, ol) { padding-inline-start: 18px }"
    ".msgflux-answer.msgflux-answer .msgflux-markdown li > :is(p, ul, ol) { margin-block: 0 }"
    ".msgflux-answer.msgflux-answer :not(pre) > code "
    "{ background: rgba(128, 128, 128, 0.16); border-radius: 3px; font-size: 0.93em; padding: 1px 3px }"
    "</style>"
)
_STRONG = "font-weight: 600"
_TITLE = f"{_STRONG}; font-size: 13px"
_SENTENCE = f"{WORDS}; font-size: 13px; max-width: 74ch"
_WRONG = "display: flex; gap: 10px; margin: 8px 0; max-width: 760px; padding: 12px"
_SAID = ("stop", "length", "tool_calls")  # finish reasons that the state tells in words


def answer_bundle(answer: Any) -> dict[str, str]:
    """Return what a notebook displays for a response, whole or arriving: ``text/html`` and ``text/plain``."""
    snapshot = answer.snapshot
    states = [] if answer.aggregator is None else answer.aggregator.states
    media = [item.html() for item in (*snapshot.images, snapshot.audio) if item is not None]
    silent = not (snapshot.text or states or media or snapshot.refusal)
    found, problem = _structure(answer, asked=not states and (answer.generation_schema is not None or silent))
    drawn = _fields(answer, found) if found else _text(answer)
    parts = [
        _reasoning(answer),
        server_tool_cards(server_tools(snapshot.choices[0].fields)),
        drawn,
        *(f'<div style="margin: 4px 0">{item}</div>' for item in media),
        tool_cards(states),
        wrong(labelled("refusal", text_html(snapshot.refusal))) if snapshot.refusal else "",
        source_list(snapshot.annotations),
    ]
    if problem is None and snapshot.finish_reason is None and getattr(answer, "failed", None):
        problem = answer.failed  # it broke off
    if problem is not None:
        parts.append(_problem(problem, answer))
    parts.append(flags(answer.metadata.warnings))
    raw = snapshot.text if found or _read(drawn) != _read(html.escape(snapshot.text)) else ""
    parts.append(_line(answer, problem, raw, fits=bool(found)))
    return _bundle("msgflux-answer", parts, answer_words(answer, found, problem))


def _line(answer: Any, problem: MsgfluxError | None, raw: str = "", *, fits: bool = False) -> str:
    """Draw the line of figures, with how the answer ended; it opens the raw text."""
    drawing, colour, word = _ending(answer, problem, fits=fits)
    mark = (
        f'<span><span style="color: {colour}; {LOWER}">{icon(drawing)}</span>&nbsp; {html.escape(word)}</span> '
        if drawing
        else ""
    )
    ended = answer.metadata.finish_reason
    method = answer.metadata.schema_method  # said with the raw text
    told = [one for one in status(answer) if one != method]
    figures = [one for one in told if not (drawing and (one == "–" or (one == ended and one in _SAID)))]
    line = f"{mark}{' '.join(map(_figure, figures))}"
    if not raw:
        return f'<div style="{_LINE}">{line}</div>'
    drawn = f'<span style="{LOWER}">{icon("code")}</span>'
    opens = f'<span style="margin-left: auto; white-space: nowrap; {QUIET}">{drawn}&nbsp; raw</span>'
    summary = f'<summary style="{_LINE}; cursor: pointer">{line} {opens}</summary>'
    return f"<details>{summary}{_asked(method)}{_raw(raw)}</details>"


def _figure(words: str) -> str:
    """Draw one figure, its numbers stronger than its unit."""
    if not _FIGURE.fullmatch(words):
        return f'<span style="{QUIET}">{html.escape(words)}</span>'
    pieces = _NUMBER.split(words)  # units and numbers in turn
    drawn = [
        f'<b style="font-weight: 600">{piece}</b>'
        if place % 2
        else f'<span style="{QUIET}">{html.escape(piece)}</span>'
        for place, piece in enumerate(pieces)
        if piece
    ]
    return f"<span>{''.join(drawn)}</span>"


def _asked(method: str | None) -> str:
    """Say how a structure was asked for."""
    return f'<small style="{QUIET}">asked for by {html.escape(method)}</small>' if method else ""


def _raw(text: str) -> str:
    """Draw the raw text; one click selects all of it."""
    left = len(text) - _RAW_LIMIT
    more = f'<small style="{QUIET}">… {left:,} more characters</small>' if left > 0 else ""
    return f'<pre style="{_RAW}">{html.escape(text[:_RAW_LIMIT])}</pre>{more}'


def _problem(problem: MsgfluxError, answer: Any) -> str:
    """Draw a problem as a card: what happened, its message, what to do, and what a report of it needs, folded."""
    name, said, metadata = type(problem).__name__, str(problem), answer.metadata
    facts = {"provider": metadata.provider, "model": metadata.model, "wire": metadata.wire, "answer": metadata.id}
    facts |= {"ended": metadata.raw_finish_reason or metadata.finish_reason, "requests": metadata.attempts}
    known = [f"{name}: {said}", *(f"{key}: {value}" for key, value in facts.items() if value is not None)]
    cross = f'<div style="color: var(--jp-error-color1, #d32f2f); flex: none">{icon("cross")}</div>'
    title, remedy = told(problem, answer)
    what = f'<p style="{_SENTENCE}; margin: 4px 0 0">{html.escape(happened(problem, answer))}</p>'
    do = f'<p style="{_SENTENCE}; margin: 4px 0 0"><b style="{_STRONG}">Try</b> {remedy}</p>' if remedy else ""
    report = _folded("details for a report", f'<pre style="{_RAW}">{html.escape(chr(10).join(known))}</pre>')
    return (
        f'<div style="{CARD}; {_WRONG}">{cross}<div style="min-width: 0; flex: 1">'
        f'<b style="{_TITLE}">{html.escape(title)}</b>{what}{do}'
        f'<div style="margin: 6px 0 0">{report}</div></div></div>'
    )


def _folded(title: str, inner: str, *, opened: bool = False) -> str:
    """Draw a part that opens below its title; the arrow before the title then points down."""
    shown = " open" if opened else ""
    return f'<details{shown}><summary style="{_FOLD}; {QUIET}">{icon("right")}{title}</summary>{inner}</details>'


def _ending(answer: Any, problem: MsgfluxError | None, *, fits: bool) -> tuple[str, str, str]:
    if problem is not None:
        return "cross", "var(--jp-error-color1, #d32f2f)", "failed"
    reason = answer.metadata.finish_reason
    if reason == "length":
        tokens = cut_at(answer)
        word = "cut off" if tokens is True else f"cut at {tokens:,} tokens"
        return "warning", "var(--jp-warn-color1, #f57c00)", word
    if not reason:
        return "", "", ""
    calls = 0 if answer.aggregator is None else len(answer.aggregator.states)
    if calls:
        waits = "" if answer.aggregator.results else "; nothing has run"
        return "tools", "inherit", f"asks for {calls:,} call{'' if calls == 1 else 's'}{waits}"
    fit = f", fits {type_name(answer.generation_schema)}" if fits else ""
    return "check", "var(--jp-success-color1, #388e3c)", f"complete{fit}"


def aggregator_bundle(aggregator: Any) -> dict[str, str]:
    """Return what a notebook displays for a ``ToolCallAggregator``: one card for each call."""
    cards = tool_cards(aggregator.states) or f'<small style="{QUIET}">no tool calls yet</small>'
    words = calls_words(aggregator)
    return _bundle("msgflux-tool-calls", [cards], f"{words}\n{aggregator!r}" if words else "no tool calls yet")


def _bundle(name: str, parts: list[str], words: str) -> dict[str, str]:
    inner = "".join(parts)
    sheet = _SHEET if "<details" in inner or "msgflux-markdown" in inner else ""
    drawn = f'<div class="{name} {NO_MATHS}" dir="ltr" style="line-height: 20px">{sheet}{inner}</div>'
    return {"text/html": encodable(drawn), "text/plain": shown_text(words)}


def _structure(answer: Any, *, asked: bool) -> tuple[list[StructureRow], MsgfluxError | None]:
    """Return the fields of a complete structure, or an empty list and, if there is one, the problem."""
    if not asked or answer.snapshot.finish_reason is None:
        return [], None
    try:
        value = answer.decoded()
        return ([] if answer.generation_schema is None else rows(answer.generation_schema, value)), None
    except MsgfluxError as error:
        return [], error


def _fields(answer: Any, found: list[StructureRow]) -> str:
    head = f'<b style="{_TITLE}">{html.escape(type_name(answer.generation_schema))}</b>'
    return f'<div style="margin: 4px 0">{card_html(head, structure_html(found))}</div>'


def _read(markup: str) -> str:
    """Return the text of some markup, as a person reads it."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def _text(answer: Any) -> str:
    """Draw the text as Markdown; a structure, or an answer whose prefill is not plain words, as it is.

    Such a prefill may end inside a Markdown construct, and its author wants to see each character.
    """
    text, continuation = answer.snapshot.text, answer.snapshot.continuation
    prefill = text.removesuffix(continuation)
    if not text:
        return ""
    drawn = _begun(prefill, text) if answer.generation_schema is None else ""
    return f'<div style="{_READ}">{drawn or _words(answer_html(prefill, continuation))}</div>'


def _begun(prefill: str, text: str) -> str:
    """Draw a text as Markdown with its prefill tinted; "" if the prefill is not plain words."""
    drawn = markdown_html(text)
    if not prefill:
        return drawn
    opening, paragraph, rest = drawn.partition('<p dir="auto">')
    if not _PLAIN.fullmatch(prefill) or not rest.startswith(prefill) or opening.count("<") != 1:
        return ""
    return f"{opening}{paragraph}{marked(prefill)}{rest.removeprefix(prefill)}"


def _reasoning(answer: Any) -> str:
    snapshot = answer.snapshot
    if not snapshot.reasoning:
        return ""
    tokens = getattr(answer.metadata.usage, "reasoning", None)
    seconds = getattr(answer.metadata, "seconds_of_thought", None) or 0
    size = f"{len(snapshot.reasoning):,} characters" if tokens is None else f"{tokens:,} tokens"
    thought = f"thought for {seconds:,.1f} s, {size}" if seconds >= _A_MOMENT else f"thought · {size}"
    words = f'<div style="{_ASIDE}">{text_html(snapshot.reasoning)}</div>'
    opened = snapshot.finish_reason is None
    return f'<div style="margin: 0 0 6px">{_folded(thought, words, opened=opened)}</div>'


def _words(inner: str) -> str:
    return f'<pre dir="auto" style="{WORDS}">{inner}</pre>'
