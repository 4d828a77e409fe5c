"""An opened row of a batch: its text with the quotes of its cells, its bill, its request and its answer."""

from __future__ import annotations

import json
from typing import Any

from ...display.markdown import encodable
from ...tables.dtypes import columns
from ...tables.explain import TO_SEND, Explanation, explain_so_far
from ...tables.fields import Cells, plain
from ...tables.outcome import UNANSWERED
from ...tables.run import Run
from ...tables.spans import span_of
from .column_heads import SHOWN_COLUMNS

__all__ = ["row_detail"]

_TEXT = 8_000  # characters of a row's text that a page gets
_RAW = 20_000  # of a request or an answer


def row_detail(run: Run, position: int) -> dict[str, Any]:
    """Return the details of a row for a page.

    Returns:
        ``position``; ``text``, the row's text; ``spans`` in it that do not overlap, as start, end and the number of the
        column; ``said``, sentences about the row; ``asked``, the caption of
        ``request``; ``request`` and ``answer`` as indented JSON, empty if nothing was sent or kept.

    Raises:
        IndexError: the run has no such row.
    """
    explanation = explain_so_far(run, position)
    text = _source(run, position, explanation)
    notes = [note for note in (explanation.note or "").split("; ") if note != TO_SEND]  # the caption says that
    ended = explanation.state not in (None, *UNANSWERED)
    return {
        "position": position,
        "text": _cut(text, _TEXT),
        "spans": _spans(run, position, text[:_TEXT]),
        "said": [encodable(said) for said in (explanation.bill, explanation.warnings, *notes) if said],
        "error": _cut(explanation.error or "", _RAW),
        "asked": "what was sent" if ended else "what would be sent",
        "request": _json(explanation.request),
        "answer": _json(explanation.answer),
    }


def _source(run: Run, position: int, explanation: Explanation) -> str:
    """Return a row's own text; if it came from an iterator and was not kept, the text that was sent."""
    found = [text for text in dict.fromkeys(run.rows.readable_texts(position).values()) if text]
    if found:
        return "\n".join(found)
    asked = [text for role, text in explanation.turns if role == "user"]
    return asked[-1] if asked else ""


def _spans(run: Run, position: int, text: str) -> list[list[int]]:
    """Return where the text quotes a row's cells; if two places overlap, only the longer one."""
    value = run.batch.ledger.values[position]
    if value is None:
        return []
    found: list[tuple[int, int, int]] = []
    cells = Cells([value])
    for place, column in enumerate(columns(run.schema)[:SHOWN_COLUMNS]):
        for quote in _quotes(plain(cells.of(column)[0])):
            span = span_of(text, quote)
            if span is not None:
                found.append((*span, place))
    kept: list[list[int]] = []
    for start, end, place in sorted(found, key=lambda one: (one[0] - one[1], one[0])):
        if all(end <= other[0] or start >= other[1] for other in kept):
            kept.append([start, end, place])
    return sorted(kept)


def _quotes(cell: Any) -> list[str]:
    if isinstance(cell, bool) or cell is None:
        return []
    if isinstance(cell, list):
        return [quote for item in cell[:50] for quote in _quotes(item)]
    if isinstance(cell, int | float):
        return [f"{cell:g}", f"{cell:,}"] if abs(cell) < 1e15 else []
    return [cell] if isinstance(cell, str) else []


def _json(value: Any) -> str:
    if value is None:
        return ""
    try:
        read = json.loads(value) if isinstance(value, str) else value
        return _cut(json.dumps(read, indent=2, ensure_ascii=False), _RAW)
    except (ValueError, RecursionError):
        return _cut(str(value), _RAW)


def _cut(text: str, limit: int) -> str:
    return encodable(text if len(text) <= limit else f"{text[:limit]}… {len(text) - limit:,} more characters")
