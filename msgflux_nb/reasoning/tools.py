"""``run_tools``: ask the model, run the tools that it calls, feed their results back, until it answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Never, cast

import msgspec

from ..content.checks import check_messages
from ..content.keywords import refuse_unknown
from ..errors import ToolCallError
from ..generation.tool_forms import name_of_tool
from ..generation.tool_schema import Tool, listed_tools, tool_schemas, tools_by_name
from ..models.answer import Answer, ModelResponse
from ..protocol.events import Event, Usage
from ..protocol.tool_calls import ToolCall, ToolCallAggregator
from .tool_results import as_text, tried, waited_for

__all__ = ["RunEnded", "StepEnded", "StepStarted", "ToolRun", "arun_tools", "run_tools", "told_step"]

Messages = str | Sequence[dict[str, Any]]
OnRequest = Callable[[ToolCall], Any]
OnResult = Callable[[ToolCall, Any], Any]


class StepStarted(msgspec.Struct, frozen=True):
    """The model is about to be asked.

    Attributes:
        step: how often it was asked, this time included.
        stream: its answer, of which nothing was sent for yet; ``stream.cancel()`` ends it, from any thread.
    """

    step: int
    stream: Any


class StepEnded(msgspec.Struct, frozen=True):
    """An answer has ended.

    Attributes:
        step: which.
        stream: the answer, as far as it came.
        error: what ended it early, an interrupt included; None if it is whole.
    """

    step: int
    stream: Any
    error: BaseException | None = None


class RunEnded(msgspec.Struct, frozen=True):
    """The whole conversation has ended.

    Attributes:
        run: what ``run_tools`` returns, a :class:`ToolRun`; None if it raises.
        error: what it raises, an interrupt included.
    """

    run: Any = None
    error: BaseException | None = None


OnEvent = Callable[[Event | StepStarted | StepEnded | RunEnded], Any]


class ToolRun(ModelResponse):
    """The final answer of a conversation with tools; everything that a :class:`ModelResponse` offers is about it.

    Attributes:
        messages: the whole conversation: what was given, each turn with its calls and their results, the final answer.
        responses: the answers, one for each time that the model was asked; the last one is the final answer.
    """

    def __init__(self, messages: list[dict[str, Any]], responses: list[Answer]) -> None:
        super().__init__(responses[-1]._call)
        self.messages = messages
        self.responses = responses

    @property
    def usage(self) -> Usage | None:
        """What all answers together were billed; ``metadata.usage`` is the final one's."""
        usages = [one.metadata.usage for one in self.responses]
        known = [usage for usage in usages if usage is not None]
        return sum(known[1:], known[0]) if len(known) == len(usages) else None

    @property
    def cost(self) -> float | None:
        """US dollars of all answers together; None when the price of one is not known."""
        costs = [one.metadata.cost for one in self.responses]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


@contextmanager
def told_step(step: int, stream: Any, on_event: OnEvent) -> Iterator[None]:
    """Tell that an answer starts, and that it has ended; one that was cancelled is an error here.

    Args:
        step: which answer of the run it is, from 1.
        stream: the answer.
        on_event: is told.
    """
    try:
        on_event(StepStarted(step, stream))
        yield
        stream.response()
    except BaseException as error:
        stream.cancel()
        on_event(StepEnded(step, stream, error))
        raise
    on_event(StepEnded(step, stream))


