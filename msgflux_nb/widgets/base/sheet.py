"""The style sheets of the design system, for views and for static HTML."""

from __future__ import annotations

import functools
import re
from pathlib import Path

__all__ = ["sheet", "shortened", "style"]

_HERE = Path(__file__).parent

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"\s*([{};,>])\s*")


@functools.cache
def sheet(*names: str) -> str:
    """Return style sheets of ``widgets/base`` as one shortened text.

    Args:
        names: their names without suffix; by default ``tokens`` and ``parts``.
    """
    texts = [(_HERE / f"{name}.css").read_text(encoding="utf-8") for name in names or ("tokens", "parts")]
    return shortened("".join(texts))


def shortened(text: str) -> str:
    """Return a style sheet without comments and needless space."""
    bare = _SPACE.sub(r"\1", _COMMENT.sub("", text))
    return " ".join(bare.split()).replace(";}", "}").replace(": ", ":")


def style(*names: str) -> str:
    """Return a style element for static HTML; an untrusted notebook drops it."""
    return f"<style>{sheet(*names)}</style>"
