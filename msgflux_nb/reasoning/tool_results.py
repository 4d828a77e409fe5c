"""Turns what a tool returns or raises into text for the model; a tool cannot end the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..content.messages import to_json
from ..errors import ToolCallError, described, ends_a_process
from ..protocol.sse import joined
from ..protocol.tool_calls import ToolCall

__all__ = ["as_text", "tried", "waited_for"]


def as_text(call: ToolCall, result: Any) -> str:
    """Return a result as text for the model, without lone surrogates, which a request cannot hold."""
    if isinstance(result, str):
        return joined(result)
    if isinstance(result, BaseException):
        result = {"error": joined(str(result) if isinstance(result, ToolCallError) else described(result))}
    try:
        return to_json(result)
    except BaseException as error:  # the result's own code may raise anything
        if ends_a_process(error):
            raise
        return to_json({"error": joined(f"the result of {call.name} has no JSON form: {described(error)}")})


def tried(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a tool; return the exception that it raises, for the model; a thread cannot raise a StopIteration."""
    try:
        return function(*arguments)
    except BaseException as error:
        if ends_a_process(error):
            raise
        return error


async def waited_for(result: Any) -> Any:
    """Await an async tool; return the exception that it raises, except a cancellation of the caller."""
    try:
        return await result
    except BaseException as error:
        task = asyncio.current_task()
        cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        if cancelled or ends_a_process(error):
            raise
        return error
