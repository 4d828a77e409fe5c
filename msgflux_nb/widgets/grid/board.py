"""The display of a grid for a page, of bounded size: heads with scores, a window of rows, and the open answer."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from typing import Any

from ...display.figures import dollars
from ...display.values import beginning, readable
from ...tables.compare import same_cell
from ...tables.dtypes import Column, columns
from ...tables.grid.asked import Cell
from ...tables.grid.grid_run import GridRun
from ...tables.grid.models import options_of
from ...tables.grid.ratings import Ratings
from ...tables.grid.scores import Marks
from ...tables.grid.wide import is_record
from ...tables.ledger import Ledger
from ...tables.outcome import FAILURES, UNANSWERED
from ...tables.paths import at
from ...tables.reviewing.intervals import wilson
from ...tables.reviewing.written import shown_value
from ..extraction.batch_figures import money
from ..playground.difference import difference
from .filling import Filling

__all__ = ["FILTERS", "Board"]

FILTERS = ("where they differ", "where one is wrong", "not rated", "all")

_SHORT = 80  # characters of a value in a cell
_WHOLE = 20_000  # characters of an open answer or input
_NOUN = 24  # of the word for an input
_PARTS = 4  # fields in a cell
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Of Python's grammar, what a type is written with.
_OF_A_TYPE = (
    *(ast.Expression, ast.Name, ast.Attribute, ast.Load, ast.Subscript, ast.BinOp, ast.BitOr, ast.Tuple, ast.List),
    ast.Constant,
)


class Board:
    """A grid as it is displayed.

    Args:
        run: the grid.

    Attributes:
        run: the grid.
        ratings: the ratings of its answers.
        blind: whether prompt and model of an answer are hidden until it is rated.
        filling: the progress of a running grid, else None.
    """

    def __init__(self, run: GridRun) -> None:
        self.run = run
        self._ledger = run.batch.ledger if run.made is None else run.settled()
        self.ratings = Ratings(run, self._ledger)
        self.blind = False
        self.filling: Filling | None = None
        self._columns: tuple[Column, ...] = columns(run.schema) if is_record(run.schema) else ()
        self._width = len(run.prompts) * len(run.models)

    def follow(self) -> None:
        """Show answers as they come from now on; the grid has not begun yet."""
        self._take(self.run.batch.ledger)
        self.filling = Filling(self.run)

    def settle(self) -> None:
        """Show the final answers, because the grid has ended."""
        self.filling = None
        self._take(self.run.settled())

    def _take(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.ratings.look_at(ledger)

    @property
    def marks(self) -> Marks | None:
        """The marks of the answers; while the grid runs, of those so far if there is a truth."""
        return self.run.marks if self.filling is None else self.filling.marks

    @property
    def left(self) -> int:
        """The number of answers that were not asked for or were interrupted."""
        ledger = self.run.batch.ledger
        return ledger.counts["pending"] + ledger.counts["interrupted"] + len(self.run.rows) - ledger.finished

    @property
    def noun(self) -> str:
        """The word for an input: the name of the index or of the Series, if it is a word."""
        names = (self.run.index.name, getattr(self.run.inputs, "name", None))
        return next((str(name)[:_NOUN] for name in names if name is not None and str(name).strip()), "input")

    @property
    def paid(self) -> str:
        """The cost so far in words, with its limit; empty if no cost is known."""
        ledger, limit = self.run.batch.ledger, self.run.max_cost
        free = all(getattr(getattr(model, "profile", None), "free", False) for _, model in self.run.models)
        words = "" if ledger.unpriced and not ledger.cost else money(ledger.cost, free=free)
        of = "" if limit is None or words in ("", "free") else f" of {dollars(limit)}"
        unknown = f" and {ledger.unpriced:,} unknown" if ledger.unpriced and words else ""
        return f"{words}{of}{unknown}"

    # -- positions -----------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """The number of rows of the matrix."""
        return len(self.run.index) * self.run.samples

    def row_of(self, position: int) -> int:
        """Return the row of the answer at a position."""
        return position // self._width

    def position(self, row: int, shown: int) -> int:
        """Return the position of the answer in a row and a displayed column."""
        prompt, model = divmod(self._order(row)[shown], len(self.run.models))
        place, sample = divmod(row, self.run.samples)
        return self.run.rows.position(Cell(place, sample, prompt, model))

    def _order(self, row: int) -> list[int]:
        """Return the columns of a row in displayed order; if blind, each row has its own order."""
        order = list(range(self._width))
        if self.blind:
            random.Random(f"{self.run.name} {row}").shuffle(order)  # noqa: S311  # no secret
        return order

    def kept(self, filter_: str) -> list[int]:
        """Return the rows that a filter keeps."""
        if filter_ == "all":
            return list(range(self.rows))
        return [row for row in range(self.rows) if self._is_kept(row, filter_)]

    def _is_kept(self, row: int, filter_: str) -> bool:
        positions = [self.position(row, shown) for shown in range(self._width)]
        if filter_ == "not rated":
            return any(self._ledger.values[one] is not None and self.ratings.get(one) is None for one in positions)
        if filter_ == "where one is wrong":
            return any(self._mark(one) in ("wrong", "failed") for one in positions)
        first, *others = positions
        return any(self._unlike(first, other) for other in others)

    def _unlike(self, one: int, other: int) -> bool:
        values = self._ledger.values
        if values[one] is None or values[other] is None:
            return self._state(one) != self._state(other)
        return not same_cell(values[one], values[other])

    # -- display --------------------------------------------------------------------------------------------

    def heads(self, *, seen: bool = False) -> list[dict[str, Any]]:
        """Return the head of each column: prompt and model, score, cost and time.

        Args:
            seen: whether to name the models even if blind, instead of letters.
        """
        if self.blind and not seen:
            letters = [_LETTERS[number] if number < 26 else f"{number + 1}" for number in range(self._width)]
            return [{"prompt": letter, "model": "", "text": "", **_no_score()} for letter in letters]
        heads = []
        for number in range(self._width):
            prompt_number, model_number = divmod(number, len(self.run.models))
            prompt, (model, _) = self.run.prompts[prompt_number], self.run.models[model_number]
            asked = {"prompt": prompt.name, "model": model, "text": prompt.text[:_SHORT]}
            heads.append({**asked, **_no_score(), **self._scored(number), **self._filled(number)})
        best = max((head["score"] for head in heads if head["score"] is not None), default=None)
        for head in heads:
            head["best"] = best is not None and len(heads) > 1 and head["score"] == best
        return heads

    def _scored(self, column: int) -> dict[str, Any]:
        """Return score, cost and time of a column at the grid's end; before, only the share of good ratings."""
        rated = self._rated(column) if self.marks is None else {}
        if not self.run.scores:
            return rated
        scored = self.run.scores[column]
        return {name: scored[name] for name in ("score", "low", "high", "cost", "seconds", "failed")} | rated

    def _filled(self, column: int) -> dict[str, Any]:
        if self.filling is None:
            return {}
        told: dict[str, Any] = {"cost": self.filling.costs[column], "failed": self.filling.failed[column]}
        timed = self.filling.timed[column]
        told |= {"seconds": self.filling.seconds[column] / timed if timed else None}
        marked, right = self.filling.marked[column], self.filling.right[column]
        return told if not marked else told | _share(right, marked)

    def _rated(self, column: int) -> dict[str, Any]:
        """Return the share of good answers among the rated ones of a column."""
        prompt, model = divmod(column, len(self.run.models))
        found = []
        for position, good in self.ratings.of_all().items():
            cell = self.run.rows.cell(position)
            if (cell.prompt, cell.model) == (prompt, model):
                found.append(good)
        return _share(sum(found), len(found)) if found else {}

    def row(self, row: int) -> dict[str, Any]:
        """Return a row of the matrix with shortened cells."""
        place, sample = divmod(row, self.run.samples)
        positions = [self.position(row, shown) for shown in range(self._width)]
        label = str(self.run.index[place]) + (f" · {sample + 1}" if self.run.samples > 1 else "")
        return {
            "row": row,
            "label": label,
            "text": _cut(self._input(place), _SHORT),
            "cells": [*map(self._cell, positions)],
        }

    def _cell(self, position: int) -> dict[str, Any]:
        mark = self._mark(position)
        rating = self.ratings.get(position)
        told = {"mark": mark, "rating": "" if rating is None else "good" if rating else "bad"}
        if self._ledger.values[position] is None:
            error = self._ledger.errors.get(position, "")
            state = "" if mark == "asking" or self._ledger.is_open(position) else self._ledger.state(position)
            said = state if state in UNANSWERED else _cut(error, _SHORT) or state
            return {**told, "parts": [[said, False]]}
        return {
            **told,
            "parts": [[_cut(text, _SHORT) or "–", wrong] for _, text, wrong in self._parts(position)[:_PARTS]],
        }

    def _state(self, position: int) -> str:
        return "open" if self._ledger.is_open(position) else self._ledger.state(position)

    def _mark(self, position: int) -> str:
        state = self._state(position)
        if state in FAILURES:
            return "failed"
        if self.filling is not None and state == "open" and position in self.filling.asked:
            return "asking"
        if state in UNANSWERED or state == "open":
            return "open"
        mark = None if self.marks is None else self.marks.marks[position]
        return "" if mark is None else "right" if mark >= 1 else "wrong" if mark <= 0 else "partly"

    def _parts(self, position: int, *, whole: bool = False) -> list[tuple[str, str, bool]]:
        """Return the fields of an answer with their names and whether they differ from the truth."""
        value, marks, length = self._ledger.values[position], self.marks, _WHOLE if whole else _SHORT
        truth = None if marks is None or marks.truth is None else marks.truth[self.run.rows.cell(position).place]
        if not self._columns:
            return [("", readable(beginning(value, length)), truth is not None and not same_cell(value, truth))]
        wanted = marks.fields if marks is not None and marks.fields and not whole else ()
        shown = [column for column in self._columns if not wanted or column.name in wanted]
        known = truth if isinstance(truth, dict) else {}
        cells = [(column.name, at(value, column.path)) for column in shown]
        return [
            (name, readable(beginning(cell, length)), name in known and not same_cell(cell, known[name]))
            for name, cell in cells
        ]

    def open(self, row: int, shown: int) -> dict[str, Any]:
        """Return a whole answer: its input, its differences from the first prompt's, its bill, its rating."""
        position = self.position(row, shown)
        cell = self.run.rows.cell(position)
        rating = self.ratings.get(position)
        hidden, is_open = self.blind and rating is None, self._ledger.is_open(position)
        first = self.run.rows.position(Cell(cell.place, cell.sample, 0, cell.model))
        against = self.run.prompts[0].name if cell.prompt and not self.blind else ""
        model = self.run.models[cell.model][0]
        return {
            "row": row,
            "column": shown,
            "label": f"{self.noun} {self.run.index[cell.place]}",
            "input": _cut(self._input(cell.place), _WHOLE),
            "who": "hidden until you have rated it" if hidden else f"{self.run.prompts[cell.prompt].name} · {model}",
            "against": against,
            "fields": self._differences(position, first if against else position),
            "copied": self._exact(position),
            "error": self._ledger.errors.get(position, ""),
            "figures": [] if hidden or is_open else self._figures(position),
            "rating": "" if rating is None else "good" if rating else "bad",
            "rateable": self._ledger.values[position] is not None,
            "code": "" if hidden else self._code(cell),
        }

    def _figures(self, position: int) -> list[list[str]]:
        date = self._ledger.recorded.get(position)
        return _figures(self.run.bill(position, self._ledger)) + ([] if date is None else [[date, "recorded"]])

    def _differences(self, position: int, first: int) -> list[list[Any]]:
        values = self._ledger.values
        if values[position] is None:
            return []
        here = self._parts(position, whole=True)
        if first == position or values[first] is None:
            return [[name, [["same", _cut(text, _WHOLE)]]] for name, text, _ in here]
        there = {name: text for name, text, _ in self._parts(first, whole=True)}
        return [
            [name, [list(piece) for piece in difference(_cut(there[name], _WHOLE), _cut(text, _WHOLE))]]
            for name, text, _ in here
        ]

    def _exact(self, position: int) -> str:
        """Return an answer to copy: JSON of a record, exactly."""
        return _cut(shown_value(self._ledger.values[position]), _WHOLE)

    def _input(self, place: int) -> str:
        try:
            texts = self.run.read.texts(place)
        except ValueError as error:  # a cell without a text
            return str(error)
        return next(iter(texts.values()), "") if len(texts) == 1 else "\n".join(f"{n}: {t}" for n, t in texts.items())

    def _code(self, cell: Cell) -> str:
        """Return the code that asks all inputs with a cell's prompt and model."""
        prompt, (_, model) = self.run.prompts[cell.prompt], self.run.models[cell.model]
        schema = "" if self.run.schema is None else f", schema={_written(self.run.schema)}"
        options = "".join(f", {name}={value!r}" for name, value in options_of(model).items())
        return (
            f"model = mf.Model.chat_completion({model.name!r}{options})\n"
            f"prompt = {prompt.told!r}\nresult = mf.grid({{{prompt.name!r}: prompt}}, inputs, models=model{schema})\n"
        )


def _share(right: float, of: int) -> dict[str, float]:
    low, high = wilson(right, of)
    return {"score": right / of, "low": low, "high": high}


def _no_score() -> dict[str, Any]:
    return {**dict.fromkeys(("score", "low", "high", "cost", "seconds")), "failed": 0, "best": False}


def _written(schema: Any) -> str:
    """Return a type as code; what is more than names, whatever somebody called it, would be run."""
    name = str(getattr(schema, "__name__", schema))
    try:
        nodes = list(ast.walk(ast.parse(name, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "Unnamed"
    return name if all(isinstance(node, _OF_A_TYPE) for node in nodes) else "Unnamed"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _figures(bill: dict[str, Any]) -> list[list[str]]:
    """Return tokens, cost and time as figures with units, where known."""
    told: Sequence[tuple[Any, str, str]] = (
        (bill["prompt_tokens"], "{:,}", "in"),
        (bill["completion_tokens"], "{:,}", "out"),
        (None if bill["cost"] is None else dollars(bill["cost"]), "{}", ""),
        (bill["seconds"], "{:,.2f}", "s"),
    )
    return [[form.format(value), unit] for value, form, unit in told if value is not None]
