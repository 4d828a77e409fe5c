"""Runs one model on a question on a thread, and sends its answers to the page in batches."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable, Mapping
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
from ..base.run import INTERVAL_SECONDS, Sender
from ..tool_calls.tool_fields import tool_fields
from ..tool_calls.tool_job import ToolJob

__all__ = ["Question", "Side", "turns_of"]

_ALTERNATIVES = 5
_MOST_CALLS = 20
_MOST_CHARACTERS = 20_000  # of the arguments of a call that nothing runs


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question; later changes in the playground do not affect it.

    Attributes:
        messages: the messages, without the prefill.
        prefill: the start of the answer; empty for none.
        schema: the name of the answer's structure; empty for text.
        type: the type of the structure, or None.
        tools: functions that the model may call.
        logprobs: whether tokens come with their probabilities.
        driver: the driver of a plan that is run instead of one call, or None.
        answer: the type of the plan's answer.
        plan_options: further keywords of the driver.
        view: the view that shows the plan.
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
    """One of at most two models that answer a question.

    Args:
        index: 0, or 1 for the second model.
        model: the model to ask.
        question: the question.
        number: returns the number of the next answer, from 1, over all sides.
        tell: sends a message to the page.
        calls: the view that shows tool calls and in which a person approves them; None for none.
        settle: called with the turns of each answer except the last, once its calls have results.
        on_end: called once, when ``state``, ``value`` and ``error`` are final.
        interval: seconds between two batches to the page.

    Attributes:
        stream: the present answer, or the last one; None before the first.
        result: a ``ToolRun`` if tools were run to the end, else the same as ``stream``.
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
        interval: float = INTERVAL_SECONDS,
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
        self._interval = interval
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
        """The state of the work."""
        return self.job.state

    @property
    def value(self) -> Any:
        """The value of the last answer, if it is complete."""
        return self.job.value

    @property
    def error(self) -> Exception | None:
        """The error that ended it, or None."""
        return self.job.error

    @property
    def number(self) -> int:
        """The number of the present or last answer."""
        return self._number

    @property
    def response(self) -> Any:
        """The answer as it arrives, or the result of several."""
        return self.result

    def turns(self) -> list[Message]:
        """Return the answer so far as turns of a conversation."""
        return [] if self.stream is None else turns_of(self.stream)

    @property
    def seq(self) -> int:
        """The number of the last batch of the present answer."""
        return self._seq

    @property
    def prefill(self) -> str:
        """The prefill of the present or last answer; only the first one has a prefill."""
        return self.question.prefill if self._step <= 1 else ""

    def progress(self) -> None:
        """Send the whole present answer to a page that has missed a batch."""
        sender = self._sender
        if self.state == "running" and sender is not None:
            told = {"type": "progress", **self._about(), **self._asked_now()}
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
        """Let a person decide on a call; the page shows meanwhile that the run waits for them."""
        types = {
            one.path[0]: one.type for one in tool_fields(self.question.tools).get(call.name, ()) if not one.path[1:]
        }
        self._waiting = _told(call, types)
        self._turn_to("approval" if self._calls.approve == "ask" else "tools")
        answer = self._calls.ask(call)
        self._turn_to("tools")
        return answer

    def _turn_to(self, phase: str) -> None:
        if phase != self._phase:
            self._phase = phase
            told = {"side": self.index, "number": self._number, "phase": phase}
            self._tell({"type": "phase", **told, **self._asked_now()})

    def _asked_now(self) -> dict[str, Any]:
        """Return the call that waits for a person, with the figures of the answer that made it."""
        return {"call": self._waiting, "figures": numbers(self.stream)} if self._phase == "approval" else {}

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
            send = functools.partial(self._batch, self._number)
            self._sender = Sender(self._feed, send, interval=self._interval)
        self._tell({"type": "start", **self._about()})

    def _close(self) -> None:
        """Send the rest of an answer that has ended; once."""
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
            self._number = self._count()  # it failed before anything was sent
        self._close()
        if self._calls is not None and self._calls.state == "running":  # its thread was left to end by itself
            self._calls.add(RunEnded(error=self.error or StreamInterruptedError("the run was stopped")))
        self._on_end(self)

    def ending(self) -> dict[str, Any]:
        """Return the end of the run for the page, without the words of the answer."""
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
            "calls": self._open_calls(),
        }

    def _open_calls(self) -> list[dict[str, Any]]:
        """Return the calls of the last answer without a result, as the page shows them."""
        calls = None if self.stream is None else self.stream.aggregator
        states = [] if calls is None else [state for state in calls.states if state.id not in calls.results]
        return [_asked(state) for state in states[:_MOST_CALLS]]

    def _rows(self) -> list[Any]:
        decoded = () if self.state != "complete" else (self.value,)
        try:
            found = [] if self.question.type is None else rows(self.question.type, *decoded)
        except SchemaError:  # the run has failed with this error and shows it
            found = []
        return [msgspec.to_builtins(row) for row in found]

    def status(self, *, times: bool = True) -> tuple[str, ...]:
        """Return tokens, cost, times and the reason of the end in short words, and what was changed or cut."""
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
    """Return an answer so far as turns of a conversation: with its tool calls and their results, or as text.

    Calls without a result are left out, since no model accepts them.
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


def _told(call: Any, types: Mapping[str, str]) -> dict[str, Any]:
    """Return a waiting call as the page shows it."""
    return {"name": call.name, "rows": _rows_of(call.arguments, types), "arguments": json_text(call.arguments)}


def _asked(state: Any) -> dict[str, Any]:
    """Return a call that nothing runs as the page shows it; what is not a JSON object is shown unchanged."""
    text = state.raw[:_MOST_CHARACTERS]
    try:
        shown = _rows_of(state.partial) if isinstance(state.partial, dict) and len(state.raw) == len(text) else None
    except (ValueError, RecursionError):  # a number of thousands of digits, or a thousand brackets
        shown = None
    as_it_came = [{"field": "arguments", "value": text, "type": state.status}] if text else []
    return {"name": state.name, "rows": as_it_came if shown is None else shown, "arguments": text}


def _rows_of(arguments: dict[str, Any], types: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return a row for each argument; its type is its tool's, else that of its value."""
    return [
        {
            "field": name,
            "value": value if isinstance(value, str) else json_text(value),
            "type": (types or {}).get(name) or type(value).__name__,
        }
        for name, value in arguments.items()
    ]


def _with_logprobs(model: Any) -> Any:
    """Return the model with token probabilities turned on, if its provider has them."""
    options = with_probabilities(model.options, model.profile, model.wire, alternatives=_ALTERNATIVES)
    if options is None:
        return model
    asked = copy.copy(model)
    asked.options = options
    return asked
