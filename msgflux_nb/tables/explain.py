"""One row of a result, explained: its request, its answer, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pandas as pd

from ..errors import MsgfluxError, StoreError, printable
from ..models.keys import scrub
from ..storage.batches import KEY_BYTES, Record
from .arrays import python_value
from .cells import CellError
from .labels import label_digest, label_places, row_place
from .report import RUN_COLUMNS
from .run import Run
from .runs import FoundRun, find_run

__all__ = ["TO_SEND", "Explanation", "explain", "explain_so_far", "kept_answer"]

_BILL = ("attempts", "prompt_tokens", "completion_tokens", "cost", "seconds")
TO_SEND = "this is what would be sent"  # the note if nothing was sent, or what was sent was not kept
_LIMIT = 4_000  # characters of a text that are printed


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The request of one row and its answer, without keys.

    Attributes:
        run: the run's name.
        model: the model that was asked.
        row: the row's label.
        position: its place in the input.
        state: how it ended.
        error: what went wrong, or None.
        note: where the answer comes from, or why there is none; None if there is nothing to say.
        request: the body of the request; None if nothing was sent or it is no longer known.
        answer: the provider's answer, byte for byte as text; None if no whole answer came or it was not kept.
        text: the text of the structure in it, or None.
        attempts: the number of requests that the answer took, in the run that asked for it; None if unknown.
        prompt_tokens: the prompt tokens that were billed, or None.
        completion_tokens: the completion tokens that were billed, or None.
        cost: US dollars, or None.
        seconds: the seconds that the answer took, or None.
        warnings: what was changed, repaired, cut or left out on the way to the value, or None.
    """

    run: str
    model: str
    row: Any
    position: int
    state: str | None
    error: str | None = None
    note: str | None = None
    request: dict[str, Any] | None = None
    answer: str | None = None
    text: str | None = None
    attempts: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    warnings: str | None = None

    @property
    def turns(self) -> list[tuple[str, str]]:
        """The messages of the request as roles and texts; images and files are only named."""
        messages = (self.request or {}).get("messages", ())
        return [(str(message.get("role")), "\n".join(_parts(message.get("content")))) for message in messages]

    @property
    def bill(self) -> str:
        """Attempts, tokens, cost and time, where known."""
        told = [
            _counted(self.attempts, "attempt"),
            _counted(self.prompt_tokens, "prompt token"),
            _counted(self.completion_tokens, "completion token"),
            None if self.cost is None else f"${self.cost:,.6f}",
            None if self.seconds is None else f"{self.seconds:,.2f} s",
        ]
        return " · ".join(filter(None, told))

    def __repr__(self) -> str:
        told = [f"row {self.row!r}", str(self.state), _counted(self.attempts, "attempt")]
        return f"Explanation({', '.join(filter(None, told))})"

    def __str__(self) -> str:
        parts: list[tuple[str, str | None]] = [
            ("row", f"{self.row!r} (position {self.position}) of run {self.run}"),
            ("state", self.state),
            ("error", self.error),
            ("warnings", self.warnings),
            ("note", self.note),
            ("model", self.model),
            ("bill", self.bill),
            *self.turns,
            ("answer", self.text if self.answer is None else self.answer),
        ]
        return printable("\n".join(f"{name:<10}{_indented(_cut(text))}" for name, text in parts if text))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from ..display.row import explanation_bundle

        return explanation_bundle(self)


def explain(
    frame: pd.DataFrame, row: Any = None, *, position: int | None = None, piece: int | None = None
) -> Explanation:
    """Explain a row of a result or of a selection of its rows; see ``df.mf.explain``."""
    found = find_run(frame)
    index = _input_index(found, frame)
    place = row_place(index, row, position)
    label = index[place]
    cells = _cells(frame, index, place)
    number = _number(found, place, piece)
    record = _record(found, number)
    request, note = _request(found, number, record)
    if record is None and cells.get("_status") in ("ok", "cached"):
        note = "the answer was not kept"
    elif cells.get("_status") == "cached":
        note = "the answer was there already, from an earlier run or an equal row; nothing was sent for this row"
    pieces = None if found.live is None or found.live.pieces is None else found.live.pieces.told(number)
    note = "; ".join(filter(None, [pieces, note, _recorded(found, place)])) or None
    return _explanation(found, label, place, cells, record, request, note)


def explain_so_far(run: Run, position: int) -> Explanation:
    """Explain a row of a run of this kernel, which may still be running.

    Raises:
        IndexError: the run has no such row.
    """
    found = FoundRun(run.name, run, run.record, run.records)
    ledger = run.batch.ledger
    if not 0 <= position < len(ledger):
        raise IndexError(f"expected a position from 0 to {len(ledger) - 1:,}, got {position}")
    state = None if ledger.is_open(position) else ledger.state(position)
    said = {"_status": state, "_error": ledger.errors.get(position)}
    said["_warnings"] = "; ".join(ledger.warnings.get(position, ())) or None
    number = _number(found, position, None)
    record = _record(found, number)
    cells = {name: cell for name, cell in said.items() if cell is not None}
    if record is not None and state == "ok":
        cells |= {f"_{name}": getattr(record, name) for name in _BILL}
    request, note = _request(found, number, record)
    note = "; ".join(filter(None, [note, _recorded(found, position)])) or None
    return _explanation(found, run.rows.index[position], position, cells, record, request, note)


