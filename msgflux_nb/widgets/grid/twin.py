"""The twin of a grid: its scores, and the first rows of its matrix. All escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...display.markdown import encodable

__all__ = ["grid_html", "grid_text"]

_CELL = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0; max-width: 28ch; overflow-wrap: anywhere"
_QUIET = "opacity: .7; font-size: 12px"
_MARKS = {"right": ("✓", "#2e9e4f"), "wrong": ("✕", "#e5484d"), "partly": ("~", "#c07a00"), "failed": ("!", "#e5484d")}
_RATINGS = {"good": " +", "bad": " −", "": ""}


def grid_html(board: dict[str, Any], heads: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> str:
    """Draw the scores, and some rows."""
    head = "".join(f'<th style="{_CELL}">{_head(one)}</th>' for one in heads)
    body = "".join(
        f'<tr><td style="{_CELL}; {_QUIET}">{escape(row["label"])} {escape(row["text"])}</td>'
        f"{''.join(map(_cell, row['cells']))}</tr>"
        for row in rows
    )
    left = board["kept"] - len(rows)
    more = f'<div style="{_QUIET}">and {left:,} further rows</div>' if left > 0 else ""
    return encodable(
        f'<div><b>grid</b> · {escape(board["title"])}</div><div style="overflow: auto"><table><thead><tr>'
        f'<th style="{_CELL}"></th>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    )


def grid_text(board: dict[str, Any], heads: Sequence[dict[str, Any]]) -> str:
    """Write the scores as plain text; without times, which differ from run to run."""
    lines = [f"GridView · {board['title']}"]
    lines += [f"{head['prompt']} · {head['model']}: {_score(head)}" for head in heads]
    return encodable("\n".join(lines))


def _head(head: dict[str, Any]) -> str:
    return f'{escape(head["prompt"])}<div style="{_QUIET}">{escape(head["model"])}</div><div>{_score(head)}</div>'


def _score(head: dict[str, Any]) -> str:
    if head["score"] is None:
        return "not scored"
    return f"{head['score']:.0%} ({100 * head['low']:.0f}–{100 * head['high']:.0f})"


def _cell(cell: dict[str, Any]) -> str:
    shape, colour = _MARKS.get(cell["mark"], ("", ""))
    parts = " · ".join(f"<u>{escape(text)}</u>" if wrong else escape(text) for text, wrong in cell["parts"])
    mark = f'<span style="color: {colour}" aria-hidden="true">{shape}</span> ' if shape else ""
    return f'<td style="{_CELL}">{mark}{parts}{_RATINGS[cell["rating"]]}</td>'
