"""A round: one question to one or two models, whose answers become turns of the conversation."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ...content.messages import Message
from ...errors import BadRequestError
from ..base.run import INTERVAL_SECONDS, PAIR_INTERVAL_SECONDS
from .answerer import Question, Side
from .plan_side import PlanSide

__all__ = ["Rounds"]

_SHOWN_CHARACTERS = 200_000


class Rounds:
    """Runs rounds, one at a time, and puts their answers into a conversation.

    Args:
        builder: the conversation, a ``MessageBuilder``.
        tell: sends a message to the page.
        on_end: called at the end of each round with its sides; the next round may already have begun.

    Attributes:
        sides: the sides of the last round, each a model with its answer.
        question: the last question, or None.
    """

    def __init__(
        self, builder: Any, *, tell: Callable[[dict[str, Any]], None], on_end: Callable[[list[Side]], None]
    ) -> None:
        self.sides: list[Side] = []
        self.question: Question | None = None
        self._builder = builder
        self._tell = tell
        self._on_end = on_end
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._open = 0
        self._done = threading.Event()
        self._cut = False  # whether undo treats the answer and the change before it as one
        self._place: list[int] = []  # the ids of the turns that the answer follows
        self._elsewhere: list[int] | None = None  # the turns that are shown instead, if a person has started over
        self._answered: int | None = None  # the id of the last answer's turn

    @property
    def state(self) -> str:
        """``idle`` before the first round, then the state of the first side."""
        return self.sides[0].state if self.sides else "idle"

    @property
    def busy(self) -> bool:
        """Whether a round is going on."""
        return self._open > 0

    def check_free(self) -> None:
        """Check that no round is going on.

        Raises:
            RuntimeError: one is.
        """
        if self.busy:
            raise RuntimeError("a run is under way; stop it first, or wait for its end")

    def begin(self, question: Question, models: Sequence[Any], *, calls: Any, at: int | None) -> None:
        """Prepare a round; ``start`` starts it.

        Args:
            question: the question.
            models: the models to ask.
            calls: the view of tool calls.
            at: the position of the answer in the conversation: the end, or a turn whose sibling it becomes.
        """
        with self._lock:
            self.check_free()
            self._cut = at is not None
            if at is not None:
                self._builder.history.cut(at)
                self._builder.changed()
            self._place = self._builder.history.ids
            self.question = question
            kind = Side if question.driver is None else PlanSide
            interval = INTERVAL_SECONDS if len(models) == 1 else PAIR_INTERVAL_SECONDS
            self.sides = [
                kind(
                    index,
                    model,
                    question,
                    number=lambda: next(self._numbers),
                    tell=self._tell,
                    calls=None if index else calls,
                    settle=self._settle,
                    on_end=self._end,
                    interval=interval,
                )
                for index, model in enumerate(models)
            ]
            self._open = len(self.sides)
            self._answered = None
            self._done = threading.Event()

    def start(self) -> None:
        """Start the prepared round."""
        for side in self.sides:
            side.job.start()

    def stop(self) -> None:
        """Stop the round and keep the answers so far."""
        for side in self.sides:
            side.job.stop()

    def wait(self) -> None:
        """Wait for the end of the round; an interrupt stops the round."""
        done = self._done
        try:
            done.wait()
        except KeyboardInterrupt:
            self.stop()
            done.wait()
            raise

    def last_answer(self) -> tuple[int, Side]:
        """Return the position of the last answer, and its side.

        Raises:
            BadRequestError: it is not shown, or there is none.
        """
        ids = self._builder.history.ids
        if self._answered is None or self._answered not in ids or self.sides[0].stream is None:
            raise BadRequestError("that answer is not shown any more. Nothing was sent.")
        return ids.index(self._answered), self.sides[0]

    def raw(self) -> list[list[str]]:
        """Return the last requests and answers, each as a title and a text."""
        found = []
        for side in self.sides:
            if side.stream is not None:
                found.append([f"{side.model.name}: request", _pretty(side.stream.request.body)])
                found.append([f"{side.model.name}: answer", _pretty(_answer(side.stream))])
        return [[title, text[:_SHOWN_CHARACTERS]] for title, text in found]

    # -- answers become turns -------------------------------------------------------------------------------------

    def _settle(self, side: Side, turns: list[Message]) -> None:
        """Put an answer into the conversation; the page has its words and only gets its card."""
        if not turns:
            return
        answer, *others = turns
        history = self._builder.history
        with self._builder.lock:
            behind = self._return()
            card = self._builder.settle(answer, prefill=side.prefill, code=bool(side.question.schema))
            self._tell({"type": "settled", "side": side.index, "number": side.number, "seq": side.seq, "card": card})
            self._answered = history.ids[-1]
            self._join_cut()
            for turn in others:  # a result is removed with its call
                history.add(turn)
                history.join_changes()
            self._stay(behind)

    def _return(self) -> list[Message]:
        """Show the question again if the conversation has changed since; return the turns after it."""
        history, ids = self._builder.history, self._builder.history.ids
        self._elsewhere = None if history.holds(self._place) else ids
        if ids == self._place:
            return []
        behind: list[Message] = history.messages[len(self._place) :] if self._stands(ids) else []
        history.go_to(self._place)
        self._cut = True
        self._builder.changed()
        return behind

    def _stands(self, ids: list[int]) -> bool:
        """Return whether the turns of the question are still shown."""
        return ids[: len(self._place)] == self._place

    def _stay(self, behind: list[Message]) -> None:
        """Let the next answer, and the turns that came after the question, follow an answer that was added."""
        history = self._builder.history
        self._place = history.ids
        for turn in behind:
            history.add(turn)
            history.join_changes()
        if self._elsewhere:
            history.go_to(self._elsewhere)
        elif self._elsewhere is not None:
            history.begin()  # the answer is kept at its question, and undo shows it
        self._builder.changed()

    def _join_cut(self) -> None:
        if self._cut:
            self._builder.history.join_changes()
            self._cut = False

    def _end(self, side: Side) -> None:
        with self._lock:
            sides, done, last = self.sides, self._done, self._open == 1
            try:
                self._end_side(side, last=last)
            except Exception as error:  # else the end would be waited for forever
                self._tell({"type": "problem", "name": type(error).__name__, "message": str(error)})
            finally:
                self._open -= 1
        if last:
            try:
                self._on_end(sides)
            finally:
                done.set()

    def _end_side(self, side: Side, *, last: bool) -> None:
        if len(self.sides) == 1:
            self._settle(side, side.turns())
        self._tell({"type": "end", **side.ending()})
        if last:
            self._end_all()

    def _end_all(self) -> None:
        if len(self.sides) > 1:
            self._settle_all()
        with self._builder.lock:
            if self._cut and self._builder.history.ids == self._place:
                self._builder.history.undo()  # no answer: show the earlier one in its place again
                self._builder.changed()
        self._tell({"type": "settled", "side": None})

    def _settle_all(self) -> None:
        """Make the answers of two models versions of one turn."""
        versions = [side.turns() for side in self.sides]
        if not any(versions):
            return
        history, at = self._builder.history, len(self._place)
        with self._builder.lock:
            behind = self._return()
            history.add_versions(versions)
            self._answered = history.ids[at] if versions[0] else None
            self._join_cut()
            self._stay(behind)


def _answer(stream: Any) -> bytes:
    """Return an answer as text from its snapshot, since a stream's bytes are not kept."""
    import msgspec

    return msgspec.json.encode(msgspec.to_builtins(stream.snapshot, str_keys=True, enc_hook=str))


def _pretty(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")
