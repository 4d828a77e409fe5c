"""The twin of a review: the estimates by field, and the last row. Every value is escaped."""

from __future__ import annotations

from html import escape
from typing import Any

from ...display.icons import icon
from ...display.markdown import encodable
from ...display.states import COLOURS, word_colour
from ...tables.reviewing.review import Review

__all__ = ["review_html", "review_text"]

_LINE = "1px solid rgba(128, 128, 128, 0.25)"
_TABLE = "border: 0; border-collapse: collapse; font-size: 13px; margin: 0; width: 100%"
_ROW = "background: transparent; border: 0"
_UNDER = f"{_ROW}; border-top: {_LINE}"
_CELL = "text-align: left; vertical-align: baseline; line-height: 20px; padding: 5px 12px 5px 0"
_END = f"{_CELL}; padding-right: 0; text-align: right; white-space: nowrap; width: 1%"
_PANES = (
    "display: grid; gap: 16px 32px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); "
    "align-items: start; margin-top: 8px"
)
_QUIET = "opacity: .7; font-size: 12px"
_READ = "font-size: 14px; line-height: 1.6; max-width: 70ch; overflow-wrap: anywhere; white-space: pre-wrap"
_MARK = "background: rgba(25,118,210,.18); border-radius: 3px; padding: 1px 3px"
_LOOK = f"color: {word_colour(COLOURS['look'])}; font-size: 12px; white-space: nowrap"
_TEXT_LIMIT = 4_000
_STATES = {"": "not decided", "accepted": "accepted", "unusable": "unusable"}


def review_html(row: dict[str, Any], status: dict[str, Any]) -> str:
    """Return the estimates and the last row as HTML."""
    parts = [f'<div><b>Review</b> <span style="{_QUIET}">{escape(status["said"])}</span></div>']
    if not row:
        return encodable("".join([*parts, _by_field(status)]))
    head = f"{escape(row['label'])} · {_STATES[row['state']]}"
    read = [f'<div style="{_QUIET}">{head}</div>']
    read += [_text(name, pieces, several=len(row["texts"]) > 1) for name, pieces in row["texts"]]
    read += [f'<div style="{_QUIET}">{escape(kind)} (not kept in the notebook)</div>' for kind, _ in row["media"]]
    record = f"{_fields(row['fields'])}{_by_field(status)}"
    parts.append(f'<div style="{_PANES}"><div>{"".join(read)}</div><div>{record}</div></div>')
    return encodable("".join(parts))


def review_text(review: Review) -> str:
    """Return the estimates as plain text."""
    lines = [f"ReviewView · {review.estimate()}"]
    if review.decided:
        lines += [f"{column.name}: {review.estimate(column.name)}" for column in review.columns]
    return encodable("\n".join(lines))


def _by_field(status: dict[str, Any]) -> str:
    rows = [
        f'<tr style="{_UNDER if number else _ROW}"><td style="{_CELL}; {_QUIET}">{escape(name)}</td>'
        f'<td style="{_END}">{"–" if share is None else f"{share:.0%}"}</td>'
        f'<td style="{_END}; {_QUIET}; padding-left: 16px">{100 * low:.0f}–{100 * high:.0f} %</td></tr>'
        for number, (name, share, low, high) in enumerate(status["fields"])
    ]
    head = f'<div style="{_QUIET}; margin: 12px 0 4px">right so far, by field</div>'
    return f'{head}<table style="{_TABLE}">{"".join(rows)}</table>' if rows else ""


def _text(name: str, pieces: list[list[Any]], *, several: bool) -> str:
    left, drawn = _TEXT_LIMIT, []
    for text, numbers in pieces:
        shown, left = text[:left], left - len(text)
        marks = f"<sup>{'·'.join(map(str, numbers))}</sup>" if numbers else ""
        drawn.append(f'<span style="{_MARK}">{marks}{escape(shown)}</span>' if numbers else escape(shown))
        if left <= 0:
            drawn.append("…")
            break
    head = f'<small style="{_QUIET}">{escape(name)}</small>' if several else ""
    return f'{head}<div style="{_READ}">{"".join(drawn)}</div>'


def _fields(fields: list[dict[str, Any]]) -> str:
    rows = []
    for number, field in enumerate(fields, 1):
        sure = "" if field["confidence"] is None else f"{field['confidence']:.0%}"
        told = f'<span style="{_LOOK}">{icon("warning")} not in the text</span>' if field["found"] == "no" else ""
        value = "–" if field["missing"] else escape(field["value"])
        rows.append(
            f'<tr style="{_UNDER if number > 1 else _ROW}"><td style="{_CELL}; {_QUIET}; width: 1%">{number}</td>'
            f'<td style="{_CELL}; {_QUIET}; width: 1%">{escape(field["name"])}</td>'
            f'<td style="{_CELL}; font-size: 14px; overflow-wrap: anywhere">{value} {told}</td>'
            f'<td style="{_END}; {_QUIET}">{sure}</td></tr>'
        )
    return f'<table style="{_TABLE}">{"".join(rows)}</table>'
