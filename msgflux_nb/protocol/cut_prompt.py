"""Tells whether a server has silently truncated the prompt, by the server's own token count; pure.

Ollama and others drop what does not fit their context, and answer as if nothing had happened. A word of Latin, Greek or
Cyrillic letters is at least one token in every tokenizer, so a count far below the number of words means a truncation.
Anything that may be few tokens is not counted: other scripts, runs of punctuation or spaces, images, and cached tokens
that are reported separately.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from .profile import Profile
from .usage import Usage

__all__ = ["CUT", "cut_prompt"]

CUT = "the prompt was cut"  # how the warning begins

_BYTES_A_TOKEN = 6  # a shorter prompt is not checked
_FEWEST_TOKENS = 500  # of a truncated prompt; a smaller count comes from a server that leaves out cached tokens
_SHARE = 0.8  # tokens per word, at least: some tokenizers join a few frequent pairs of words
_LONG_WORD = 16  # letters per token, at most
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f\u0300-\u036f\u0370-\u052f'\u2019]+")
_EMBEDDED = b";base64,"


def cut_prompt(body: bytes, usage: Usage | None, profile: Profile, *, said: bool = False) -> str | None:
    """Return a warning if the server read far less than it was sent; None if it may have read everything.

    Args:
        body: the request as sent.
        usage: the server's count.
        profile: the provider.
        said: whether the server itself reports a truncation, as llama.cpp does.
    """
    if said:
        return f"{CUT}, or the answer: the server says that it truncated one of them. {profile.context_advice}"
    counted = None if usage is None else usage.prompt_tokens
    if usage is None or counted is None:
        return None
    counted += (usage.cached or 0) + usage.cache_write
    if counted < _FEWEST_TOKENS or len(body) < _BYTES_A_TOKEN * counted or _EMBEDDED in body:
        return None
    words = sum(map(_fewest_tokens, _texts(body)))
    if counted >= _SHARE * words:
        return None
    return (
        f"{CUT}: its messages hold at least {words:,} words and the server read {counted:,} tokens, so "
        f"that the rest, mostly the beginning, was not seen by the model. {profile.context_advice}"
    )


def _fewest_tokens(text: str) -> int:
    return sum(1 + (len(word) - 1) // _LONG_WORD if word.strip("'\u2019") else 0 for word in _WORD.findall(text))


def _texts(body: bytes) -> Iterator[str]:
    try:
        request = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return
    messages: Any = request.get("messages") if isinstance(request, dict) else None
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            text = part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text
