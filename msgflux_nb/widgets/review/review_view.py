"""``ReviewView``: decide whether rows are right, the most doubtful first, and estimate the accuracy of all."""

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

_AT_ONCE = 20_000  # rows that are put in another order while the page waits; more are on a thread


class _Truth(t.Any):
    """A trait whose value is computed when it is read, and whose observers are called at each decision."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """Return the right answers so far."""
        return obj.review.truth


class Row(PageMessage, frozen=True):
    """Decide on a row; None if none is left."""

    position: int | None = None


class Set(Row, frozen=True, kw_only=True):
    """Set a field."""

    field: str
    text: str


class Go(PageMessage, frozen=True):
    """Go to the next row, or to the one before."""

    by: int


class Order(PageMessage, frozen=True):
    """Change the share of rows that are drawn at random."""

    random: float


class ReviewView(View):
    """Decide row by row, by keyboard, whether a result is right: the most doubtful rows first, some drawn at random.

    Decisions are kept in the run's store, by the content of the row: they still apply after a restart, in a later run
    and with another model. A locked or full store does not stop the review: the view shows what is not written yet,
    and it is written as soon as that is possible. With ``on_store_error="stop"`` no more decisions are taken then.

    Keys: Enter accepts, e edits the open field, 1 to 9 pick a choice, arrows move to another field, n and p go to the
    next and previous row, u undoes, x marks the row as unusable. t goes into the text: arrows pick a word, with Shift
    several, and the number of a field sets its value to them.

    Args:
        result: a result of :func:`extract`, or some of its rows.
        confidence: the confidence of each field, from 0 to 1: a frame with the result's labels and one column per
            field, or a Series for whole rows. None for the result's own; without one, rows come first whose texts do
            not contain their answers.
        random: the share of read rows that are drawn at random, from 0 to 1; the estimate needs some.
        budget: the number of rows to read; None for no limit.

    Attributes:
        value: the right answers of accepted rows, under their labels; ``truth`` is another name. Observers are called
            at each decision.

    Raises:
        StoreError: the run's kernel has ended.
        ValueError: the result is exploded, or an option has a wrong value.

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
        """Close the widget; waiting decisions are still written."""
        if self.comm is not None:
            self._keeper.close()
        super().close()

    # -- for the notebook -------------------------------------------------------------------------------------

    @property
    def truth(self) -> pd.DataFrame:
        """The right answers of accepted rows, under their labels."""
        return self.review.truth

    @property
    def accuracy(self) -> pd.DataFrame:
        """Return the estimated accuracy of the result, as a whole and by field, with 95 % intervals."""
        return self.review.accuracy()

    @property
    def result(self) -> pd.DataFrame:
        """Return the result with the decisions applied."""
        return self.review.result()

    # -- messages from the page ---------------------------------------------------------------------------------------

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
        if len(self.review.order) > _AT_ONCE:
            self._aside(lambda: self._reorder(message.random), "msgflux-order")
        else:
            self._reorder(message.random)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _reorder(self, random: float) -> None:
        self.review.reorder(random=random)
        self._show(self.review.after(None))
        self._tell_status()

    def _decide(self, message: Row, decide: Callable[[int], None]) -> None:
        position = message.position
        if position is None or position != self._position:  # a repeated key, pressed before the next row had come
            return
        decide(position)
        self._keeper.wake()
        self._show(self.review.after(position))
        self._tell()

    def _show(self, position: int | None) -> None:
        """Show a row; keep the present one if there is none."""
        self._position = self._position if position is None else position
        self.row = self._row()

    def _row(self) -> dict[str, Any]:
        return {} if self._position is None else row_picture(self.review, self._position)

    def _tell(self) -> None:
        """Send a decision to the page and to observers, and update the twin."""
        self._tell_status()
        self.notify_change(Bunch(name="value", old=None, new=self.truth, owner=self, type="change"))
        self._update_twin()

    def _status(self) -> dict[str, Any]:
        return {**status_picture(self.review), "unkept": self._unkept}

    def _tell_status(self) -> None:
        with self._telling:
            self.status = self._status()

    def _tell_unkept(self, why: str) -> None:
        """Show that decisions are not written; called on the keeper's thread."""
        with self._telling:
            self._unkept = why
            self.status = {**self.status, "unkept": why}

    def _drawn(self) -> tuple[str, str]:
        return review_html(self.row, self.status), review_text(self.review)
