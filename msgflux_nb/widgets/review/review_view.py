"""``ReviewView``: rows decided one by one, the least sure first, until it is known how right the result is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import traitlets as t
from traitlets.utils.bunch import Bunch

from ...tables.reviewing.review import Review
from ..base.keeper import Keeper
from ..base.messages import Buffers, PageMessage
from ..base.view import View
from .picture import row_picture, status_picture
from .twin import review_html, review_text

__all__ = ["ReviewView"]


class _Truth(t.Any):
    """A trait that is made when it is asked for, and observed whenever something was decided."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """The right answers so far."""
        return obj.review.truth


class Row(PageMessage, frozen=True):
    """The row that is shown is decided on; None if none is left."""

    position: int | None = None


class Set(Row, frozen=True, kw_only=True):
    """A field was set right."""

    field: str
    text: str


class Go(PageMessage, frozen=True):
    """To the next row, or to the one before."""

    by: int


class Order(PageMessage, frozen=True):
    """Another share of the rows is drawn at random."""

    random: float


class ReviewView(View):
    """Decide row by row whether a result is right, by keyboard: the least sure rows first, some drawn at random.

    What is decided is kept in the run's store, by what the row holds. After a restart, in a later run and with another
    model the row is decided already. A store that is locked or full holds nothing up: the view says what is not written
    yet, and it is written as soon as that is possible. With ``on_store_error="stop"`` nothing more is decided then.

    Keys: Enter accepts, e edits the field that is open, 1 to 9 choose of its choices, arrows go to another field, n and
    p go on and back, u undoes, x marks the row as unusable. t goes into the text: arrows pick a word, with Shift more
    of them, and the number of a field makes this its value.

    Args:
        result: a result of :func:`extract`, or some of its rows.
        confidence: how sure each field is, from 0 to 1: a frame with the result's labels and a column a field, or a
            Series for the row as a whole. None for the result's own; if it has none, rows whose answers their texts
            do not hold come first.
        random: how many of the rows that are read are drawn at random, from 0 to 1; the estimate needs some.
        budget: how many rows are to be read; None for no limit.

    Attributes:
        value: the right answers of the rows that were accepted, under their labels; ``truth`` is another name.
            Observers are called at each decision.

    Raises:
        StoreError: the run's kernel has ended.
        ValueError: the result is exploded, or an option has a value that it cannot have.

    Example::

        result = mf.extract(letters["text"], Gift, model=model, store="gifts.sqlite")
        view = mf.ReviewView(result, budget=60)
        view
        result.mf.score(view.truth)
    """

    stem = "review/review_view"

    row = t.Dict().tag(sync=True)
    status = t.Dict().tag(sync=True)
    value = _Truth()

    def __init__(
        self, result: pd.DataFrame, *, confidence: Any = None, random: float = 0.2, budget: int | None = None
    ) -> None:
        self.review = Review(result, confidence=confidence, random=random, budget=budget)
        queue = self.review.order.queue
        first = self.review.after(None)
        self._position = first if first is not None else (queue[0] if queue else None)
        self._unkept = ""
        self._telling = threading.Lock()
        self._keeper = Keeper(self.review.notes, self._tell_unkept)
        super().__init__(row=self._row(), status=self._status())

    def __repr__(self) -> str:
        return f"ReviewView({self.review.estimate()})"

    def close(self) -> None:
        """End the widget; what was decided is written all the same."""
        if self.comm is not None:
            self._keeper.close()
        super().close()

    # -- what a notebook asks -------------------------------------------------------------------------------------

    @property
    def truth(self) -> pd.DataFrame:
        """The right answers of the rows that were accepted, under their labels."""
        return self.review.truth

    @property
    def accuracy(self) -> pd.DataFrame:
        """How much of the result is right, as a whole and by field, with 95 % intervals."""
        return self.review.accuracy()

    @property
    def result(self) -> pd.DataFrame:
        """The result with what was decided in it."""
        return self.review.result()

    # -- what the page asks ---------------------------------------------------------------------------------------

    def _on_accept(self, message: Row, _buffers: Buffers) -> None:
        self._decide(message, self.review.accept)

    def _on_unusable(self, message: Row, _buffers: Buffers) -> None:
        self._decide(message, self.review.reject)

    def _on_set(self, message: Set, _buffers: Buffers) -> None:
        if message.position is not None and message.position == self._position:
            self.review.set_field(message.position, message.field, message.text)
            self.row = self._row()

    def _on_go(self, message: Go, _buffers: Buffers) -> None:
        queue = self.review.order.queue
        if self._position is not None:
            number = self.review.number(self._position) + (1 if message.by > 0 else -1)
            self._show(queue[min(max(number, 1), len(queue)) - 1])

    def _on_undo(self, _message: PageMessage, _buffers: Buffers) -> None:
        position = self.review.undo()
        if position is not None:
            self._keeper.wake()
            self._show(position)
            self._tell()

    def _on_order(self, message: Order, _buffers: Buffers) -> None:
        self.review.reorder(random=message.random)
        self._show(self.review.after(None))
        self._tell_status()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _decide(self, message: Row, decide: Callable[[int], None]) -> None:
        position = message.position
        if position is None or position != self._position:  # the key was pressed again before the next row had come
            return
        decide(position)
        self._keeper.wake()
        self._show(self.review.after(position))
        self._tell()

    def _show(self, position: int | None) -> None:
        """Show a row; the last one stays if there is none."""
        self._position = self._position if position is None else position
        self.row = self._row()

    def _row(self) -> dict[str, Any]:
        return {} if self._position is None else row_picture(self.review, self._position)

    def _tell(self) -> None:
        """Say what was decided: to the page, to observers, and to the saved notebook."""
        self._tell_status()
        self.notify_change(Bunch(name="value", old=None, new=self.truth, owner=self, type="change"))
        self._update_twin()

    def _status(self) -> dict[str, Any]:
        return {**status_picture(self.review), "unkept": self._unkept}

    def _tell_status(self) -> None:
        with self._telling:
            self.status = self._status()

    def _tell_unkept(self, why: str) -> None:
        """Say what of the decisions is not written; from the thread that looks on."""
        with self._telling:
            self._unkept = why
            self.status = {**self.status, "unkept": why}

    def _drawn(self) -> tuple[str, str]:
        return review_html(self.row, self.status), review_text(self.review)
