"""One model's work on a question, on a thread: its answers one after the other, told to the page in batches."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from ...content.messages import Message
from ...display.figures import cut_at, flagged, numbers, status
from ...display.structure import rows
from ...errors import SchemaError, StreamInterruptedError
from ...protocol.profile import with_probabilities
from ...protocol.tool_call import json_text
from ...reasoning.tool_loop import RunEnded, StepEnded, StepStarted, one_answer
from ...reasoning.tools import run_tools
from ..base.feed import Batch, Feed
from ..base.run import Sender
from ..tool_calls.tool_job import ToolJob

__all__ = ["Question", "Side", "turns_of"]

_ALTERNATIVES = 5


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked; what a person changes meanwhile does not touch it.

    Attributes:
        messages: what is sent, without the prefill.
        prefill: the start of the answer; empty for none.
        schema: the name of the structure asked for; empty for text.
        type: the structure itself, or None.
        tools: functions that the model may call.
        logprobs: whether tokens come with their probabilities.
        driver: of a plan that is run instead of one call, or None.
        answer: the type of the plan's answer.
        plan_options: what else its driver is called with.
        view: the view of plans that shows it.
    """

    messages: list[Message]
    prefill: str = ""
    schema: str = ""
    type: Any = None
    tools: tuple[Any, ...] = ()
    logprobs: bool = False
    driver: Any = None
    answer: Any = str
    plan_options: dict[str, Any] = {}
    view: Any = None


