"""The tool by which a model gives its answer if it has to call a tool in every turn."""

from __future__ import annotations

from typing import Any

from ..errors import ToolCallError
from ..generation.tool_schema import Tool
from ..models.answer import Answer
from .tool_results import tried

__all__ = ["AnswerTool"]


class AnswerTool:
    """A tool whose argument is the answer.

    Args:
        answer: the type of the answer.
        description: the tool's description for the model.

    Attributes:
        name: the tool's name.
        schema: the tool's schema, as sent to the model.
        taken: whether the model has answered.
        answer: the answer.
        refused: why the last call of the tool was not accepted as the answer.
    """

    name = "final_answer"

    def __init__(self, answer: Any, description: str) -> None:
        def final_answer(answer: Any) -> Any:
            return answer

        final_answer.__doc__ = description
        final_answer.__annotations__ = {"answer": answer}
        self._tool = Tool.of(final_answer)
        self.schema = self._tool.schema
        self.taken = False
        self.answer: Any = None
        self.refused: BaseException = ToolCallError("")

    def takes(self, response: Answer) -> bool:
        """Whether a turn is the answer; an answer next to other calls is refused, since their results were not seen."""
        calls = [] if response.aggregator is None else response.aggregator.get_calls()
        if self.name not in [call.name for call in calls]:
            return False
        if len(calls) > 1:
            self.refused = ToolCallError(f"not an answer yet: call {self.name} alone, once you have seen the results")
            return False
        given = tried(self._tool.call, calls[0].arguments)
        if isinstance(given, BaseException):
            self.refused = given
            return False
        self.taken, self.answer = True, given
        return True
