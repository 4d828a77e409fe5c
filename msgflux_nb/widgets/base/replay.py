"""The replay that a twin carries: a page's own code and style, and the data that it plays, as text for a notebook."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from .sheet import shortened
from .view import page_code, page_style

__all__ = ["replay_data", "replay_script", "replay_style"]

_COMMENT = re.compile(r"^\s*(//|/\*\*|\*/|\*(?=\s|$)).*\n?", re.MULTILINE)


def replay_data(value: Any) -> str:
    """Return JSON that can stand in a script element: without ``<``, ``>`` and ``&``."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def replay_script(parts: tuple[str, ...], function: str) -> str:
    """Return a script with the page's code, in a function of its own, that calls ``function`` with its element."""
    body = _COMMENT.sub("", page_code(parts))
    return f"<script>(() => {{\n{body}\n{function}(document.currentScript);\n}})();</script>"


def replay_style(parts: tuple[str, ...]) -> str:
    """Return a style element with the sheets of the page."""
    return f"<style>{shortened(page_style(parts))}</style>"
