"""The twin of a grid: its scores and the first rows of its matrix. Every value is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...display.icons import icon
from ...display.markdown import encodable
from ...display.states import COLOURS, word_colour

__all__ = ["grid_html", "grid_text"]

_LINE = "1px solid rgba(128, 128, 128, 0.25)"
_TABLE = "border: 0; border-collapse: collapse; font-size: 13px; margin: 8px 0 0"
_ROW = f"background: transparent; border: 0; border-top: {_LINE}"
_CELL = (
    "text-align: left; vertical-align: top; line-height: 20px; padding: 4px 16px 4px 0; max-width: 28ch; "
    "overflow-wrap: anywhere"
)
_QUIET = "opacity: .7; font-size: 12px"
_MARKS = {
    "right": ("check", "done"),
    "wrong": ("cross", "bad"),
    "partly": ("warning", "look"),
    "failed": ("warning", "bad"),
}
_WRONG = f"color: {word_colour(COLOURS['bad'])}; text-underline-offset: 3px"


def grid_html(board: dict[str, Any], heads: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> str:
    """Return the scores and some rows as HTML."""
    head = "".join(f'<th style="{_CELL}">{_head(one)}</th>' for one in heads)
    body = "".join(
        f'<tr style="{_ROW}"><td style="{_CELL}; {_QUIET}">{escape(row["label"])} {escape(row["text"])}</td>'
        f"{''.join(map(_cell, row['cells']))}</tr>"
        for row in rows
    )
    left = board["kept"] - len(rows)
    more = f'<div style="{_QUIET}">and {left:,} further rows</div>' if left > 0 else ""
    return encodable(
        f'<div><b>{escape(board["title"])}</b></div><div style="overflow: auto"><table style="{_TABLE}"><thead><tr>'
        f'<th style="{_CELL}"></th>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    )


def grid_text(board: dict[str, Any], heads: Sequence[dict[str, Any]]) -> str:
    """Return the scores as plain text, without times, which differ from run to run."""
    lines = [f"GridView · {board['title']}"]
    lines += [f"{head['prompt']} · {head['model']}: {_score(head)}" for head in heads]
    return encodable("\n".join(lines))


def _head(head: dict[str, Any]) -> str:
    model = f'<div style="{_QUIET}; font-weight: 400">{escape(head["model"])}</div>'
    return f'<b>{escape(head["prompt"])}</b>{model}<div style="font-weight: 400">{_bold(_score(head))}</div>'


def _bold(score: str) -> str:
    share, _, between = score.partition(" ")
    return f'<b style="font-size: 17px">{share}</b> <span style="{_QUIET}">{between}</span>' if "%" in share else score


def _score(head: dict[str, Any]) -> str:
    if head["score"] is None:
        return "not scored"
    return f"{head['score']:.0%} ({100 * head['low']:.0f}–{100 * head['high']:.0f})"


def _cell(cell: dict[str, Any]) -> str:
    drawing, says = _MARKS.get(cell["mark"], ("", ""))
    parts = " · ".join(
        f'<u style="{_WRONG}">{escape(text)}</u>' if wrong else escape(text) for text, wrong in cell["parts"]
    )
    mark = f'<span style="color: {COLOURS[says]}" aria-hidden="true">{icon(drawing)}</span> ' if drawing else ""
    rated = f" {icon(cell['rating'], cell['rating'])}" if cell["rating"] else ""
    return f'<td style="{_CELL}">{mark}{parts}{rated}</td>'
