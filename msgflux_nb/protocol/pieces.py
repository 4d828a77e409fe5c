"""A text that arrives in pieces."""

from __future__ import annotations

from .sse import joined

__all__ = ["TextPieces"]


class TextPieces:
    """Text that grows by appending; joined only when somebody reads it."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self.add = self.list.append
        self.half = ""  # of a surrogate pair: servers that count in UTF-16 cut letters in two

    def whole(self, text: str) -> str:
        """Return a piece with the half letter held back before; a half letter at its end waits for the next piece."""
        if text.isascii() and not self.half:
            return text
        text, self.half = self.half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return joined(text)

    def after(self, text: str) -> str:
        """Return the new part of a text that repeats all before it; the whole text if it does not."""
        if not self.list or not text.startswith(self.list[0]):
            return text
        return text.removeprefix(str(self))

    def __deepcopy__(self, memo: object) -> TextPieces:
        copied = TextPieces()  # whose add appends to its own list
        copied.list += self.list
        copied.half = self.half
        return copied

    def __str__(self) -> str:
        if len(self.list) > 1:
            self.list[:] = ["".join(self.list)]
        return self.list[0] if self.list else ""
