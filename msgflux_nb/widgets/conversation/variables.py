"""``{{names}}`` in texts: finds them, and puts values in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["as_template", "filled", "filled_message", "names_in", "texts_of"]

# The page uses the same rule, in variables.js.
_NAME = re.compile(r"\{\{[ \t]*([^\W\d]\w*)[ \t]*\}\}")
_MOST = 10_000_000  # characters of a filled text: a long value may be named thousands of times


def names_in(texts: Iterable[str]) -> list[str]:
    """List the names in order of first occurrence."""
    return list(dict.fromkeys(name for text in texts for name in _NAME.findall(text)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace names by their values, once: a name inside a value stays, and so does a name without a value.

    Raises:
        ValueError: the text would be too long.
    """
    if not values or "{{" not in text:
        return text
    size = len(text) + sum(len(values.get(name, "")) for name in _NAME.findall(text))
    if size > _MOST:
        raise ValueError(
            f"with the values of its variables a text has {size:,} characters, and at most {_MOST:,} can be sent. "
            "Shorten a value, or name it less often."
        )
    return _NAME.sub(lambda found: values.get(found[1]) or found[0], text)


def as_template(text: str) -> str:
    """Return a text as a prompt of a grid: names in single braces, all other braces doubled."""
    parts = _NAME.split(text)  # a text, a name, a text, ...
    return "".join(
        f"{{{part}}}" if number % 2 else part.replace("{", "{{").replace("}", "}}") for number, part in enumerate(parts)
    )


def filled_message(message: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Fill in the texts of a message; return the same object if there is nothing to fill in."""
    content = message.get("content")
    if isinstance(content, str):
        text = filled(content, values)
        return message if text == content else {**message, "content": text}
    if not isinstance(content, list):
        return message
    parts = [{**part, "text": filled(part["text"], values)} if _is_text(part) else part for part in content]
    return message if parts == content else {**message, "content": parts}


def texts_of(message: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a message that can be filled."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if _is_text(part))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
