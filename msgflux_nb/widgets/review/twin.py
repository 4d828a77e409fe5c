"""The twin of a review: what is known by now, by field, and the row that was shown last. All escaped."""

from __future__ import annotations

from html import escape
from typing import Any

from ...display.markdown import encodable
from ...tables.reviewing.review import Review

__all__ = ["review_html", "review_text"]

_CELL = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0"
_QUIET = "opacity: .7; font-size: 12px"
_MARK = "background: rgba(25,118,210,.18); border-radius: 3px; padding: 1px 3px"
_LOOK = "color: #c07a00"
_TEXT_LIMIT = 4_000
_STATES = {"": "not decided", "accepted": "accepted", "unusable": "unusable"}


def review_html(row: dict[str, Any], status: dict[str, Any]) -> str:
    """Draw what a review has come to, and the row that was shown last."""
    parts = [f"<div><b>review</b> · {escape(status['said'])}</div>", _by_field(status)]
    if row:
        head = f"row {escape(row['label'])} · {_STATES[row['state']]}"
        parts.append(f'<div style="margin-top: 6px"><small style="{_QUIET}">{head}</small></div>')
        parts += [_text(name, pieces, several=len(row["texts"]) > 1) for name, pieces in row["texts"]]
        parts += [f'<div style="{_QUIET}">{escape(kind)} (not kept in the notebook)</div>' for kind, _ in row["media"]]
        parts.append(_fields(row["fields"]))
    return encodable("".join(parts))


def review_text(review: Review) -> str:
    """Write it as plain text."""
    lines = [f"ReviewView · {review.estimate()}"]
    if review.decided:
        lines += [f"{column.name}: {review.estimate(column.name)}" for column in review.columns]
    return encodable("\n".join(lines))


def _by_field(status: dict[str, Any]) -> str:
    rows = [
        f'<tr><td style="{_CELL}">{escape(name)}</td><td style="{_CELL}">'
        f"{'–' if share is None else f'{share:.0%}'}</td>"
        f'<td style="{_CELL}; {_QUIET}">{100 * low:.0f}–{100 * high:.0f} %</td></tr>'
        for name, share, low, high in status["fields"]
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


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
    return f'{head}<div style="white-space: pre-wrap; overflow-wrap: anywhere; max-width: 70ch">{"".join(drawn)}</div>'


def _fields(fields: list[dict[str, Any]]) -> str:
    rows = []
    for number, field in enumerate(fields, 1):
        sure = "" if field["confidence"] is None else f"{field['confidence']:.0%}"
        told = f'<span style="{_LOOK}">⚠ not in the text</span>' if field["found"] == "no" else ""
        value = "–" if field["missing"] else escape(field["value"])
        rows.append(
            f'<tr><td style="{_CELL}; {_QUIET}">{number}</td><td style="{_CELL}; {_QUIET}">{escape(field["name"])}</td>'
            f'<td style="{_CELL}">{value} {told}</td><td style="{_CELL}; {_QUIET}">{sure}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"
