"""``{{names}}`` in texts: which there are, and what stands in their place in what is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["as_template", "filled", "filled_message", "names_in", "texts_of"]

# The page reads names by the same rule, in _variables.js.
_NAME = re.compile(r"\{\{[ \t]*([^\W\d]\w*)[ \t]*\}\}")


def names_in(texts: Iterable[str]) -> list[str]:
    """List the names in the order in which they are first met."""
    return list(dict.fromkeys(name for text in texts for name in _NAME.findall(text)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of their names, once: a name in a value stays. So does one without a value."""
    given = {name: value for name, value in values.items() if value}
    return _NAME.sub(lambda found: given.get(found[1], found[0]), text) if given else text


def as_template(text: str) -> str:
    """Return a text as a prompt of a grid: a name in single braces, any other brace doubled."""
    parts = _NAME.split(text)  # a text, a name, a text, ...
    return "".join(
        f"{{{part}}}" if number % 2 else part.replace("{", "{{").replace("}", "}}") for number, part in enumerate(parts)
    )


def filled_message(message: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Fill the texts of a message; the same message if there is nothing to fill."""
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
