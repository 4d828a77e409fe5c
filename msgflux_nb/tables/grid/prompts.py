"""The prompts of a grid, each a template or a list of turns, and their messages for an input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...content.messages import Message
from ...errors import brief, ends_a_process
from ..frames.foreign import foreign_of, to_pandas
from ..marks import marked
from ..rows import Rows, rows_of
from ..template import parse_template

__all__ = ["Prompt", "read_inputs", "read_prompts"]


class Prompt:
    """One prompt over the inputs of a grid.

    Args:
        name: the name of its columns.
        told: the template of a user's turn, with columns in braces; or message dicts whose texts are such templates.
        inputs: the inputs, as :func:`extract` takes them.

    Attributes:
        name: the name of its columns.
        told: the template or messages as they were given.

    Raises:
        ValueError: a template names a column that does not exist, or no column at all.
        TypeError: the prompt is neither a text nor a list of messages.
    """

    def __init__(self, name: str, told: Any, inputs: Any) -> None:
        self.name, self.told = name, told
        try:
            self._rows, self._turns = _read(told, inputs)
        except (TypeError, ValueError) as error:
            raise type(error)(f"prompt {name!r}: {error}") from None

    @property
    def text(self) -> str:
        """The prompt as one text, for display."""
        if isinstance(self.told, str):
            return self.told
        return "\n".join(f"{turn['role']}: {turn.get('content')}" for turn in self.told)

    def tried_message(self, place: int) -> tuple[str | list[Message] | None, BaseException | None]:
        """Return the message for an input, None if there is nothing to send, and the error of its cells or None."""
        if self._rows is not None:
            return self._rows.tried_message(place)
        try:
            return self._messages(place), None
        except BaseException as error:
            if ends_a_process(error):
                raise
            return None, error

    def _messages(self, place: int) -> list[Message] | None:
        texts = [None if rows is None else rows.text(place) for _, rows in self._turns]
        if all(text is None for text in texts):
            return None
        return [
            turn if rows is None else {**turn, "content": text or ""}
            for (turn, rows), text in zip(self._turns, texts, strict=True)
        ]


def read_inputs(inputs: Any) -> tuple[Any, Rows]:
    """Return the inputs of a grid, with an iterator read to its end, and the inputs as rows, with the table's index."""
    foreign = foreign_of(inputs)
    if foreign is not None and foreign.is_series:
        inputs = pd.Series(foreign.cells(["text"])["text"], dtype=object, name=next(iter(foreign.names), None))
    inputs = to_pandas(inputs)
    rows = rows_of(inputs, None)
    if not isinstance(inputs, pd.DataFrame | pd.Series):
        inputs = list(inputs)
        rows = rows_of(inputs, None)
    return inputs, rows


def read_prompts(prompts: Any, inputs: Any) -> list[Prompt]:
    """Return the prompts of a grid, with their names.

    Args:
        prompts: a prompt, a list of prompts, or prompts by name.
        inputs: the inputs.

    Raises:
        ValueError: there are no prompts, or one names a column that does not exist.
        TypeError: one of them is not a prompt.
    """
    if isinstance(prompts, Mapping):
        named = [(str(name), told) for name, told in prompts.items()]
    else:
        one = isinstance(prompts, str) or _is_turns(prompts)
        if not one and not isinstance(prompts, Iterable):
            raise TypeError(
                "prompts: expected a template such as 'Summarise: {text}', a list of them, or a dict of them by name, "
                f"got {type(prompts).__name__!r}"
            )
        listed = [prompts] if one else list(prompts)
        named = [(f"prompt {number}", told) for number, told in enumerate(listed, 1)]
    if not named:
        raise ValueError("prompts: expected at least one, got none")
    return [Prompt(name, told, inputs) for name, told in named]


def _is_turns(told: Any) -> bool:
    return (
        isinstance(told, Sequence)
        and bool(told)
        and all(isinstance(turn, Mapping) and isinstance(turn.get("role"), str) for turn in told)
    )


def _read(told: Any, inputs: Any) -> tuple[Rows | None, list[tuple[Any, Rows | None]]]:
    if isinstance(told, str):
        return rows_of(inputs, told, wrap=marked), []
    if not _is_turns(told):
        raise TypeError(
            "expected a template such as 'Summarise: {text}', or a list of messages whose texts are templates, got "
            f"{brief(told, 80)}"
        )
    turns = [_turn(turn, inputs) for turn in told]
    if all(rows is None for _, rows in turns):
        raise ValueError(
            "expected a column in braces, such as {text}, in at least one message; without one the request would be "
            "the same for every input"
        )
    return None, turns


def _turn(turn: Any, inputs: Any) -> tuple[Any, Rows | None]:
    """Return a turn, and the rows of its text if it names a column; else its text with doubled braces resolved."""
    text = turn.get("content")
    if not isinstance(text, str):
        return turn, None
    template = parse_template(text, _columns(inputs), fixed=True)
    if not template.names:
        return {**turn, "content": template.fill({})}, None
    return turn, rows_of(inputs, text, wrap=marked)


def _columns(inputs: Any) -> list[str]:
    if isinstance(inputs, pd.DataFrame):
        return [str(name) for name in inputs.columns]
    return ["text", *([str(inputs.name)] if isinstance(inputs, pd.Series) and inputs.name is not None else [])]
