"""An answer as a notebook shows it: its text, or its structure as a table, and a line of numbers.

Reading only: drawing an answer that still arrives does not advance it. Every value is escaped.
"""

from __future__ import annotations

import html
from typing import Any

from ..errors import MsgfluxError
from ._question import status
from ._structure import Row, rows

__all__ = ["answer_bundle"]

_STYLE = """
.msgflux-answer pre { white-space: pre-wrap; overflow-wrap: anywhere; background: none; padding: 0; margin: 0 0 6px;
 font-family: var(--jp-content-font-family, inherit); font-size: var(--jp-content-font-size1, inherit) }
.msgflux-answer mark { background: rgba(33, 118, 210, .18); color: inherit }
.msgflux-answer table { border-collapse: collapse; margin: 0 0 6px }
.msgflux-answer td { text-align: left; vertical-align: top; padding: 1px 12px 1px 0; white-space: pre-wrap }
.msgflux-answer small, .msgflux-answer summary { color: var(--jp-ui-font-color2, inherit) }
.msgflux-answer small { font-variant-numeric: tabular-nums }
"""


def answer_bundle(answer: Any) -> dict[str, str]:
    """Return what a notebook displays for a response, whole or arriving: ``text/html`` and ``text/plain``."""
    found, problem = _structure(answer)
    snapshot = answer.snapshot
    parts = [_folded("reasoning", snapshot.reasoning), _folded("refusal", snapshot.refusal)]
    if found:
        parts.append(f"<table><tbody>{''.join(map(_table_row, found))}</tbody></table>")
    else:
        prefill = snapshot.text.removesuffix(snapshot.continuation)
        mark = f"<mark>{html.escape(prefill)}</mark>" if prefill else ""
        parts.append(f"<pre>{mark}{html.escape(snapshot.continuation)}</pre>")
    if problem is not None:
        parts.append(f"<pre><b>{type(problem).__name__}</b> {html.escape(str(problem))}</pre>")
    parts.append(f"<small>{html.escape(' · '.join(status(answer)))}</small>")
    opening = '<div class="msgflux-answer mathjax_ignore tex2jax_ignore">'
    return {"text/html": f"{opening}<style>{_STYLE}</style>{''.join(parts)}</div>", "text/plain": repr(answer)}


def _structure(answer: Any) -> tuple[list[Row], MsgfluxError | None]:
    """The fields of a complete structure, or why there are none."""
    if answer.generation_schema is None or answer.snapshot.finish_reason is None:
        return [], None
    try:
        return rows(answer.generation_schema, answer._whole()), None
    except MsgfluxError as error:
        return [], error


def _folded(title: str, text: str | None) -> str:
    if not text:
        return ""
    return f"<details><summary>{title}</summary><pre>{html.escape(text)}</pre></details>"


def _table_row(row: Row) -> str:
    field, type_ = html.escape(row.field), html.escape(row.type)
    value = "–" if row.value is None else html.escape(row.value)
    return f"<tr><td><code>{field}</code></td><td>{value}</td><td><code>{type_}</code></td></tr>"
