"""The loop of ``run_tools`` without I/O, and its steps with I/O, sync and async: ask for an answer, run a call.

``run_tools``, ``arun_tools``, ``react`` and the playground use it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import msgspec

from ..content.checks import check_messages
from ..errors import ToolCallError, brief
from ..generation.tool_forms import name_of_tool
from ..generation.tool_schema import Tool, listed_tools, tool_schemas, tools_by_name
from ..models.answer import Answer, ModelResponse
from ..protocol.events import Event, Usage
from ..protocol.tool_calls import ToolCall, ToolCallAggregator
from .tool_results import as_text, tried, waited_for

__all__ = [
    "Messages",
    "OnEvent",
    "OnRequest",
    "OnResult",
    "RunEnded",
    "StepEnded",
    "StepStarted",
    "ToolLoop",
    "ToolRun",
    "aanswer_of",
    "answer_of",
    "arun_call",
    "one_answer",
    "run_call",
]

Messages = str | Sequence[dict[str, Any]]
OnRequest = Callable[[ToolCall], Any]
OnResult = Callable[[ToolCall, Any], Any]


class StepStarted(msgspec.Struct, frozen=True):
    """The model is about to be asked.

    Attributes:
        step: the number of this request, counted from 1.
        stream: its answer, which is not requested yet; ``stream.cancel()`` ends it, from any thread.
    """

    step: int
    stream: Any


class StepEnded(msgspec.Struct, frozen=True):
    """An answer has ended.

    Attributes:
        step: the number of the request.
        stream: the answer so far.
        error: the exception that ended it early, interrupts included; None if it is complete.
    """

    step: int
    stream: Any
    error: BaseException | None = None


class RunEnded(msgspec.Struct, frozen=True):
    """The whole conversation has ended.

    Attributes:
        run: the result of ``run_tools``, a :class:`ToolRun`, or the answer of :func:`one_answer`; None after an error.
        error: the exception, interrupts included; else None.
    """

    run: Any = None
    error: BaseException | None = None


OnEvent = Callable[[Event | StepStarted | StepEnded | RunEnded], Any]


class ToolRun(ModelResponse):
    """The final answer of a conversation with tools, and the whole conversation.

    Attributes:
        messages: the whole conversation: the given messages, each turn with its calls and results, the final answer.
        responses: all answers in order; the last one is the final answer.
    """

    def __init__(self, messages: list[dict[str, Any]], responses: list[Answer]) -> None:
        super().__init__(responses[-1])
        self.messages = messages
        self.responses = responses

    @property
    def usage(self) -> Usage | None:
        """The billed tokens of all answers together; ``metadata.usage`` is that of the final answer."""
        usages = [one.metadata.usage for one in self.responses]
        known = [usage for usage in usages if usage is not None]
        return sum(known[1:], known[0]) if len(known) == len(usages) else None

    @property
    def cost(self) -> float | None:
        """US dollars of all answers together; None if the price of one is not known."""
        costs = [one.metadata.cost for one in self.responses]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


class ToolLoop:
    """One conversation, without I/O. The drivers ask for its next turn, and report the result."""

    def __init__(
        self,
        model: Any,
        messages: Messages,
        tools: Iterable[Any],
        keywords: dict[str, Any],
        max_steps: int = 1,
        on_request: OnRequest | None = None,
        on_result: OnResult | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        if not callable(getattr(model, "acall", None)):
            raise TypeError(
                f"model: expected mf.Model.chat_completion(...), got {type(model).__name__} ({brief(model)})"
            )
        if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
            raise ValueError(f"max_steps: expected a number of at least 1, got {brief(max_steps)}")
        for name, callback in (("on_request", on_request), ("on_result", on_result), ("on_event", on_event)):
            if callback is not None and not callable(callback):
                raise TypeError(f"{name}: expected a function or None, got {type(callback).__name__}")
        listed_here = listed_tools(tools)
        self.tools = tools_by_name(listed_here)
        known = iter(self.tools.values())
        self.schemas = tool_schemas([tool if isinstance(tool, dict) else next(known) for tool in listed_here])
        self._echoed = [name_of_tool(schema) for schema in self.schemas if schema.get("type") == "builtin_function"]
        self.messages = check_messages(messages, getattr(getattr(model, "profile", None), "parts", ()))
        self.responses: list[Answer] = []
        self.on_event = on_event
        self._keywords = keywords
        self._left = max_steps
        self._on_request, self._on_result = on_request, on_result
        self._results: dict[str, str] = {}  # of this turn's calls, by id

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of the next call. A tool call is forced only once, or the model could never answer."""
        keywords = {**self._keywords, **({"tool_schemas": self.schemas} if self.schemas else {})}
        if self.responses:
            keywords.pop("tool_choice", None)
            keywords.pop("prefilling", None)
        if self.on_event is not None:
            keywords["stream"] = True
        return keywords

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Send how the conversation ends."""
        tell = self.on_event or (lambda _: None)
        try:
            yield
        except BaseException as error:
            if not getattr(error, "messages", None):
                with suppress(Exception):  # an exception with slots takes no attribute
                    error.messages = self._so_far()  # type: ignore[attr-defined]  # what was paid for is not lost
            tell(RunEnded(error=error))
            raise

    @contextmanager
    def told(self, stream: Any, on_event: OnEvent) -> Iterator[None]:
        """Send that an answer starts and how it ends; a cancelled answer is an error here."""
        step = len(self.responses) + 1
        try:
            on_event(StepStarted(step, stream))
            yield
            stream.response()
        except BaseException as error:
            stream.cancel()
            on_event(StepEnded(step, stream, error))
            raise
        on_event(StepEnded(step, stream))

    def took(self, response: Answer) -> ToolCallAggregator | None:
        """Add an answer; return the calls to run, or None if it is the final answer.

        Raises:
            ToolCallError: the model still calls tools although ``max_steps`` is reached.
        """
        self.responses.append(response)
        calls = response.aggregator
        if calls is None:
            return None
        self._left -= 1
        if self._left <= 0:
            raise ToolCallError(
                f"the model still calls tools after {len(self.responses)} steps. Raise max_steps, or look at what it "
                "does: the conversation is in .messages, its last calls in .snapshot.",
                messages=self.messages,
                snapshot=response.snapshot,
            )
        return calls

    def took_results(self, calls: ToolCallAggregator) -> None:
        """Add the results of all complete calls; the result of a broken call is its error."""
        calls.insert_results(self._results)
        self.messages += calls.get_messages()
        self._results = {}

    def _so_far(self) -> list[dict[str, Any]]:
        """Return the conversation as a history that can be continued; of the last turn, only calls with a result."""
        calls = self.responses[-1].aggregator if self._results else None
        if calls is None:
            return self.messages
        calls.insert_results(self._results)
        return [*self.messages, *calls.get_messages(allow_missing=True)]

    def end(self) -> ToolRun:
        """Return the final answer."""
        final = self.responses[-1]
        run = ToolRun([*self.messages, *final.to_messages()], self.responses)
        if self.on_event is not None:
            self.on_event(RunEnded(run))
        return run

    def ask(self, call: ToolCall) -> Any:
        """Ask ``on_request`` whether a call may run; an async one returns an awaitable."""
        return None if self._on_request is None else self._on_request(call)

    def prepared(self, call: ToolCall, answer: Any) -> tuple[Tool | None, ToolCall, Any]:
        """Return the tool to run or None, the approved call, and the result if there is nothing to run."""
        if isinstance(answer, dict):
            call = call._replace(arguments=answer)
        elif answer is False or isinstance(answer, str):
            said = f": {answer}" if answer else ""
            return None, call, {"error": f"the user did not approve this call{said}"}
        tool = self.tools.get(call.name)
        if tool is None and call.name in self._echoed:  # Moonshot runs it once its arguments are sent back
            return None, call, call.arguments
        if tool is None:
            names = ", ".join(self.tools) or "none"
            return None, call, {"error": f"there is no tool {call.name!r}; the tools are: {names}"}
        return tool, call, None

    def finished(self, call: ToolCall, result: Any) -> None:
        """Add a result, and call ``on_result`` with it."""
        try:
            if self._on_result is not None:
                self._on_result(call, result)
        finally:
            self._results[call.id] = as_text(call, result)


def answer_of(model: Any, loop: ToolLoop, response: Any = None) -> Answer:
    """Ask for the next answer of a loop, and return it when it is complete.

    Args:
        model: the model.
        loop: the conversation.
        response: the answer, if it was already asked for.

    Raises:
        MsgfluxError: the call failed, or was cancelled.
    """
    if response is None:
        response = model(loop.messages, **loop.keywords())
    if loop.on_event is not None:
        with loop.told(response, loop.on_event):
            for event in response.events():
                loop.on_event(event)
            response.finish()
    return cast(Answer, response)


async def aanswer_of(model: Any, loop: ToolLoop) -> Answer:
    """Like :func:`answer_of`, but async."""
    response: Any = await model.acall(loop.messages, **loop.keywords())
    if loop.on_event is not None:
        with loop.told(response, loop.on_event):
            async for event in response.events():
                loop.on_event(event)
            await response.finish()
    return cast(Answer, response)


def one_answer(model: Any, messages: Messages, on_event: OnEvent, keywords: dict[str, Any]) -> Answer:
    """Ask once, without tools, and send the same events as ``run_tools``.

    Args:
        model: the model.
        messages: the messages.
        on_event: as for ``run_tools``.
        keywords: the keywords of the call.

    Raises:
        MsgfluxError: the call failed, or was cancelled.
    """
    loop = ToolLoop(model, messages, (), keywords, on_event=on_event)
    with loop.telling():
        answer = answer_of(model, loop)
    on_event(RunEnded(answer))
    return answer


def run_call(loop: ToolLoop, call: ToolCall) -> None:
    """Have a call approved, run it, and report its result to the loop."""
    tool, approved, result = loop.prepared(call, loop.ask(call))
    if tool is not None:
        result = tried(tool.call, approved.arguments)
        if inspect.iscoroutine(result):
            result.close()
            result = ToolCallError(f"{call.name} returns a coroutine; use: await mf.arun_tools(...)")
    loop.finished(approved, result)


async def arun_call(loop: ToolLoop, call: ToolCall) -> None:
    """Like :func:`run_call`, but async; the tool and ``on_request`` may be async."""
    answer = loop.ask(call)
    tool, approved, result = loop.prepared(call, await answer if inspect.isawaitable(answer) else answer)
    if tool is not None:
        if tool.is_async:
            result = tried(tool.call, approved.arguments)
        else:
            result = await asyncio.to_thread(tried, tool.call, approved.arguments)
        if inspect.isawaitable(result):  # a plain function may return a coroutine too
            result = await waited_for(result)
    loop.finished(approved, result)
