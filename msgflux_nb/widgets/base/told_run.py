"""A view of successive runs: sends each run to the page in numbered batches, which ``run_store.js`` reads."""

from __future__ import annotations

import functools
from typing import Any

from .feed import Batch
from .messages import Buffers, Hello, PageMessage
from .one_run import OneRun
from .run import Sender

__all__ = ["ToldRun"]


class ToldRun(OneRun):
    """A widget that shows one run at a time.

    Attributes:
        state: ``idle``, ``running``, ``complete``, ``stopped`` or ``failed``.
        error: why it failed, or None.
    """

    state: str
    error: BaseException | None
    _sender: Sender
    _number = 0  # the number of the run
    _held = False  # whether a person is using its replay

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ("complete", "stopped", "failed")

    def _next_run(self, feed: Any) -> None:
        """Forget the last run.

        Args:
            feed: the source of batches of the next run.
        """
        self._number += 1
        self._sender = Sender(feed, functools.partial(self._send_batch, self._number), on_quiet=self._rest)
        self.state, self.error, self._held = "idle", None, False

    def _started(self) -> None:
        """Tell the page that the run has begun."""
        self.state = "running"
        self._revive()
        self.send({"type": "start", "run": self._number, **self._told_state()})

    def _rest(self) -> None:
        """Called on the sending thread after a while without news."""

    def _told_state(self) -> dict[str, Any]:
        """Return the state of the run for a page, besides its batches."""
        raise NotImplementedError  # abstract: as in View

    def _tell_state(self) -> None:
        self.send({"type": "state", "run": self._number, **self._told_state()})

    def _told(self, seq: int, whole: Batch) -> dict[str, Any]:
        return {"run": self._number, "seq": seq, **self._told_state(), **whole}

    def _send_batch(self, run: int, seq: int, batch: Batch) -> None:
        self.send({"type": "batch", "run": run, "seq": seq, **batch})

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_hello(self, message: Hello, _buffers: Buffers) -> None:
        """Send everything to a page that has loaded or has missed a batch."""
        if self.state != "idle" and (message.run, message.seq) != (self._number, self._sender.number):
            self._sender.report(lambda seq, whole: self.send({"type": "progress", **self._told(seq, whole)}))
        else:
            self._tell_state()

    def _on_keep(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Keep the live view, because a person is using its replay."""
        self._held = True