class Side:
    """A model that works on a question.

    Args:
        index: its place: 0, or 1 for the second of two.
        model: whom to ask.
        question: what.
        number: gives each answer its number, from 1, in order over all sides.
        tell: sends a message to the page.
        calls: the view of tool calls that looks on, and that a person approves them in; None for none.
        settle: called with the turns of each answer but the last, once its calls have results.
        on_end: called once, when ``state``, ``value`` and ``error`` are final.

    Attributes:
        stream: the answer that arrives, or that came last; None before the first.
        result: a ``ToolRun`` where tools were run to the end, else the same as ``stream``.
        state: ``running``, ``complete``, ``stopped`` or ``failed``.
    """

    def __init__(
        self,
        index: int,
        model: Any,
        question: Question,
        *,
        number: Callable[[], int],
        tell: Callable[[dict[str, Any]], None],
        calls: Any,
        settle: Callable[[Side, list[Message]], None],
        on_end: Callable[[Side], None],
    ) -> None:
        self.index = index
        self.model = model
        self.question = question
        self.stream: Any = None
        self.result: Any = None
        self._count = number
        self._tell = tell
        self._calls = calls
        self._settle = settle
        self._on_end = on_end
        self._lock = threading.Lock()
        self._feed = Feed()
        self._sender: Sender | None = None
        self._number = 0
        self._seq = 0
        self._step = 0
        self._phase = ""
        self._waiting: dict[str, Any] | None = None
        self.job = ToolJob(self._work, on_stop=self._give_up, on_end=self._end)

    @property
    def state(self) -> str:
        """How it stands."""
        return self.job.state

    @property
    def value(self) -> Any:
        """What the last answer was decoded to, if it is complete."""
        return self.job.value

    @property
    def error(self) -> Exception | None:
        """Why it failed, or None."""
        return self.job.error

    @property
    def number(self) -> int:
        """The number of the answer that arrives, or that came last."""
        return self._number

    @property
    def response(self) -> Any:
        """The answer as it arrives, or what was made of several."""
        return self.result

    def turns(self) -> list[Message]:
        """Return what came as turns of a conversation."""
        return [] if self.stream is None else turns_of(self.stream)

    @property
    def seq(self) -> int:
        """The number of its last batch."""
        return self._seq

    @property
    def prefill(self) -> str:
        """The start of the answer that arrives, or that came last: only the first one is begun for the model."""
        return self.question.prefill if self._step <= 1 else ""

    def progress(self) -> None:
        """Tell a page that has missed something all of the answer that arrives."""
        sender = self._sender
        if self.state == "running" and sender is not None:
            call = {"call": self._waiting} if self._phase == "approval" else {}
            told = {"type": "progress", **self._about(), **call}
            sender.report(lambda seq, whole: self._tell({**told, **whole, "seq": seq}))

    # -- on the thread --------------------------------------------------------------------------------------------

    def _work(self, job: ToolJob) -> Any:
        question = self.question
        hear = job.hearing(self._hear)
        model = _with_logprobs(self.model) if question.logprobs else self.model
        keywords = {"prefilling": question.prefill or None, "generation_schema": question.type}
        if question.tools:
            self.result = run_tools(
                model,
                question.messages,
                tools=question.tools,
                on_request=job.checked(self._approved),
                on_result=job.checked(self._calls.result),
                on_event=hear,
                **keywords,
            )
        else:
            self.result = one_answer(model, question.messages, hear, keywords)
        return self.result.consume()

    def _approved(self, call: Any) -> Any:
        """Let a person decide on a call; the page says meanwhile whom the run waits for."""
        self._waiting = _told(call)
        self._turn_to("approval" if self._calls.approve == "ask" else "tools")
        answer = self._calls.ask(call)
        self._turn_to("tools")
        return answer

    def _turn_to(self, phase: str) -> None:
        if phase != self._phase:
            self._phase = phase
            told = {"side": self.index, "number": self._number, "phase": phase}
            self._tell({"type": "phase", **told, **({"call": self._waiting} if phase == "approval" else {})})

    def _hear(self, event: Any) -> None:
        if self._calls is not None:
            self._calls.add(event)
        match event:
            case StepStarted():
                self._begin(event.stream)
            case StepEnded():
                self._close()
            case RunEnded():
                pass
            case _:
                sender = self._sender
                if self._feed.add(event) and sender is not None:
                    sender.wake()

    def _begin(self, stream: Any) -> None:
        if self.stream is not None:
            self._settle(self, turns_of(self.stream))
        markdown = not (self.question.schema or (self.question.prefill and not self._step))
        with self._lock:
            self._step += 1
            self._phase = ""
            self._number, self._seq = self._count(), 0
            self.stream, self.result = stream, stream
            self._feed = Feed(markdown=markdown)
            self._sender = Sender(self._feed, functools.partial(self._batch, self._number))
        self._tell({"type": "start", **self._about()})

    def _close(self) -> None:
        """The answer has ended: what is left of it is sent; once."""
        with self._lock:
            sender, self._sender = self._sender, None
        if sender is None:
            return
        sender.close()
        self._seq = sender.number
        last = self._feed.last()
        if last:
            self._batch(self._number, self._seq + 1, last)

    def _batch(self, number: int, seq: int, batch: Batch) -> None:
        self._seq = seq
        self._tell({"type": "batch", "side": self.index, "number": number, "seq": seq, **batch})

    # -- the end --------------------------------------------------------------------------------------------------

    def _give_up(self) -> None:
        if self._calls is not None:
            self._calls.stop()

    def _end(self, _job: ToolJob) -> None:
        if not self._number:
            self._number = self._count()  # it failed before anything could be sent
        self._close()
        if self._calls is not None and self._calls.state == "running":  # it was left to end unseen
            self._calls.add(RunEnded(error=self.error or StreamInterruptedError("the run was stopped")))
        self._on_end(self)

    def ending(self) -> dict[str, Any]:
        """Say how it ended, for the page; without the words of the answer."""
        error = self.error
        return {
            **self._about(),
            "seq": self._seq,
            "state": self.state,
            "error": None if error is None else [type(error).__name__, str(error)],
            "status": list(self.status()),
            "rows": self._rows(),
            "tokens": self.stream is not None and bool(self.stream.logprobs),
            "cut": cut_at(self.stream),
            "figures": None if self.result is None else numbers(self.result),
        }

    def _rows(self) -> list[Any]:
        decoded = () if self.state != "complete" else (self.value,)
        try:
            found = [] if self.question.type is None else rows(self.question.type, *decoded)
        except SchemaError:  # the run has failed by it, and says so
            found = []
        return [msgspec.to_builtins(row) for row in found]

    def status(self, *, times: bool = True) -> tuple[str, ...]:
        """Tokens, cost, times and the reason, in short words; and what was changed or cut."""
        return (*status(self.result, times=times), *flagged(self.result))

    def _about(self) -> dict[str, Any]:
        return {
            "side": self.index,
            "number": self._number,
            "prefill": self.prefill,
            "schema": self.question.schema,
            "model": self.model.name,
            "phase": self._phase,
        }


def turns_of(stream: Any) -> list[Message]:
    """Return an answer, as far as it came, as turns of a conversation: with its calls and their results, or as text.

    Calls without a result are left out, since no model can be sent them.
    """
    calls = stream.aggregator
    messages = [] if calls is None else calls.get_messages(allow_missing=True)
    if messages:
        return list(messages)
    seen = stream.snapshot
    if not (seen.continuation or seen.refusal or seen.images or seen.audio):
        return []
    turn = {"role": "assistant", **stream.turn()}
    return [turn] if turn["content"] or len(turn) > 2 else []


def _told(call: Any) -> dict[str, Any]:
    """A call that waits, as the page shows it."""
    shown = [
        {"field": name, "value": value if isinstance(value, str) else json_text(value), "type": type(value).__name__}
        for name, value in call.arguments.items()
    ]
    return {"name": call.name, "rows": shown, "arguments": json_text(call.arguments)}


def _with_logprobs(model: Any) -> Any:
    """The same model, asked for the probabilities of its tokens, where its provider gives them."""
    options = with_probabilities(model.options, model.profile, model.wire, alternatives=_ALTERNATIVES)
    if options is None:
        return model
    asked = copy.copy(model)
    asked.options = options
    return asked
