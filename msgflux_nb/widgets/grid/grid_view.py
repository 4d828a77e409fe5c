"""``GridView``: the answers of prompts × models as a matrix; watch, open, compare and rate them, blind if wanted."""

from __future__ import annotations

import re
import sys
from typing import Any

import pandas as pd
import traitlets as t
from traitlets.utils.bunch import Bunch

from ...tables.grid.accessor import find_grid
from ...tables.grid.grid_run import GridRun
from ..base.keeper import Keeper
from ..base.messages import Buffers, PageMessage
from ..base.notebook import kernel_id
from .board import FILTERS, Board
from .running import RunningGrid
from .twin import grid_html, grid_text

__all__ = ["GridView", "shown_in_notebook"]

_WINDOW = 100  # rows that a page gets at first, and with each "more"
_PLAIN_NOUN = re.compile(r"[a-z]{2,}[a-rt-wz]", re.I)  # its plural has an s
_MOST = 300  # rows that a page has; with more, the first ones go


class _Ratings(t.Any):
    """A trait whose value is computed when it is read, and whose observers are called at each rating."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """Return the ratings so far."""
        return obj.ratings


class Open(PageMessage, frozen=True):
    """Open an answer."""

    row: int
    column: int


class Rate(Open, frozen=True):
    """Rate an answer ``good`` or ``bad``; the same rating again removes it."""

    rating: str


class Blind(PageMessage, frozen=True):
    """Hide or show the names of models."""

    on: bool


class Filter(PageMessage, frozen=True):
    """Show only some rows."""

    filter: str


class GridView(RunningGrid):
    """View a grid: inputs as rows, prompts and models as columns, each with its score, interval, cost and time.

    It shows a result, or prompts and inputs: then ``run`` asks on a thread, and cells fill in as answers come. Stop
    keeps the answers so far, and ``run`` continues with the rest.

    A cell opens its whole answer, with the differences from the first prompt's answer and its bill. Ratings are kept in
    the grid's store, by request and answer; while that fails, the view says so and still works. Blind mode hides prompt
    and model of an answer until it is rated, and gives each row its own order.

    Keys: arrows move to another cell, + and - rate it, b toggles blind mode, Enter opens the whole answer.

    Args:
        prompts: a result of :func:`grid`; or prompts, as :func:`grid` takes them.
        inputs: with prompts, the inputs, as :func:`grid` takes them.
        options: with prompts, the other keywords of :func:`grid` except ``progress``.

    Attributes:
        value: the ratings, one row per rated answer under its input's label, with ``prompt``, ``model``, ``sample`` and
            ``rating`` (``good`` or ``bad``). Observers are called at each rating.
        result: the table, as :func:`grid` returns it; None before the first run has ended.
        state: ``idle``, ``running``, ``stopping``, ``complete``, ``stopped`` (answers are left) or ``failed``.
        error: the error of the last run, or None.

    Raises:
        TypeError: ``prompts`` is not the result of a grid, or ``grid`` has no such keyword.
        StoreError: the grid's kernel has ended; make the same call of ``mf.grid`` again, which asks nothing twice.

    Example::

        result = mf.grid(prompts, mails["text"], models=models, schema=Triage, store="mails.sqlite")
        mf.GridView(result)

        view = mf.GridView(prompts, mails["text"], models=models)
        view.run()
    """

    stem = "grid/grid_view"

    board = t.Dict().tag(sync=True)
    opened = t.Dict().tag(sync=True)
    value = _Ratings()

    def __init__(self, prompts: Any, inputs: Any = None, **options: Any) -> None:
        if isinstance(prompts, GridRun):
            self.grid, result = prompts, None
        elif inputs is None:
            if options or not isinstance(prompts, pd.DataFrame):
                raise TypeError(
                    "expected a result of mf.grid alone, or prompts and inputs with the keywords of mf.grid"
                )
            self.grid, result = find_grid(prompts), prompts
        else:
            self.grid, result = GridRun(prompts, inputs, **options), None
        self._board = Board(self.grid)
        self._window = _WINDOW
        differing = [] if result is None else self._board.kept(FILTERS[0])
        self._filter = FILTERS[0] if differing else "all"
        self._kept = differing or self._board.kept("all")
        self._place = (self._kept[0], 0) if self._kept else None
        self._unkept = ""
        self._keeper = Keeper(self._board.ratings.notes, self._tell_unkept)
        super().__init__(result)

    def __repr__(self) -> str:
        return f"GridView({self.board['title']})"

    def close(self) -> None:
        """Close the widget; waiting ratings are still written."""
        if self.comm is not None:
            self._keeper.close()
        super().close()

    @property
    def scores(self) -> pd.DataFrame:
        """Return the score of each prompt and model, by the grid's truth or function, or else by the ratings."""
        rows = [{**head, "rated": self._rated(head)} for head in self._board.heads(seen=True)]
        index = pd.MultiIndex.from_tuples([(row["prompt"], row["model"]) for row in rows], names=["prompt", "model"])
        names = ["score", "low", "high", "rated", "cost", "seconds"]
        frame = pd.DataFrame([{name: row[name] for name in names} for row in rows], columns=names)
        frame.index = index
        return frame.astype({**dict.fromkeys(names, "Float64"), "rated": "Int64"})

    @property
    def ratings(self) -> pd.DataFrame:
        """Return the ratings so far, one row per rated answer."""
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

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_open(self, message: Open, _buffers: Buffers) -> None:
        self._place = message.row, message.column
        self.opened = self._open()

    def _on_rate(self, message: Rate, _buffers: Buffers) -> None:
        row, column = message.row, message.column
        position = self._board.position(row, column)
        good = {"good": True, "bad": False}.get(message.rating)
        self._board.ratings.put(position, None if self._board.ratings.get(position) == good else good)
        self._keeper.wake()
        with self._telling:
            self._fill({position})
        self.notify_change(Bunch(name="value", old=None, new=self.ratings, owner=self, type="change"))
        self._update_twin()

    def _on_blind(self, message: Blind, _buffers: Buffers) -> None:
        self._board.blind = message.on
        self._show()

    def _on_filter(self, message: Filter, _buffers: Buffers) -> None:
        if message.filter not in FILTERS:
            raise ValueError(f"filter: expected one of {', '.join(FILTERS)}, got {message.filter!r}")
        self._filter = message.filter
        self._kept = self._board.kept(self._filter)
        self._window = _WINDOW
        if self._kept and (self._place is None or self._place[0] not in self._kept):
            self._place = self._kept[0], 0
        self._show()

    def _on_more(self, _message: PageMessage, _buffers: Buffers) -> None:
        self._window = min(self._window + _WINDOW, max(_WINDOW, len(self._kept)))
        self._show()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        with self._telling:
            self.board = self._told()
            self.opened = self._open()

    @property
    def _before(self) -> int:
        """The number of kept rows before those that the page has."""
        return max(0, self._window - _MOST)

    def _fill(self, news: set[int]) -> None:
        """Send changes to the page: the shown rows that have changed, and the heads."""
        shown = self._kept[self._before : self._window]
        rows = {self._board.row_of(position) for position in news}
        changed = {row: self._board.row(row) for row in shown if row in rows}
        told = {"heads": self._board.heads(), **self._standing()}
        before = self.board["rows"]
        self._set_unsent(board={**self.board, **told, "rows": [changed.get(row["row"], row) for row in before]})
        self.send({"type": "filled", "rows": list(changed.values()), **told})
        if self._place is not None and self._place[0] in changed:
            self.opened = self._open()

    def _settle_board(self) -> None:
        """Show the final state of the grid."""
        self._board.settle()
        self._kept = self._board.kept(self._filter)

    def _tell_unkept(self, why: str) -> None:
        """Show that ratings are not written; called on the keeper's thread."""
        with self._telling:
            self._unkept = why
            self.board = {**self.board, "unkept": why}

    def _told(self) -> dict[str, Any]:
        board, run = self._board, self._board.run
        noun = board.noun if _PLAIN_NOUN.fullmatch(board.noun) else "input"
        sizes = (len(run.prompts), "prompt"), (len(run.models), "model"), (len(run.index), noun)
        title = " × ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in sizes)
        return {
            "noun": board.noun,
            "title": title + (f" × {run.samples}" if run.samples > 1 else ""),
            "heads": board.heads(),
            "models": len(run.models),
            "rows": [board.row(row) for row in self._kept[self._before : self._window]],
            "before": self._before,
            "kept": len(self._kept),
            "of": board.rows,
            "filter": self._filter,
            "filters": list(FILTERS),
            "blind": board.blind,
            "unkept": self._unkept,
            "judged": "" if board.marks is None else "truth" if board.marks.truth is not None else "score",
            **self._standing(),
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


class _Watching:
    """The view of a grid that ``mf.grid`` runs in a cell; it stays after the end."""

    def __init__(self, view: GridView) -> None:
        self._view = view

    def show(self, _ledger: Any) -> None:
        """Do nothing: a thread sends changes."""

    def end(self, _ledger: Any, _stopped: str | None) -> None:
        """Show the end, because the table is made."""
        self._view.end_run(None)

    def __enter__(self) -> _Watching:
        self._view._ipython_display_()
        self._view.look_on(kernel_id())
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        self._view.end_run(None, error)


def shown_in_notebook(grid: GridRun) -> _Watching | None:
    """Display a view in the output of the running cell and return it; None outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else _Watching(GridView(grid))
