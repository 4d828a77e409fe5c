"""Examples for a model: pairs of a text and its answer → turns that stand before each row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..content.messages import ChatBlock, Message

__all__ = ["example_messages", "plain_examples"]


def example_messages(examples: Iterable[Any] | None, schema: Any) -> list[Message]:
    """Return the turns that show a model what is wanted.

    Args:
        examples: pairs of a text and its answer: an instance of the schema, or what decodes to one.
        schema: the type of the answers.

    Raises:
        ValueError: an example is no pair, or its answer does not fit the schema.
    """
    turns: list[Message] = []
    for number, example in enumerate(examples or ()):
        try:
            text, answer = example
            value = answer if isinstance(answer, msgspec.Struct) else msgspec.convert(answer, schema)
            written = msgspec.json.encode(value).decode()
            msgspec.json.decode(written, type=schema)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"examples: expected pairs of a text and its answer as {schema!r}; number {number} is none: {error}"
            ) from None
        turns += [ChatBlock.user(str(text)), ChatBlock.assistant(written)]
    return turns


def plain_examples(turns: list[Message]) -> list[tuple[str, Any]] | None:
    """Return the examples in turns as plain values, which make the same turns again; None for none."""
    pairs = zip(turns[::2], turns[1::2], strict=True)
    return [(asked["content"], msgspec.json.decode(told["content"])) for asked, told in pairs] or None
