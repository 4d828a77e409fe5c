"""``GridView``: the answers of prompts × models as a matrix; opened, compared, rated, blind if wanted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import traitlets as t
from traitlets.utils.bunch import Bunch

from ...tables.grid.accessor import find_grid
from ..base.view import View
from .board import FILTERS, Board
from .twin import grid_html, grid_text

__all__ = ["GridView"]

_WINDOW = 100  # rows that a page is sent at once


class _Ratings(t.Any):
    """A trait that is made when it is asked for, and observed whenever an answer was rated."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """The ratings so far."""
        return obj.ratings


class GridView(View):
    """Look at a grid: inputs as rows, prompts and models as columns, each with its score, interval, cost and time.

    A cell opens to its whole answer, with what differs from the first prompt's, and what it took. Good and bad are
    kept in the grid's store at once, by request and answer. Blind hides which prompt and model an answer is of until
    it is rated; each row has an order of its own then.

    Keys: arrows go to another cell, + and - rate it, b is blind, Enter opens the whole answer.

    Args:
        result: a result of :func:`grid`.

    Attributes:
        value: the ratings: a row for each answer that was rated, under its input's label, with ``prompt``, ``model``,
            ``sample`` and ``rating`` (``good`` or ``bad``). Observers are called at each rating.

    Raises:
        TypeError: this is no result of a grid.
        StoreError: the grid's kernel has ended; make the same call of ``mf.grid`` again, which asks for nothing twice.

    Example::

        result = mf.grid(prompts, mails["text"], models=models, schema=Triage, store="mails.sqlite")
        mf.GridView(result)
    """

    stem = "grid/grid_view"

    board = t.Dict().tag(sync=True)
    opened = t.Dict().tag(sync=True)
    value = _Ratings()

    def __init__(self, result: pd.DataFrame) -> None:
        self._board = Board(find_grid(result))
        self._window = _WINDOW
        differing = self._board.kept(FILTERS[0])
        self._filter = FILTERS[0] if differing else "all"
        self._kept = differing or self._board.kept("all")
        self._place = (self._kept[0], 0) if self._kept else None
        super().__init__(board=self._told(), opened=self._open())

    def __repr__(self) -> str:
        return f"GridView({self.board['title']})"

    @property
    def scores(self) -> pd.DataFrame:
        """What each prompt and model scored: by the grid's truth or function, or else by the ratings."""
        rows = [{**head, "rated": self._rated(head)} for head in self._board.heads(seen=True)]
        index = pd.MultiIndex.from_tuples([(row["prompt"], row["model"]) for row in rows], names=["prompt", "model"])
        names = ["score", "low", "high", "rated", "cost", "seconds"]
        frame = pd.DataFrame([{name: row[name] for name in names} for row in rows], columns=names)
        frame.index = index
        return frame.astype({**dict.fromkeys(names, "Float64"), "rated": "Int64"})

    @property
    def ratings(self) -> pd.DataFrame:
        """The ratings so far: a row for each answer that was rated."""
        run = self._board.run
        found = sorted(self._board.ratings.of_all().items())
        cells = [run.rows.cell(position) for position, _ in found]
        table = pd.DataFrame(
            {
                "prompt": pd.array([run.prompts[cell.prompt].name for cell in cells], dtype="string"),
                "model": pd.array([run.models[cell.model][0] for cell in cells], dtype="string"),
                "sample": pd.array([cell.sample for cell in cells], dtype="Int64"),
                "rating": pd.Categorical(["good" if good else "bad" for _, good in found], ["good", "bad"]),
            }
        )
        table.index = run.index[[cell.place for cell in cells]]
        return table

    # -- what the page asks ---------------------------------------------------------------------------------------

    def _on_open(self, content: dict[str, Any], _buffers: Any) -> None:
        self._place = int(content["row"]), int(content["column"])
        self.opened = self._open()

    def _on_rate(self, content: dict[str, Any], _buffers: Any) -> None:
        row, column = int(content["row"]), int(content["column"])
        position = self._board.position(row, column)
        good = {"good": True, "bad": False}.get(content["rating"])
        self._board.ratings.put(position, None if self._board.ratings.get(position) == good else good)
        self._show()
        self.notify_change(Bunch(name="value", old=None, new=self.ratings, owner=self, type="change"))
        self._update_twin()

    def _on_blind(self, content: dict[str, Any], _buffers: Any) -> None:
        self._board.blind = bool(content["on"])
        self._show()

    def _on_filter(self, content: dict[str, Any], _buffers: Any) -> None:
        if content["filter"] not in FILTERS:
            raise ValueError(f"filter: expected one of {', '.join(FILTERS)}, got {content['filter']!r}")
        self._filter = content["filter"]
        self._kept = self._board.kept(self._filter)
        self._window = _WINDOW
        if self._kept and (self._place is None or self._place[0] not in self._kept):
            self._place = self._kept[0], 0
        self._show()

    def _on_more(self, _content: dict[str, Any], _buffers: Any) -> None:
        self._window += _WINDOW
        self.board = self._told()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self.board = self._told()
        self.opened = self._open()

    def _told(self) -> dict[str, Any]:
        board, run = self._board, self._board.run
        answers = board.run.batch.ledger
        sizes = (len(run.prompts), "prompt"), (len(run.models), "model"), (len(run.index), "input")
        title = " × ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in sizes)
        return {
            "title": title + (f" × {run.samples}" if run.samples > 1 else ""),
            "heads": board.heads(),
            "models": len(run.models),
            "rows": [board.row(row) for row in self._kept[: self._window]],
            "kept": len(self._kept),
            "of": board.rows,
            "filter": self._filter,
            "filters": list(FILTERS),
            "blind": board.blind,
            "judged": "" if run.marks is None else "truth" if run.marks.truth is not None else "score",
            "unanswered": answers.counts["pending"] + answers.counts["interrupted"] + len(run.rows) - answers.finished,
        }

    def _open(self) -> dict[str, Any]:
        return {} if self._place is None else self._board.open(*self._place)

    def _rated(self, head: dict[str, Any]) -> int:
        table = self.ratings
        return int(((table["prompt"] == head["prompt"]) & (table["model"] == head["model"])).sum())

    def _drawn(self) -> tuple[str, str]:
        heads = self._board.heads(seen=True)
        rows = [self._board.row(row) for row in self._kept[:20]] if not self._board.blind else []
        return grid_html(self.board, heads, rows), grid_text(self.board, heads)