class _Loop:
    """One conversation, without waiting. Both drivers ask for its next turn, and report the result."""

    def __init__(
        self,
        model: Any,
        messages: Messages,
        tools: Iterable[Any],
        keywords: dict[str, Any],
        max_steps: int,
        on_request: OnRequest | None,
        on_result: OnResult | None,
        on_event: OnEvent | None,
    ) -> None:
        if not callable(getattr(model, "acall", None)):
            raise TypeError(
                f"model: expected mf.Model.chat_completion(...), got {type(model).__name__} ({model!r:.60})"
            )
        if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
            raise ValueError(f"max_steps: expected a number of at least 1, got {max_steps!r}")
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
        self._results: dict[str, str] = {}  # of the calls of this turn

    def keywords(self) -> dict[str, Any]:
        """What to call the model with. A forced call is forced once: else the model could never answer."""
        keywords = {**self._keywords, "tool_schemas": self.schemas}
        if self.responses:
            keywords.pop("tool_choice", None)
            keywords.pop("prefilling", None)
        if self.on_event is not None:
            keywords["stream"] = True
        return keywords

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell how the conversation ends."""
        tell = self.on_event or (lambda _: None)
        try:
            yield
        except BaseException as error:
            if not getattr(error, "messages", None):
                with suppress(Exception):  # an error may have no room for it
                    error.messages = self._so_far()  # type: ignore[attr-defined]  # what was paid for is not lost
            tell(RunEnded(error=error))
            raise

    @contextmanager
    def told(self, stream: Any, on_event: OnEvent) -> Iterator[None]:
        """Tell that an answer starts, and that it has ended; one that was cancelled is an error here."""
        with told_step(len(self.responses) + 1, stream, on_event):
            yield

    def took(self, response: Answer) -> ToolCallAggregator | None:
        """Take an answer; return the calls to run, or None if it is the final one.

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
        """Take the results of all complete calls; a broken call is answered by its own error."""
        calls.insert_results(self._results)
        self.messages += calls.get_messages()
        self._results = {}

    def _so_far(self) -> list[dict[str, Any]]:
        """The conversation as a history that can go on: of the last turn, the calls that have a result."""
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
        """Ask whether a call may run; an async ``on_request`` gives an awaitable."""
        return None if self._on_request is None else self._on_request(call)

    def prepared(self, call: ToolCall, answer: Any) -> tuple[Tool | None, ToolCall, Any]:
        """Return the tool to run, or None; the call as it was approved; and the result where nothing is to be run."""
        if isinstance(answer, dict):
            call = call._replace(arguments=answer)
        elif answer is False or isinstance(answer, str):
            said = f": {answer}" if answer else ""
            return None, call, {"error": f"the user did not approve this call{said}"}
        tool = self.tools.get(call.name)
        if tool is None and call.name in self._echoed:  # Moonshot runs it, and wants its arguments back to do so
            return None, call, call.arguments
        if tool is None:
            names = ", ".join(self.tools) or "none"
            return None, call, {"error": f"there is no tool {call.name!r}; the tools are: {names}"}
        return tool, call, None

    def finished(self, call: ToolCall, result: Any) -> None:
        """Take a result, and tell of it."""
        try:
            if self._on_result is not None:
                self._on_result(call, result)
        finally:
            self._results[call.id] = as_text(call, result)


def run_tools(
    model: Any,
    messages: Messages,
    *,
    tools: Iterable[Any],
    max_steps: int = 8,
    on_request: OnRequest | None = None,
    on_result: OnResult | None = None,
    on_event: OnEvent | None = None,
    system_prompt: str | None = None,
    tool_choice: Any = None,
    prefilling: str | None = None,
    generation_schema: Any = None,
    **unknown: Never,
) -> ToolRun:
    """Let a model call Python functions until it answers.

    Args:
        model: from ``Model.chat_completion``.
        messages: a text, or a list of message dicts; read, never changed.
        tools: Python functions, whose hints and docstrings tell the model what they take; and tools that run at the
            provider, such as ``{"type": "web_search_preview"}``.
        max_steps: how often the model is asked, at most.
        on_request: called with each :class:`ToolCall` before it runs. ``False`` or a reason as ``str`` refuses it,
            which the model is told; a dict replaces its arguments; anything else lets it run.
        on_result: called with each call and its result; where the function failed, the exception. What it or
            ``on_request`` raises ends the run.
        on_event: streams each answer, and is called with every typed event of it, between a :class:`StepStarted` and a
            :class:`StepEnded`; at last with a :class:`RunEnded`. What it raises ends the run.
        system_prompt: put in front of the messages.
        tool_choice: for the first turn: ``"required"``, or the name of a tool; later turns are the model's choice.
        prefilling: the start of the first answer; later ones begin by themselves.
        generation_schema: what the final answer is decoded to.
        unknown: any other keyword is refused.

    Returns:
        The final answer, with the whole conversation in ``messages``.

    Raises:
        Exception: whatever ends the run has the conversation so far in its ``messages``, results that came included.
        ToolCallError: ``max_steps`` is reached; the conversation so far is in its ``messages``.
        SchemaError: a function cannot be a tool.
        StreamInterruptedError: with ``on_event``: somebody cancelled the stream.
        MsgfluxError: a call of the model failed.

    Example:
        >>> def add(a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> final = run_tools(model, "How much is 17 + 25?", tools=[add])  # doctest: +SKIP
    """
    refuse_unknown("run_tools", unknown, inspect.signature(run_tools).parameters)
    keywords = _keywords(system_prompt, tool_choice, prefilling, generation_schema)
    loop = _Loop(model, messages, tools, keywords, max_steps, on_request, on_result, on_event)
    for tool in loop.tools.values():
        if tool.is_async:
            raise ToolCallError(f"{tool.name} is async; use: await mf.arun_tools(...). Nothing was sent.")
    with loop.telling():
        while True:
            calls = loop.took(_answer(model, loop))
            if calls is None:
                break
            for call in calls.get_calls():
                _run(loop, call)
            loop.took_results(calls)
    return loop.end()


