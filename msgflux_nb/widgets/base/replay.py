"""The replay in a twin: the page's code and style and the data to play, as text for a notebook."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from .join import WIDGETS, join
from .sheet import shortened
from .view import page_style

__all__ = ["replay_data", "replay_script", "replay_style"]

_COMMENT = re.compile(r"^\s*(//|/\*\*|\*/|\*(?=\s|$)).*\n?", re.MULTILINE)


def replay_data(value: Any) -> str:
    """Return JSON for a script element, without ``<``, ``>`` and ``&``."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def replay_script(stem: str, function: str) -> str:
    """Return a script that calls a function of a page's module with the script element; its names stay local."""
    joined = join(WIDGETS / f"{stem}.js")
    body = _COMMENT.sub("", joined.text)
    return f"<script>(() => {{\n{body}\n{joined.entry}.{function}(document.currentScript);\n}})();</script>"


def replay_style(stem: str) -> str:
    """Return a style element with the style sheets of a page."""
    return f"<style>{shortened(page_style(stem))}</style>"
