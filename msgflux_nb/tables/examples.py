"""Examples for a model: pairs of a row and its answer → turns before each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..content.messages import ChatBlock, Message
from ..errors import brief
from .cells import cell_text

__all__ = ["Example", "example_turns", "read_examples"]

Asked = str | dict[str, str]


class Example(msgspec.Struct, frozen=True):
    """One example.

    Attributes:
        asked: a row's text, or the texts of its cells by column.
        answer: the answer's JSON.
    """

    asked: Asked
    answer: str

    @property
    def plain(self) -> tuple[Asked, Any]:
        """The pair as plain values, as ``examples=`` takes them."""
        return self.asked, msgspec.json.decode(self.answer)


def read_examples(examples: Iterable[Any] | None, schema: Any) -> list[Example]:
    """Read pairs of a row and its answer.

    Args:
        examples: pairs of a row (a text, or cells by column) and its answer (an instance of the schema, or a value that
            converts to one).
        schema: the type of the answers.

    Raises:
        ValueError: an example is not a pair, or its answer does not fit the schema.
    """
    if examples is not None and not isinstance(examples, Iterable):
        raise TypeError(f"examples: expected a list of pairs of a row and its answer, got {type(examples).__name__}")
    found = []
    for number, example in enumerate(() if examples is None else examples):
        try:
            row, answer = example
            asked = row if isinstance(row, str) else {str(name): cell_text(cell) for name, cell in _cells(row)}
            value = answer if isinstance(answer, msgspec.Struct) else msgspec.convert(answer, schema)
            written = msgspec.json.encode(value).decode()
            msgspec.json.decode(written, type=schema)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                "examples: expected pairs of a text, or of cells by column, and its answer as "
                f"{brief(schema, 200)}; number {number} is not such a pair: {error}"
            ) from None
        found.append(Example(asked, written))
    return found


def example_turns(examples: Iterable[Example], written: Callable[[Asked], str]) -> list[Message]:
    """Return the examples as user and assistant turns.

    Args:
        examples: the examples.
        written: makes a row's message.

    Raises:
        ValueError: an example is not a row of this batch.
    """
    turns: list[Message] = []
    for number, example in enumerate(examples):
        try:
            text = written(example.asked)
        except ValueError as error:
            raise ValueError(f"examples: number {number} is not a row: {error}") from None
        turns += [ChatBlock.user(text), ChatBlock.assistant(example.answer)]
    return turns


def _cells(row: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(row, Mapping) or hasattr(row, "items"):  # a row of a DataFrame is a Series
        cells: Iterable[tuple[Any, Any]] = row.items()
        return cells
    raise TypeError(f"expected a text, or a dict of cells by column, got {type(row).__name__!r}")