async def arun_tools(
    model: Any,
    messages: Messages,
    *,
    tools: Iterable[Any],
    max_steps: int = 8,
    on_request: OnRequest | None = None,
    on_result: OnResult | None = None,
    on_event: OnEvent | None = None,
    system_prompt: str | None = None,
    tool_choice: Any = None,
    prefilling: str | None = None,
    generation_schema: Any = None,
    **unknown: Never,
) -> ToolRun:
    """As :func:`run_tools`, from a coroutine: the calls of one turn run side by side.

    Async functions run on the loop, others on threads; ``on_request`` may be async, to wait for a person.
    """
    refuse_unknown("run_tools", unknown, inspect.signature(run_tools).parameters)
    keywords = _keywords(system_prompt, tool_choice, prefilling, generation_schema)
    loop = _Loop(model, messages, tools, keywords, max_steps, on_request, on_result, on_event)
    with loop.telling():
        while True:
            calls = loop.took(await _aanswer(model, loop))
            if calls is None:
                break
            await asyncio.gather(*(_arun(loop, call) for call in calls.get_calls()))
            loop.took_results(calls)
    return loop.end()


def _answer(model: Any, loop: _Loop, response: Any = None) -> Answer:
    if response is None:
        response = model(loop.messages, **loop.keywords())
    if loop.on_event is not None:
        with loop.told(response, loop.on_event):
            for event in response.events():
                loop.on_event(event)
            response.finish()
    return cast(Answer, response)


async def _aanswer(model: Any, loop: _Loop) -> Answer:
    response: Any = await model.acall(loop.messages, **loop.keywords())
    if loop.on_event is not None:
        with loop.told(response, loop.on_event):
            async for event in response.events():
                loop.on_event(event)
            await response.finish()
    return cast(Answer, response)


def _run(loop: _Loop, call: ToolCall) -> None:
    tool, approved, result = loop.prepared(call, loop.ask(call))
    if tool is not None:
        result = tried(tool.call, approved.arguments)
        if inspect.iscoroutine(result):
            result.close()
            result = ToolCallError(f"{call.name} returns a coroutine; use: await mf.arun_tools(...)")
    loop.finished(approved, result)


async def _arun(loop: _Loop, call: ToolCall) -> None:
    answer = loop.ask(call)
    tool, approved, result = loop.prepared(call, await answer if inspect.isawaitable(answer) else answer)
    if tool is not None:
        if tool.is_async:
            result = tried(tool.call, approved.arguments)
        else:
            result = await asyncio.to_thread(tried, tool.call, approved.arguments)
        if inspect.isawaitable(result):  # also of a plain function that returns a coroutine
            result = await waited_for(result)
    loop.finished(approved, result)


def _keywords(
    system_prompt: str | None, tool_choice: Any, prefilling: str | None, generation_schema: Any
) -> dict[str, Any]:
    given = {
        "system_prompt": system_prompt,
        "tool_choice": tool_choice,
        "prefilling": prefilling,
        "generation_schema": generation_schema,
    }
    return {name: value for name, value in given.items() if value is not None}
