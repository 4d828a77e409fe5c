"""A prompt with ``{column}`` in it → its parts; the parts and a row's texts → the message.

This is not ``str.format``: a name in braces is always a column's name and cannot reach an attribute or an index. The
text of a row is inserted unchanged, braces included.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from ..content.checks import meant
from ..errors import printable

__all__ = ["Template", "parse_template"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Template(msgspec.Struct, frozen=True):
    """A parsed prompt.

    Attributes:
        texts: the fixed texts, one more than ``names``.
        names: the columns whose cells go between the texts.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def is_bare(self) -> bool:
        """Whether the prompt is only a column."""
        return len(self.names) == 1 and not any(self.texts)

    def fill(self, cells: Mapping[str, str]) -> str:
        """Return the prompt with each name replaced by its text in ``cells``."""
        parts = [self.texts[0]]
        for name, text in zip(self.names, self.texts[1:], strict=True):
            parts += (cells[name], text)
        return "".join(parts)


def parse_template(prompt: str, known: Collection[str], *, fixed: bool = False) -> Template:
    """Parse a prompt; ``{{`` and ``}}`` stand for braces.

    Args:
        prompt: the text, with names of columns in braces.
        known: the names of all columns.
        fixed: whether a prompt without a column is allowed, as next to an image.

    Raises:
        ValueError: a name is unknown, a brace is single, or there is no name, so that all rows would be the same.

    Example:
        >>> parse_template("{title}: {{{body}}}", ["title", "body"]).fill({"title": "A", "body": "b"})
        'A: {b}'
    """
    texts, names, text, end = [], [], "", 0
    for token in _TOKEN.finditer(prompt):
        text += prompt[end : token.start()]
        end = token.end()
        if token[1] is not None:
            if token[1] not in known:
                raise ValueError(f"prompt: there is no column {token[1]!r}.{meant(token[1], known)} {_advice(known)}")
            texts.append(text)
            names.append(token[1])
            text = ""
        elif len(token[0]) == 1:
            raise ValueError(f"prompt: a single {token[0]!r} at character {token.start()}. {_advice(known)}")
        else:
            text += token[0][0]
    if not names and not fixed:
        raise ValueError(f"prompt: it names no column, so every row would be sent the same text. {_advice(known)}")
    return Template((*texts, text + prompt[end:]), tuple(names))


def _advice(known: Collection[str]) -> str:
    names = printable(", ".join(f"{{{name}}}" for name in known))
    return f"Known columns: {names or 'none'}. Write '{{{{' and '}}}}' for braces that are meant as text."
