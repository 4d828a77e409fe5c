"""``react``: the model thinks, calls tools and reads their results until it answers; uses ``run_tools``' loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Unpack, cast

from ..errors import StreamInterruptedError, ToolCallError, brief
from ..models.answer import Answer
from ..protocol.tool_calls import ToolCall, ToolCallAggregator
from .answer_tool import AnswerTool
from .argument_checks import check_count, prompts_of
from .budget import Budget, Limits
from .log import Log, opened, running
from .plan_events import Asking, PlanEnded, PlanStarted, StepTaken
from .prompts import Prompts
from .result import PlanResult, result_of, text_of
from .tool_loop import OnEvent, OnRequest, OnResult, ToolLoop, aanswer_of, answer_of, arun_call, run_call
from .tool_results import as_text
from .trace import ToolStep, Turn

__all__ = ["areact", "react"]

_RESULT_MAX_CHARACTERS = 4000
_THOUGHT = "thought"


def react(
    model: Any,
    task: Any,
    *,
    tools: Iterable[Any],
    answer: Any = str,
    answer_tool: bool = False,
    max_steps: int = 8,
    on_event: OnEvent | None = None,
    on_request: OnRequest | None = None,
    on_result: OnResult | None = None,
    result_max_characters: int = _RESULT_MAX_CHARACTERS,
    prompts: Prompts | None = None,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Let a model think and use tools until it answers (Yao et al. 2022, 2210.03629).

    Each tool gets an extra parameter ``thought``, in which the model says why it makes the call. The function does not
    receive it.

    Args:
        model: from ``Model.chat_completion``.
        task: a text, or a list of message dicts.
        tools: as for ``run_tools``.
        answer: the type of the answer.
        answer_tool: whether the model has to call a tool in each turn, and answers by an extra tool, ``final_answer``.
            Small models then use the tools instead of making up an answer.
        max_steps: how often the model is asked at most; the last time without tools.
        on_event: as for ``run_tools``, and also called with the plan's events.
        on_request: as for ``run_tools``: approves, changes or refuses a call.
        on_result: as for ``run_tools``.
        result_max_characters: the model sees only the beginning of a longer result; the trace has all of it.
        prompts: replaces the default prompts.
        **budget: ``max_calls``, ``max_tokens``, ``max_cost``, ``max_seconds``. At a limit the model is asked once more,
            without tools, with what was done so far; ``max_calls`` includes that call. ``max_seconds`` cancels calls in
            flight, including awaited tools.

    Returns:
        The answer; ``trace`` has a turn for each answer, with its thoughts, calls and results.

    Raises:
        Exception: whatever a call raises; ``error.plan`` is the result so far, also for an interrupt.

    Example:
        >>> result = react(model, "How much is 17 + 25?", tools=[add], answer=int)  # doctest: +SKIP
    """
    loop = _ReactLoop(
        model,
        task,
        tools,
        answer,
        answer_tool,
        max_steps,
        on_event,
        on_request,
        on_result,
        result_max_characters,
        prompts,
        budget,
    )
    for tool in loop.tools.values():
        if tool.is_async:
            raise ToolCallError(f"{tool.name} is async; use: await mf.plan.areact(...). Nothing was sent.")
    with running(loop.log, loop.result, loop.started()), loop.telling():
        while (calls := loop.took(_turn(model, loop))) is not None:
            for call in calls.get_calls():
                if not loop.late_for(call):
                    run_call(loop, call)
            loop.took_results(calls)
        return loop.finish()


