"""The prompts of the plan drivers; each can be replaced."""

from __future__ import annotations

import msgspec

__all__ = ["Prompts"]


class Prompts(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that drivers send; pass your own as ``prompts=Prompts(propose="…")``.

    :meth:`str.format` fills in the names in braces: ``{task}``, ``{path}`` (the thoughts so far, one per line),
    ``{thought}``, ``{count}``, ``{steps}``, ``{answers}``.

    Attributes:
        react: the system prompt of ``react``.
        thought: describes the parameter for the thought of a tool call.
        final_answer: describes the tool by which a model answers, with ``answer_tool=True``.
        react_close: asks for the answer at a limit; ``{steps}`` are the calls with their results.
        propose: asks for next thoughts.
        value: asks how promising a path is.
        tree_close: asks for the answer of the best path.
        judge: asks which answers mean the same; ``{answers}`` are numbered from 1.
    """

    react: str = "Think before you act: use the tools step by step, and answer when you know enough."
    thought: str = "what is known, and why this call is made now"
    final_answer: str = "Give the final answer, once you know enough."
    react_close: str = (
        "{task}\n\nThis was done so far:\n{steps}\n\nNo more tools can be used. Give the best answer that follows."
    )
    propose: str = "{task}\n\nThoughts so far:\n{path}\n\nPropose {count} different next thoughts, one step each."
    value: str = (
        "{task}\n\nThoughts so far:\n{path}\n\nHow likely do these thoughts lead to the answer? "
        "Give a score from 0 (impossible) to 1 (sure)."
    )
    tree_close: str = "{task}\n\nThe best thoughts found:\n{path}\n\nGive the answer that follows."
    judge: str = "{task}\n\nThese answers were given:\n{answers}\n\nGroup the numbers of answers that mean the same."
