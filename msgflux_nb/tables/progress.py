"""The progress bar of a batch; drawn by the thread that waits for it, never by the one that works."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from .ledger import Ledger

__all__ = ["Progress"]


class Progress:
    """A tqdm bar over rows, as a widget in a notebook and as text elsewhere; nothing at all where ``shown`` is False.

    Use as a context manager: the bar is closed on every way out.
    """

    def __init__(self, total: int | None, *, shown: bool) -> None:
        self._bar: Any = None
        self._failed = 0
        if not shown or total == 0:
            return
        with warnings.catch_warnings():
            # tqdm.auto warns where a kernel lacks ipywidgets, and then draws text, which is all that is wanted.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm

            # With a fixed miniters, tqdm's monitor thread never draws.
            self._bar = tqdm(total=total, desc="extract", unit="row", miniters=1)

    def show(self, ledger: Ledger) -> None:
        """Draw how many rows have ended, and how many of them failed."""
        if self._bar is None:
            return
        finished, failed = ledger.finished, ledger.failed
        if failed != self._failed:
            self._failed = failed
            self._bar.set_postfix_str(f"{failed} failed", refresh=False)
        self._bar.update(finished - self._bar.n)

    def end(self, ledger: Ledger, stopped: str | None) -> None:
        """Draw the last state, and say below the bar why the batch ended early, if it did."""
        self.show(ledger)
        if self._bar is None:
            return
        bar, self._bar = self._bar, None
        bar.close()
        if stopped is not None:
            of = "" if bar.total is None else f" of {bar.total}"
            left = "" if bar.total is None else f", {bar.total - ledger.finished} left"
            bar.write(f"extract: {ledger.finished}{of} rows finished{left}: {stopped}", file=sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()