def kept_answer(run: Run, position: int) -> tuple[bytes | None, str | None]:
    """Return the answer of a row of this kernel and the text of the structure in it, as far as they were kept."""
    found = FoundRun(run.name, run, run.record, run.records)
    record = _record(found, _number(found, position, None))
    return (None, None) if record is None else (record.answer, record.text)


def _explanation(
    found: FoundRun,
    label: Any,
    place: int,
    cells: dict[str, Any],
    record: Record | None,
    request: dict[str, Any] | None,
    note: str | None,
) -> Explanation:
    asked = record is not None and cells.get("_status") in ("cached", "invalid", "refused", "truncated", None)
    return Explanation(
        run=found.name,
        model="" if found.record is None else found.record.model,
        row=label,
        position=place,
        state=cells.get("_status", None if record is None else record.state),
        error=cells.get("_error"),
        note=note,
        request=request,
        answer=None if record is None or record.answer is None else record.answer.decode("utf-8", "replace"),
        text=None if record is None else record.text,
        warnings=cells.get("_warnings"),
        **{name: getattr(record, name) if asked else cells.get(f"_{name}") for name in _BILL},
    )


def _input_index(found: FoundRun, frame: pd.DataFrame) -> pd.Index[Any]:
    """Return the index of the run's input."""
    if found.live is not None:
        return found.live.rows.index
    assert found.record is not None
    rows = found.record.report["rows"]
    for index in (frame.index, frame.index.unique()):  # exploded rows repeat their labels
        if len(index) == rows and label_digest(index) == found.record.labels:
            return index
    raise StoreError(
        f"expected the {rows:,} rows of the run in their order, got {len(frame):,} rows that do not match them, and "
        "the run's kernel has ended; explain a row of the original result"
    )


def _cells(frame: pd.DataFrame, index: pd.Index[Any], place: int) -> dict[str, Any]:
    """Return the row's cells in the result without missing ones; empty if the row is unknown."""
    if not frame.index.equals(index):
        there = label_places(index, index[place])
        try:
            place = label_places(frame.index, index[place])[0]
        except KeyError:
            return {}
        if len(there) > 1:
            return {}
    cells = {name: python_value(frame[name].iloc[place]) for name in RUN_COLUMNS if name in frame.columns}
    return {name: cell for name, cell in cells.items() if cell is not None}


def _number(found: FoundRun, place: int, piece: int | None) -> int:
    """Return the number of the request of a row, or of its piece."""
    if found.live is not None:
        return found.live.number_of(place, piece)
    if found.record is not None and found.record.options.get("chunk") is not None:
        raise StoreError(
            f"run {found.name!r} read its rows in pieces, and its kernel has ended. Repeat the call first; answers in "
            "its store are not paid for again"
        )
    return place


def _recorded(found: FoundRun, place: int) -> str | None:
    """Return a note if the row's answer was recorded; for a run of an earlier kernel, if any answer of it was."""
    if found.live is not None:
        date = found.live.batch.ledger.recorded.get(place)
        return None if date is None else f"the answer was recorded {date}"
    dates = {} if found.record is None else found.record.report.get("recorded", {})
    return f"answers of this run were recorded {', '.join(dates)}" if dates else None


def _record(found: FoundRun, place: int) -> Record | None:
    if found.records is None:
        return None
    if found.live is None:
        return found.records.of_row(found.name, place)
    return found.records.get(bytes(found.live.piece_keys[place * KEY_BYTES : (place + 1) * KEY_BYTES]))


def _request(found: FoundRun, place: int, record: Record | None) -> tuple[dict[str, Any] | None, str | None]:
    """Return the request, and a note if there is none."""
    if record is not None:
        return _shown(record.request), None
    if found.live is None:
        return None, "nothing was sent for this row, or its answer was not kept"
    try:
        prepared = found.live.prepared(place)
    except (CellError, MsgfluxError) as error:
        return None, f"nothing can be sent for this row: {error}"
    if prepared is None:
        return None, "every cell is missing or blank: nothing is sent"
    return _shown(prepared.request), TO_SEND


def _shown(body: bytes) -> dict[str, Any]:
    """Return a request's body with keys hidden, except in the messages, which are the user's own data."""
    request: dict[str, Any] = msgspec.json.decode(body)
    rest = {name: value for name, value in request.items() if name != "messages"}
    hidden: dict[str, Any] = msgspec.json.decode(scrub(msgspec.json.encode(rest).decode()))
    return {name: hidden.get(name, value) for name, value in request.items()}


def _parts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        kind = part.get("type")
        if kind == "text":
            yield str(part.get("text") or "")
        else:
            yield f"[{kind}, {len(msgspec.json.encode(part)):,} bytes]"


def _counted(count: int | None, what: str) -> str | None:
    return None if count is None else f"{count:,} {what}{'' if count == 1 else 's'}"


def _cut(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}… {len(text) - _LIMIT:,} more characters"


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 10)
