"""Draws an explained row for a notebook: how it ended, the request, the answer. Every value is escaped."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from .markdown import NO_MATHS, encodable, text_html
from .tool_cards import QUIET, flags, wrong
from .words import shown_text

__all__ = ["explanation_bundle"]

_LIMIT = 20_000  # characters of one text that are shown
_SCROLLS = "max-height: 320px; overflow: auto"  # a long document scrolls in its own box
_ROLE = f"{QUIET}; padding: 2px 12px 2px 0; text-align: left; vertical-align: top; white-space: nowrap"
_CELL = "padding: 2px 0; text-align: left; vertical-align: top"
_PLAIN = "background: transparent; border: 0"  # no stripes, since these are turns of one conversation
_JSON = (
    f"margin: 4px 0; padding: 0; {_SCROLLS}; font-family: monospace; white-space: pre-wrap; "
    "word-break: normal; overflow-wrap: anywhere"
)


def explanation_bundle(explanation: Any) -> dict[str, str]:
    """Return what a notebook displays for an explained row: ``text/html`` and ``text/plain``."""
    heading = f"<b>row {escape(repr(explanation.row))}</b> · {escape(str(explanation.state))}"
    quiet = " · ".join(filter(None, [explanation.model, explanation.bill, f"run {explanation.run}"]))
    parts = [
        f"<div>{heading}</div>",
        f'<div><small style="{QUIET}">{escape(quiet)}</small></div>',
        wrong(text_html(_cut(explanation.error))) if explanation.error else "",
        flags([explanation.warnings]) if explanation.warnings else "",
        f'<div><small style="{QUIET}">{escape(explanation.note)}</small></div>' if explanation.note else "",
        _turns(explanation),
        _folded("request", explanation.request),
        _folded("raw answer", _value(explanation.answer)),
    ]
    drawn = f'<div class="msgflux-row {NO_MATHS}" style="line-height: 20px">{"".join(parts)}</div>'
    return {"text/html": encodable(drawn), "text/plain": shown_text(str(explanation))}


def _turns(explanation: Any) -> str:
    turns = [*explanation.turns, *([("answer", explanation.text)] if explanation.text else [])]
    rows = "".join(
        f'<tr style="{_PLAIN}"><td style="{_ROLE}">{escape(role)}</td>'
        f'<td style="{_CELL}"><div style="{_SCROLLS}">{text_html(_cut(text))}</div></td></tr>'
        for role, text in turns
    )
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""


def _folded(title: str, value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    shown = f'<pre style="{_JSON}">{escape(_cut(text))}</pre>'
    return f'<details><summary style="{QUIET}"><small>{title}</small></summary>{shown}</details>'


def _value(answer: str | None) -> Any:
    """Return an answer as a JSON value if it is JSON, else as text."""
    try:
        return None if answer is None else json.loads(answer)
    except (ValueError, RecursionError):
        return answer


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}… {len(text) - _LIMIT:,} more characters"
