"""The static twin of a widget: what a saved notebook shows where no kernel and no script run.

Every value is escaped. The markup is plain and semantic, since an untrusted notebook keeps classes and tags but loses
the style sheet. The text form is the same for the same content: no addresses, no times.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .structure import Row

__all__ = ["WORDS", "answer_html", "boxed", "structure_html"]

# Where a trusted notebook is opened without its kernel, the live output is a bare text: "Loading widget..." and then
# "model not found". Only such an output, and only directly above its twin, is hidden. An untrusted notebook drops this
# sheet, and shows an empty line in that place.
_STYLE = (
    ".jp-OutputArea-child:not(:has(> .jp-OutputArea-output > *))"
    ":has(+ .jp-OutputArea-child > .jp-OutputArea-output > .msgflux-twin) { display: none }"
)
# In attributes, because these survive in untrusted notebooks.
_BOX = "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 3px; padding: 8px 12px; line-height: 20px"
# JupyterLab breaks words in a pre anywhere.
WORDS = (
    "margin: 0; padding: 0; font-family: inherit; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"
)
_MARK = "background-color: rgba(33, 118, 210, 0.18); color: inherit"
_CELL = "text-align: left; vertical-align: top; padding: 0 12px 0 4px; white-space: pre-wrap"
_CODE = "; font-family: monospace; opacity: 0.75"


def boxed(inner: str, number: int = 0) -> str:
    """Return a twin's HTML in its box; JupyterLab is told to look for no formulas in it.

    Args:
        inner: what the twin shows.
        number: counts the twins of one widget.
    """
    opening = f'<div class="msgflux-twin mathjax_ignore tex2jax_ignore" data-kept="{number}" style="{_BOX}">'
    return f"{opening}<style>{_STYLE}</style>{inner}</div>"


def answer_html(prefill: str, continuation: str) -> str:
    """Draw an answer's text, the prefill in its tint."""
    mark = f'<mark style="{_MARK}">{escape(prefill)}</mark>' if prefill else ""
    return f"{mark}{escape(continuation)}"


def structure_html(rows: Iterable[Row]) -> str:
    """Draw a structure as a table: field, value, type."""
    return f"<table><tbody>{''.join(map(_table_row, rows))}</tbody></table>"


def _table_row(row: Row) -> str:
    cells = ((_CODE, row.field), ("", row.value or ""), (_CODE, row.type))
    return "<tr>" + "".join(f'<td style="{_CELL}{code}">{escape(text)}</td>' for code, text in cells) + "</tr>"
