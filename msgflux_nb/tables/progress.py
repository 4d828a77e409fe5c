"""The progress of a batch: a text bar, or a view in a notebook.

The waiting thread draws it, never the working one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import described

if TYPE_CHECKING:
    from .ledger import Ledger

__all__ = ["Progress", "Shown", "progress_of", "show_in_notebooks"]


class Shown(Protocol):
    """Draws the progress of a batch, as a context manager; an exit without ``end`` means that the batch has failed."""

    def show(self, ledger: Ledger) -> None:
        """Draw the progress; called about ten times a second, or more often."""

    def end(self, ledger: Ledger, stopped: str | None) -> None:
        """Draw the last state."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *exc_info: object) -> None: ...


def _nothing(run: Any) -> Shown | None:
    return None


_in_notebook: Callable[[Any], Shown | None] = _nothing


def show_in_notebooks(view_of: Callable[[Any], Shown | None]) -> None:
    """Set the function that returns the view of a ``Run`` or a grid, or None for a text bar.

    Tables do not import widgets, so a door of the package sets this.
    """
    global _in_notebook
    _in_notebook = view_of


def progress_of(run: Any, *, shown: bool) -> Shown:
    """Return the progress display of a ``Run``."""

    def made() -> Shown:
        view = _in_notebook(run) if shown and run.rows.total != 0 else None
        return Progress(run.rows.total, shown=shown, task=run.task, unit=run.unit) if view is None else view

    return _SafeDisplay(made)


class _SafeDisplay:
    """Wraps a display that may fail, for instance if its output was closed, so that the batch continues."""

    def __init__(self, make: Callable[[], Shown]) -> None:
        self._shown: Shown | None = None
        self._tried(lambda _: setattr(self, "_shown", make()))

    def show(self, ledger: Ledger) -> None:
        self._tried(lambda shown: shown and shown.show(ledger))

    def end(self, ledger: Ledger, stopped: str | None) -> None:
        self._tried(lambda shown: shown and shown.end(ledger, stopped))

    def __enter__(self) -> _SafeDisplay:
        self._tried(lambda shown: shown and shown.__enter__())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._tried(lambda shown: shown and shown.__exit__(*exc_info))

    def _tried(self, draw: Callable[[Any], object]) -> None:
        try:
            draw(self._shown)
        except Exception as error:
            self._shown = None
            warnings.warn(f"the progress is not shown any more: {described(error)}", RuntimeWarning, stacklevel=4)


class Progress:
    """A tqdm bar over rows; nothing if ``shown`` is False.

    Args:
        total: the number of rows, or None.
        shown: whether to draw.
        task: the name of the work, in a word.
        unit: the name of what is counted.

    Use it as a context manager, so that the bar is always closed.
    """

    def __init__(self, total: int | None, *, shown: bool, task: str = "extract", unit: str = "row") -> None:
        self._bar: Any = None
        self._task, self._unit = task, unit
        self._failed = 0
        if not shown or total == 0:
            return
        with warnings.catch_warnings():
            # tqdm.auto warns if a kernel lacks ipywidgets, and then draws text, which is enough.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm

            # With a fixed miniters, tqdm's monitor thread never draws.
            self._bar = tqdm(total=total, desc=self._task, unit=self._unit, miniters=1)

    def show(self, ledger: Ledger) -> None:
        """Draw the number of rows that have ended and of those that failed."""
        if self._bar is None:
            return
        finished, failed = ledger.finished, ledger.failed
        if failed != self._failed:
            self._failed = failed
            self._bar.set_postfix_str(f"{failed} failed", refresh=False)
        self._bar.update(finished - self._bar.n)

    def end(self, ledger: Ledger, stopped: str | None) -> None:
        """Draw the last state, and below the bar the reason if the batch ended early."""
        self.show(ledger)
        if self._bar is None:
            return
        bar, self._bar = self._bar, None
        bar.close()
        if stopped is not None:
            of = "" if bar.total is None else f" of {bar.total}"
            left = "" if bar.total is None else f", {bar.total - ledger.finished} left"
            bar.write(f"{self._task}: {ledger.finished}{of} {self._unit}s finished{left}: {stopped}", file=sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()