async def areact(
    model: Any,
    task: Any,
    *,
    tools: Iterable[Any],
    answer: Any = str,
    answer_tool: bool = False,
    max_steps: int = 8,
    on_event: OnEvent | None = None,
    on_request: OnRequest | None = None,
    on_result: OnResult | None = None,
    result_max_characters: int = _RESULT_MAX_CHARACTERS,
    prompts: Prompts | None = None,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Like :func:`react`, but async: the calls of one turn run concurrently, as in ``arun_tools``."""
    loop = _ReactLoop(
        model,
        task,
        tools,
        answer,
        answer_tool,
        max_steps,
        on_event,
        on_request,
        on_result,
        result_max_characters,
        prompts,
        budget,
    )
    with running(loop.log, loop.result, loop.started(), awaited=True), loop.telling():
        while (calls := loop.took(await _aturn(model, loop))) is not None:
            limit = asyncio.timeout(loop.log.budget.seconds_left())
            try:
                async with limit:
                    await asyncio.gather(*(arun_call(loop, call) for call in calls.get_calls()))
            except TimeoutError:
                if not limit.expired():
                    raise
                loop.leave(calls)
            loop.took_results(calls)
        return loop.finish()


def _turn(model: Any, loop: _ReactLoop) -> Answer:
    """Ask for the next turn; if ``max_seconds`` cut it, ask for the closing one."""
    loop.log.check()
    answer = opened(model, loop.messages, loop.keywords())
    if answer is None:
        return answer_of(model, loop)
    try:
        with loop.log.cutting(answer):
            if loop.on_event is not None:
                return answer_of(model, loop, answer)
            answer.finish()
            return answer.response()
    except StreamInterruptedError:
        if not loop.log.late:
            raise
    loop.cut(answer.text)
    return _turn(model, loop)


async def _aturn(model: Any, loop: _ReactLoop) -> Answer:
    limit = asyncio.timeout(loop.log.budget.seconds_left())
    try:
        async with limit:
            return await aanswer_of(model, loop)
    except TimeoutError:
        if not limit.expired():
            raise
    loop.cut(getattr(loop.arriving, "text", ""))
    return await aanswer_of(model, loop)


class _ReactLoop(ToolLoop):
    """The loop of ``run_tools`` with thoughts, a budget and a trace."""

    def __init__(
        self,
        model: Any,
        task: Any,
        tools: Iterable[Any],
        answer: Any,
        answer_tool: bool,
        max_steps: int,
        on_event: OnEvent | None,
        on_request: OnRequest | None,
        on_result: OnResult | None,
        result_max_characters: int,
        prompts: Prompts | None,
        budget: Limits,
    ) -> None:
        if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
            raise ValueError(f"max_steps: expected a number of at least 1, got {brief(max_steps)}")
        check_count(result_max_characters=result_max_characters)
        if not isinstance(answer_tool, bool):
            raise TypeError(f"answer_tool: expected True or False, got {type(answer_tool).__name__}")
        self._prompts = prompts_of(prompts)
        keywords = {"system_prompt": self._prompts.react}
        if answer is not str:
            keywords["generation_schema"] = answer
        super().__init__(model, task, tools, keywords, max_steps + 1, on_request, on_result, on_event)
        self._with_thought = {
            name for name, tool in self.tools.items() if all(one.name != _THOUGHT for one in tool.parameters)
        }
        self.schemas = [_thoughtful(schema, self._with_thought, self._prompts.thought) for schema in self.schemas]
        self._answer_tool = AnswerTool(answer, self._prompts.final_answer) if answer_tool else None
        if self._answer_tool is not None:
            if AnswerTool.name in self.tools:
                raise ValueError(
                    f"answer_tool=True adds a tool named {AnswerTool.name}, and one of your tools has that name. "
                    "Rename yours."
                )
            self.schemas.append(self._answer_tool.schema)
        self._task, self._max_steps, self._longest = task, max_steps, result_max_characters
        self.log = Log(Budget(budget, reserved=1), on_event)
        self.arriving: Any = None  # the answer that is arriving
        self._turns: list[Turn] = []
        self._steps: dict[str, ToolStep] = {}
        self._thoughts: dict[str, str] = {}  # thoughts by the id of their call
        self._shown: list[str] = []
        self._closing = False
        self._conversation: list[dict[str, Any]] | None = None
        self._final: Any = None
        self._stopped: str | None = None
        self._look()

    def started(self) -> PlanStarted:
        """The first event."""
        options = {"max_steps": self._max_steps}
        limits = self.log.budget.limits
        return PlanStarted(kind="react", task=self._task, limits=limits, options=options, stop=self.log.stop)

    @contextmanager
    def told(self, stream: Any, on_event: OnEvent) -> Iterator[None]:
        self.arriving = stream
        self.log.tell(Asking("turn", len(self._turns) + 1))
        with super().told(stream, on_event):
            yield

    def cut(self, text: str) -> None:
        """Keep the results of a turn that ``max_seconds`` cut, and go on to the closing call."""
        self.log.late = True
        self._add_turn(text)
        self.log.cut(None)
        self._look()

    def late_for(self, call: ToolCall) -> bool:
        """Whether ``max_seconds`` were over before a call ran; its result is then an error that says so."""
        self.log.check()
        if self.log.budget.seconds_left() != 0:
            return False
        self.finished(call, ToolCallError("max_seconds was reached before this call ran"))
        return True

    def leave(self, calls: ToolCallAggregator) -> None:
        """Give up calls that still run when ``max_seconds`` are over."""
        self.log.late = True
        for call in calls.get_calls():
            if call.id not in self._results:
                self.finished(call, ToolCallError("max_seconds was reached before this call ended"))

    def _add_turn(self, text: str) -> None:
        turn = Turn(number=len(self._turns) + 1, text=text, closing=self._closing)
        self._turns.append(turn)
        self.log.tell(turn)

    def keywords(self) -> dict[str, Any]:
        keywords = super().keywords()
        if self._closing:
            keywords.pop("tool_schemas", None)
        elif self._answer_tool is not None:
            keywords.pop("generation_schema", None)
            keywords["tool_choice"] = "required"
        return keywords

    def took(self, response: Answer) -> ToolCallAggregator | None:
        self.log.responses.append(response)
        tool = self._answer_tool
        answered = tool is not None and tool.takes(response)
        self._add_turn(text_of(tool.answer) if tool is not None and answered else response.text)
        calls = super().took(response)
        self.log.budget.took_response(response)
        self.log.tell_spent()
        return None if self._closing or answered else calls

    def took_results(self, calls: ToolCallAggregator) -> None:
        super().took_results(calls)
        self._fold()
        self._look()

    def _fold(self) -> None:
        """Add ended calls to their turn."""
        if self._turns and self._steps:
            steps = (*self._turns[-1].steps, *self._steps.values())
            last = self._turns[-1]
            self._turns[-1] = Turn(number=last.number, text=last.text, closing=last.closing, steps=steps)
            self._steps = {}

    def _look(self) -> None:
        """Go on to the closing call if a limit is reached; it has no tools, and the steps so far as text.

        The steps are text, since some providers refuse a history with calls if the request has no tools.
        """
        self._stopped = self.log.budget.reached()
        if self._stopped is None and self.responses and len(self.responses) >= self._max_steps - 1:
            self._stopped = "max_steps"
        if self._max_steps == 1:
            self._stopped = self._stopped or "max_steps"
        if self._stopped is None:
            return
        self._closing = True
        self.log.budget.close()
        self._conversation = self.messages
        steps = "\n".join(self._shown) or "nothing"
        prompt = self._prompts.react_close.format(task=text_of(self._task), steps=steps)
        self.messages = [{"role": "user", "content": prompt}]

    def prepared(self, call: ToolCall, answer: Any) -> Any:
        if self._answer_tool is not None and call.name == AnswerTool.name:
            return None, call, self._answer_tool.refused
        return super().prepared(self._plain(call), answer)

    def ask(self, call: ToolCall) -> Any:
        own = self._answer_tool is not None and call.name == AnswerTool.name
        return None if own else super().ask(self._plain(call))

    def _plain(self, call: ToolCall) -> ToolCall:
        """Return a call without its thought, and keep the thought."""
        arguments = call.arguments
        if call.name not in self._with_thought or not isinstance(arguments, dict) or _THOUGHT not in arguments:
            return call
        self._thoughts[call.id] = str(arguments[_THOUGHT])
        return call._replace(arguments={name: value for name, value in arguments.items() if name != _THOUGHT})

    def finished(self, call: ToolCall, result: Any) -> None:
        whole = as_text(call, result)
        cut = len(whole) > self._longest
        shown = f"{whole[: self._longest]}… ({len(whole) - self._longest:,} more characters)" if cut else whole
        response = self.responses[-1]
        thought = self._thoughts.get(call.id) or response.text or response.reasoning or ""
        arguments = cast(Any, call.arguments)
        step = ToolStep(thought=thought, name=call.name, arguments=arguments, result=whole, cut=cut)
        self._steps[call.id] = step
        self.log.tell(StepTaken(len(self._turns), call.id, step))
        self._shown.append(f"- {thought}\n  {call.name}({text_of(call.arguments)}) gave: {shown}")
        try:
            super().finished(call, result)
        finally:
            self._results[call.id] = shown

    def finish(self) -> PlanResult:
        """Read the final answer, send that the plan has ended, and return the result."""
        final = self.responses[-1]
        if self._answer_tool is not None and self._answer_tool.taken:
            self._final = self._answer_tool.answer
        else:
            self._final = final.text if final.aggregator is not None else final.decoded()
        if final.aggregator is None:
            self.end()
        result = self.result()
        self.log.tell(PlanEnded(result))
        return result

    def result(self, stopped: str | None = None) -> PlanResult:
        """Return the result so far."""
        self._fold()
        thoughts = tuple(step.thought for turn in self._turns for step in turn.steps)
        before = self._conversation if self._conversation is not None else self._so_far()
        messages = list(before)
        if self._final is not None:
            messages.append({"role": "assistant", "content": text_of(self._final)})
        return result_of(
            self.log,
            kind="react",
            options=self.started().options,
            task=self._task,
            final_answer=self._final,
            trace=self._turns,
            paths=(thoughts,) if thoughts else (),
            stopped=stopped or self._stopped,
            margin=None,
            messages=messages,
        )


def _thoughtful(schema: dict[str, Any], names: set[str], description: str) -> dict[str, Any]:
    """Return a tool's schema with an extra first parameter for the thought."""
    function = schema.get("function")
    if not isinstance(function, dict) or function.get("name") not in names:
        return schema
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    thought = {_THOUGHT: {"type": "string", "description": description}}
    properties = {**thought, **parameters.get("properties", {})}
    required = [_THOUGHT, *parameters.get("required", [])]
    changed = {**parameters, "properties": properties, "required": required}
    return {**schema, "function": {**function, "parameters": changed}}
