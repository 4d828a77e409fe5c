"""Runs a plan in a playground: the driver of a plan schema, and its answer as a turn."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...content.messages import Message
from ...display.plan import plan_figures
from ...errors import StreamInterruptedError
from ...generation import plan as schemas
from ...reasoning.react import react
from ...reasoning.result import PlanResult, text_of
from ...reasoning.self_consistency import self_consistency
from ...reasoning.start import PlanRun, start
from ...reasoning.tree_of_thoughts import tree_of_thoughts
from .answerer import Question, Side

__all__ = ["PlanSide", "answer_of", "driver_name", "driver_of", "plan_question"]

_DRIVERS: dict[Any, Callable[..., PlanResult]] = {
    schemas.ReAct: react,
    schemas.SelfConsistency: self_consistency,
    schemas.TreeOfThoughts: tree_of_thoughts,
}


def driver_of(schema: Any) -> Callable[..., PlanResult] | None:
    """Return the driver of a plan schema; None for any other type."""
    bare = typing.get_origin(schema) or schema
    return next((driver for known, driver in _DRIVERS.items() if known is bare), None)


def driver_name(schema: Any) -> str:
    """Return the name of the driver of a plan schema; empty for any other type."""
    return str(getattr(driver_of(schema), "__name__", ""))


def answer_of(schema: Any) -> Any:
    """Return the type of a plan schema's answer, such as ``int`` for ``ReAct[int]``."""
    return next(iter(typing.get_args(schema)), str)


def plan_question(
    messages: Sequence[Message], schema: Any, tools: tuple[Any, ...], options: Mapping[str, Any], view: Any
) -> Question:
    """Return the question for a plan; its answer is a text or a value of the schema's answer type."""
    driver, answer = driver_of(schema), answer_of(schema)
    own = tools if driver is react else ()
    told = {"driver": driver, "answer": answer, "plan_options": dict(options), "view": view}
    return Question(messages=list(messages), tools=own, **told)


class PlanSide(Side):
    """A model that runs a plan; the plan's view shows it, and the final answer becomes the turn.

    Attributes:
        plan: the result of the plan, partial if it failed.
    """

    plan: PlanResult | None = None
    _run: PlanRun | None = None

    @property
    def response(self) -> PlanResult | None:
        """The result of the plan."""
        return self.plan

    def turns(self) -> list[Message]:
        """Return the final answer as a turn; an empty list without an answer."""
        final = None if self.plan is None or self.state == "stopped" else self.plan.final_answer
        return [] if final is None else [{"role": "assistant", "content": text_of(final)}]

    def status(self, *, times: bool = True) -> tuple[str, ...]:
        """Return calls, tokens, cost and the reason of the stop in short words."""
        return () if self.plan is None else plan_figures(self.plan, times=times)

    def _work(self, job: Any) -> Any:
        question = self.question
        self._number, self._seq = self._count(), 0
        self._phase = "plan"
        self._tell({"type": "start", **self._about()})
        keywords = {"answer": question.answer, **question.plan_options}
        if question.driver is react:
            keywords |= {"tools": question.tools, "on_request": self._calls.aask, "on_result": self._calls.result}
        self._run = start(question.driver, self.model, question.messages, on_event=self._calls.add, **keywords)
        question.view.show(self._run)
        job.check()
        try:
            self._run.wait()
        finally:
            self.plan = self._run.result
        if self._run.state == "stopped" or self.plan is None:
            job.stop()  # it may have been stopped in the plan's view
            raise StreamInterruptedError("the run was stopped")
        self._batch(self._number, 1, {"text": text_of(self.plan.final_answer)})
        return self.plan.final_answer

    def _give_up(self) -> None:
        super()._give_up()
        if self._run is not None:
            self._run.stop()
