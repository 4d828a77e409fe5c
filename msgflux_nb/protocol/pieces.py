"""Collects a text that arrives in pieces."""

from __future__ import annotations

from .sse import joined

__all__ = ["TextPieces"]


class TextPieces:
    """Text that grows by appending, and is joined only when it is read."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self.add = self.list.append
        self.half = ""  # of a surrogate pair: servers that count in UTF-16 split characters

    def completed(self, text: str) -> str:
        """Return a piece, completed by the half character held back before; hold back a half character at its end."""
        if text.isascii() and not self.half:
            return text
        text, self.half = self.half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return joined(text)

    def new_part(self, text: str) -> str:
        """Return the new part of a text that repeats everything before it; the whole text if it does not."""
        if not self.list or not text.startswith(self.list[0]):
            return text
        return text.removeprefix(str(self))

    def __deepcopy__(self, memo: object) -> TextPieces:
        copied = TextPieces()  # a new one, since add is bound to the list
        copied.list += self.list
        copied.half = self.half
        return copied

    def __str__(self) -> str:
        if len(self.list) > 1:
            self.list[:] = ["".join(self.list)]
        return self.list[0] if self.list else ""
