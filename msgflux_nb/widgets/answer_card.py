"""An answer as a notebook shows it: its text, or its structure as a table, and a line of numbers.

Reading only: drawing an answer that still arrives does not advance it. Every value is escaped.
"""

from __future__ import annotations

import html
from typing import Any

from ..errors import MsgfluxError
from ._question import status
from ._structure import Row, rows
from ._twin import WORDS, answer_html, structure_html

__all__ = ["answer_bundle"]


def answer_bundle(answer: Any) -> dict[str, str]:
    """Return what a notebook displays for a response, whole or arriving: ``text/html`` and ``text/plain``."""
    found, problem = _structure(answer)
    snapshot = answer.snapshot
    parts = [_folded("reasoning", snapshot.reasoning), _folded("refusal", snapshot.refusal)]
    if found:
        parts.append(structure_html(found))
    else:
        prefill = snapshot.text.removesuffix(snapshot.continuation)
        parts.append(_words(answer_html(prefill, snapshot.continuation)))
    if problem is not None:
        parts.append(_words(f"<b>{type(problem).__name__}</b> {html.escape(str(problem))}"))
    parts.append(f'<small style="opacity: 0.75">{html.escape(" · ".join(status(answer)))}</small>')
    opening = '<div class="msgflux-answer mathjax_ignore tex2jax_ignore">'
    return {"text/html": f"{opening}{''.join(parts)}</div>", "text/plain": repr(answer)}


def _structure(answer: Any) -> tuple[list[Row], MsgfluxError | None]:
    """The fields of a complete structure, or why there are none."""
    if answer.generation_schema is None or answer.snapshot.finish_reason is None:
        return [], None
    try:
        return rows(answer.generation_schema, answer._whole()), None
    except MsgfluxError as error:
        return [], error


def _folded(title: str, text: str | None) -> str:
    return f"<details><summary>{title}</summary>{_words(html.escape(text))}</details>" if text else ""


def _words(inner: str) -> str:
    return f'<pre style="{WORDS}">{inner}</pre>'
