"""``run_tools``: asks the model, runs the tools that it calls, sends their results back, until it answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any, Never

from ..content.keywords import refuse_unknown
from ..errors import ToolCallError
from ..http.limits import waking
from .tool_loop import (
    Messages,
    OnEvent,
    OnRequest,
    OnResult,
    ToolLoop,
    ToolRun,
    aanswer_of,
    answer_of,
    arun_call,
    run_call,
)

__all__ = ["arun_tools", "run_tools"]


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
        tools: Python functions, whose hints and docstrings describe their parameters to the model; and tools that run
            at the provider, such as ``{"type": "web_search_preview"}``.
        max_steps: how often the model is asked, at most.
        on_request: called with each :class:`ToolCall` before it runs. ``False`` or a reason as ``str`` refuses the
            call, and the model is told so; a dict replaces its arguments; anything else lets it run.
        on_result: called with each call and its result, or the exception if the function failed. An exception of
            ``on_result`` or ``on_request`` ends the run.
        on_event: streams each answer, and is called with each of its typed events, between a :class:`StepStarted` and a
            :class:`StepEnded`, and at the end with a :class:`RunEnded`. An exception that it raises ends the run.
        system_prompt: put before the messages.
        tool_choice: for the first turn: ``"required"``, or the name of a tool; in later turns the model chooses.
        prefilling: the start of the first answer only.
        generation_schema: the type to which the final answer is decoded.
        unknown: any other keyword is refused.

    Returns:
        The final answer, with the whole conversation in ``messages``.

    Raises:
        Exception: whatever ends the run; its ``messages`` hold the conversation so far, including results.
        ToolCallError: ``max_steps`` is reached; the conversation so far is in its ``messages``.
        SchemaError: a function cannot be a tool.
        StreamInterruptedError: with ``on_event``: the stream was cancelled.
        MsgfluxError: a call of the model failed.

    Example:
        >>> def add(a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> final = run_tools(model, "How much is 17 + 25?", tools=[add])  # doctest: +SKIP
    """
    refuse_unknown("run_tools", unknown, inspect.signature(run_tools).parameters)
    keywords = _keywords(system_prompt, tool_choice, prefilling, generation_schema)
    loop = ToolLoop(model, messages, tools, keywords, max_steps, on_request, on_result, on_event)
    for tool in loop.tools.values():
        if tool.is_async:
            raise ToolCallError(f"{tool.name} is async; use: await mf.arun_tools(...). Nothing was sent.")
    with loop.telling():
        while True:
            calls = loop.took(answer_of(model, loop))
            if calls is None:
                break
            for call in calls.get_calls():
                run_call(loop, call)
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
    """Like :func:`run_tools`, but async: the calls of one turn run concurrently.

    Async functions run on the loop, others on threads. ``on_request`` may be async, to wait for a person.
    """
    refuse_unknown("run_tools", unknown, inspect.signature(run_tools).parameters)
    keywords = _keywords(system_prompt, tool_choice, prefilling, generation_schema)
    loop = ToolLoop(model, messages, tools, keywords, max_steps, on_request, on_result, on_event)
    with loop.telling(), waking():
        while True:
            calls = loop.took(await aanswer_of(model, loop))
            if calls is None:
                break
            await asyncio.gather(*(arun_call(loop, call) for call in calls.get_calls()))
            loop.took_results(calls)
    return loop.end()


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
