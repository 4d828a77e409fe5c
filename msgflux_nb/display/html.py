"""Static HTML for the twins of widgets: what a saved notebook shows without a kernel and without scripts.

Every value is escaped. The markup is plain and semantic, since an untrusted notebook keeps classes and tags but drops
the style sheet. Equal content gives equal text: no memory addresses, no times.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .structure import StructureRow

__all__ = ["CARD", "CODE", "WORDS", "answer_html", "boxed", "card_html", "marked", "structure_html"]

# In a trusted notebook without its kernel, the live output is only a text: "Loading widget..." and then "model not
# found". Such an output is hidden if it is directly above its twin. An untrusted notebook drops this style sheet, and
# shows an empty line there.
_STYLE = (
    ".jp-OutputArea-child:not(:has(> .jp-OutputArea-output > *))"
    ":has(+ .jp-OutputArea-child > .jp-OutputArea-output > .msgflux-twin) { display: none }"
)
# Styles are in attributes, which survive in untrusted notebooks.
_BOX = "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 8px; padding: 10px 16px; line-height: 20px"
# JupyterLab breaks words in a pre anywhere.
WORDS = (
    "margin: 0; padding: 0; font-family: inherit; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"
)
CODE = "font-family: var(--jp-code-font-family, monospace)"
_MARK = (
    "background-color: rgba(33, 118, 210, 0.22); border-radius: 3px; padding: 1px 3px; color: inherit; "
    "forced-color-adjust: preserve-parent-color"
)
_LINE = "1px solid rgba(128, 128, 128, 0.25)"
# JupyterLab centres tables, and stripes their rows.
_TABLE = "margin: 0; width: 100%; border-collapse: collapse; table-layout: auto; font-size: 13px"
_ROW = "background: transparent; border: 0"
_UNDER = f"{_ROW}; border-top: {_LINE}"
_CELL = "text-align: left; vertical-align: baseline; line-height: 20px; padding: 6px 12px 5px 0"
_NAME = f"{_CELL}; opacity: 0.75; white-space: nowrap; width: 1%"
_VALUE = f"{_CELL}; font-size: 14px; white-space: pre-wrap; overflow-wrap: anywhere"
_TYPE = f"{_NAME}; text-align: right; padding-right: 0; font-size: 11px"
CARD = (
    "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 8px; box-sizing: border-box; max-width: 600px; "
    "overflow: hidden"
)
_HEAD = f"border-bottom: {_LINE}; padding: 7px 12px"


def boxed(inner: str, number: int = 0) -> str:
    """Return a twin's HTML in its box; JupyterLab is told not to look for formulas in it.

    Args:
        inner: the twin's HTML.
        number: the number of the twin among those of its widget.
    """
    opening = f'<div class="msgflux-twin mathjax_ignore tex2jax_ignore" data-kept="{number}" dir="ltr" style="{_BOX}">'
    return f"{opening}<style>{_STYLE}</style>{inner}</div>"


def answer_html(prefill: str, continuation: str) -> str:
    """Draw an answer's text, with the prefill tinted."""
    return f"{marked(prefill)}{escape(continuation)}"


def marked(prefill: str) -> str:
    """Draw a prefill, tinted."""
    return f'<mark style="{_MARK}">{escape(prefill)}</mark>' if prefill else ""


def structure_html(rows: Iterable[StructureRow]) -> str:
    """Draw a structure as a table: field, value, type."""
    drawn = "".join(_table_row(row, _UNDER if number else _ROW) for number, row in enumerate(rows))
    return f'<table style="{_TABLE}"><tbody>{drawn}</tbody></table>'


def card_html(head: str, inner: str) -> str:
    """Draw a card: its head, and its content below a hairline."""
    body = f'<div style="padding: 3px 12px">{inner}</div>' if inner else ""
    return f'<div style="{CARD}"><div style="{_HEAD}">{head}</div>{body}</div>'


def _table_row(row: StructureRow, style: str) -> str:
    cells = ((_NAME, "", row.field), (_VALUE, ' dir="auto"', row.value or ""), (_TYPE, "", row.type))
    drawn = "".join(f'<td{more} style="{look}">{escape(text)}</td>' for look, more, text in cells)
    return f'<tr style="{style}">{drawn}</tr>'
