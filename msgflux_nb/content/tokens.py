"""Estimates the tokens of a text, an image or a sound before anything is sent.

A letter, digit, sign or space of Latin text counts as a quarter of a token, a letter of another alphabet as half a
token, a Chinese, Japanese or Korean character as one, and a character beyond U+FFFF, such as an emoji, as two. In a
text of more than 50,000 characters, 100 evenly spaced pieces are counted.
An image or a sound is counted by the rule that the model's maker has published; without a known rule the estimate is
None.

A rule is found by the model's own name, whichever provider serves it.
"""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase

import msgspec

__all__ = ["audio_tokens", "image_rule", "image_tokens", "text_tokens"]

Size = tuple[int, int]

_COUNTED, _PIECES = 50_000, 100  # a longer text is counted in pieces, of so many characters together

_OTHER_ALPHABETS = re.compile("[\u0250-\u2e7f]+")
_CHARACTERS = re.compile("[\u2e80-\uffff]+")
_BEYOND = re.compile("[\U00010000-\U0010ffff]+")


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    if text.isascii():
        return math.ceil(len(text) / 4)
    if len(text) > _COUNTED:
        starts = (number * len(text) // _PIECES for number in range(_PIECES))
        pieces = "".join(text[start : start + _COUNTED // _PIECES] for start in starts)
        return math.ceil(_counted(pieces) * len(text) / len(pieces))
    return math.ceil(_counted(text))


def _counted(text: str) -> float:
    alphabets, characters, beyond = (
        sum(map(len, pattern.findall(text))) for pattern in (_OTHER_ALPHABETS, _CHARACTERS, _BEYOND)
    )
    latin = len(text) - alphabets - characters - beyond
    return latin / 4 + alphabets / 2 + characters + 2 * beyond


class _Tiles(msgspec.Struct, frozen=True):
    """OpenAI: shrunk to 2,048 × 2,048, then to a short side of 768; a base, and a number for each tile of 512."""

    base: int
    tile: int
    words = "tiles of 512 × 512 px"

    def count(self, size: Size, detail: str | None) -> int:
        if detail == "low":
            return self.base
        size = _shrunk(size, min(1, 2_048 / max(size)))
        size = _shrunk(size, min(1, 768 / min(size)))
        return self.base + self.tile * _cells(size, 512)


class _Patches(msgspec.Struct, frozen=True):
    """OpenAI's smaller models: patches of 32 × 32, at most 1,536, times a factor."""

    factor: float
    words = "patches of 32 × 32 px"

    def count(self, size: Size, detail: str | None) -> int:
        patches = _cells(size, 32)
        if patches > 1_536:
            width, height = (edge * math.sqrt(1_536 * 32 * 32 / (size[0] * size[1])) / 32 for edge in size)
            scale = min(max(1, math.floor(width)) / width, max(1, math.floor(height)) / height)
            patches = min(1_536, math.ceil(width * scale - 1e-6) * math.ceil(height * scale - 1e-6))
        return math.ceil(patches * self.factor)


class _Area(msgspec.Struct, frozen=True):
    """Claude: pixels divided by 750; an image above the limit is shrunk to it."""

    limit: int
    words = "width × height / 750"

    def count(self, size: Size, detail: str | None) -> int:
        return min(self.limit, math.ceil(size[0] * size[1] / 750))


class _Squares(msgspec.Struct, frozen=True):
    """Gemini: 258 for a small image, else 258 for each square of 768 × 768."""

    words = "258 for each 768 × 768 px"

    def count(self, size: Size, detail: str | None) -> int:
        return 258 * (1 if max(size) <= 384 else _cells(size, 768))


class _Merged(msgspec.Struct, frozen=True):
    """Qwen-VL: both sides rounded to patches; one token per patch, 4 to 16,384, and two more."""

    edge: int

    @property
    def words(self) -> str:
        return f"patches of {self.edge} × {self.edge} px"

    def count(self, size: Size, detail: str | None) -> int:
        across, down = (max(1, round(edge / self.edge)) for edge in size)
        return min(16_384, max(4, across * down)) + 2


_Rule = _Tiles | _Patches | _Area | _Squares | _Merged

# The first matching pattern wins. Makers and resellers write versions in two ways: 4-5 and 4.5.
_IMAGES: tuple[tuple[str, _Rule], ...] = (
    ("gpt-4o-mini*", _Tiles(2_833, 5_667)),
    ("gpt-4o*", _Tiles(85, 170)),
    ("chatgpt-4o*", _Tiles(85, 170)),
    ("gpt-4-turbo*", _Tiles(85, 170)),
    ("gpt-4.5*", _Tiles(85, 170)),
    ("gpt-4.1-mini*", _Patches(1.62)),
    ("gpt-4.1-nano*", _Patches(2.46)),
    ("gpt-4.1*", _Tiles(85, 170)),
    ("gpt-5", _Tiles(70, 140)),
    ("gpt-5-20*", _Tiles(70, 140)),
    ("gpt-5-chat*", _Tiles(70, 140)),
    ("o4-mini*", _Patches(1.72)),
    ("o1*", _Tiles(75, 150)),
    ("o3*", _Tiles(75, 150)),
    ("claude-3*", _Area(1_600)),
    ("claude-*-4", _Area(1_600)),
    ("claude-*-4[-.][0-6]*", _Area(1_600)),
    ("claude-*", _Area(4_784)),
    ("gemini-1.5*", _Squares()),
    ("gemini-2*", _Squares()),
    ("qwen2*vl*", _Merged(28)),
    ("qwen3*vl*", _Merged(32)),
)

_AUDIO_PER_SECOND: tuple[tuple[str, float], ...] = (
    ("gemini-*", 32),
    ("gpt-4o*audio*", 10),
    ("gpt-audio*", 10),
    ("voxtral*", 12.5),
    ("qwen2-audio*", 25),
    ("qwen*omni*", 25),
)


def image_tokens(size: Size, model: str, *, detail: str | None = None) -> int | None:
    """Estimate the tokens of an image; None if the model's rule is not known.

    Args:
        size: pixels across and down.
        model: the model's name, with a provider before it or without.
        detail: the ``detail`` of the image part, for OpenAI's models: ``"low"``, ``"high"`` or ``"auto"``.
    """
    rule = _rule(model)
    return None if rule is None or min(size) < 1 else rule.count(size, detail)


def audio_tokens(seconds: float | None, model: str) -> int | None:
    """Estimate the tokens of a sound; None if its length or the model's rule is not known."""
    name = _own_name(model)
    rate = next((rate for pattern, rate in _AUDIO_PER_SECOND if fnmatchcase(name, pattern)), None)
    return None if rate is None or seconds is None else math.ceil(seconds * rate)


def image_rule(model: str) -> str:
    """Describe in a few words how a model counts images; empty if that is not known."""
    rule = _rule(model)
    return "" if rule is None else rule.words


def _rule(model: str) -> _Rule | None:
    name = _own_name(model)
    return next((rule for pattern, rule in _IMAGES if fnmatchcase(name, pattern)), None)


def _own_name(model: str) -> str:
    """Return a model's name without providers: ``claude-3-haiku`` for ``openrouter/anthropic/claude-3-haiku``."""
    return model.rpartition("/")[2].lower()


def _shrunk(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _cells(size: Size, edge: int) -> int:
    return math.ceil(size[0] / edge) * math.ceil(size[1] / edge)
