"""Finds the secrets in a request, by the names of their fields and by their form; pure."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["is_no_plain_word", "mixed_texts", "named_secrets", "words_of"]

_NAMED = re.compile(
    r".*(?:key|token|secret|pass|password|passwd|passphrase|pwd|credential|auth|authorization|bearer|cookie|signature"
    r"|sig|jwt)s?",
    re.I | re.S,
)
_NOT_SECRET = re.compile(r".*cache[_-]?key|.*(?:max|min|stop|eos|bos|pad|unk|skip|special)\w*[_-]?tokens?", re.I | re.S)
_SCHEMES = frozenset(("bearer", "basic", "digest", "token", "key", "apikey", "none"))
_SHORTEST = 4
_LONGEST_WORD = 16
_RUN = re.compile(r"[A-Za-z0-9]{12,}")
_END_OF_NAME = 200  # characters; the end of a field's name tells whether it is a secret's
_DATE = re.compile(r"\d{4}-\d\d-\d\d\b.*")


def named_secrets(value: Any, *, inside: bool = False) -> Iterator[str]:
    """Yield the words of every text in a field with a secret's name, such as ``api_key``, ``Cookie`` or ``hfToken``.

    Args:
        value: JSON.
        inside: whether the value itself is in such a field.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            named = _is_secret(str(name))
            if inside and not named and isinstance(inner, str):  # a plain word may be the type of the credentials
                yield from filter(is_no_plain_word, words_of(inner))
            else:
                yield from named_secrets(inner, inside=inside or named)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from named_secrets(inner, inside=inside)
    elif inside and isinstance(value, str):
        yield from words_of(value)


def mixed_texts(value: Any) -> Iterator[str]:
    """Yield the texts without spaces that have twelve letters and digits in a row, as most keys do."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from mixed_texts(inner)
    elif isinstance(value, str) and not re.search(r"\s", value) and any(map(_is_mixed, _RUN.findall(value))):
        yield value


def words_of(text: str) -> Iterator[str]:
    """Yield a text, the part after ``Bearer`` or the like, and its parts that may be keys, such as cookie values."""
    scheme, _, behind = text.partition(" ")
    parts = [part.partition("=")[2] or part for part in re.split(r"[\s;,]+", text)]
    whole = [text, *([behind.strip()] if scheme.lower() in _SCHEMES else ())]
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            whole.append(base64.b64decode(behind, validate=True).decode().partition(":")[2])
    for word in (*whole, *(part for part in parts if is_no_plain_word(part) or not part.isalpha())):
        if len(word) >= _SHORTEST and word.lower() not in _SCHEMES:
            yield word


def is_no_plain_word(word: str) -> bool:
    """Whether a value may be a key; a date, a number or one short lower-case word is not."""
    if len(word) < 8 or " " in word or _DATE.fullmatch(word) or word.replace(".", "").isdecimal():
        return False
    return not word.isalpha() or len(word) >= _LONGEST_WORD or not (word.islower() or word.istitle())


def _is_mixed(run: str) -> bool:
    return sum(letter.isdecimal() for letter in run) > 1 and not run.isdecimal()


def _is_secret(name: str) -> bool:
    name = name[-_END_OF_NAME:]
    return _NAMED.fullmatch(name) is not None and _NOT_SECRET.fullmatch(name) is None
