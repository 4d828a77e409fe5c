"""Prefilling: the start of the answer is given, and the model goes on from there.

Servers differ in whether the answer they send begins with the prefill again, and the same llama.cpp does so without
stream and not with it. What a caller sees is always prefill + continuation, the prefill exactly once.
"""

from __future__ import annotations

from typing import Any

from ..errors import PrefillError
from .profile import Profile

__all__ = ["EchoFilter", "prefilled_messages"]


def prefilled_messages(messages: list[dict[str, Any]], prefill: str, profile: Profile) -> list[dict[str, Any]]:
    """Return the messages to send so that the model continues ``prefill``; a new list.

    A prefill of nothing but white space is none. An assistant message that is already last is joined with the
    prefill, since llama.cpp refuses two of them.

    Raises:
        PrefillError: the provider does not continue a last assistant message.
    """
    if not prefill.strip():
        return list(messages)
    if profile.prefill == "none":
        raise PrefillError(
            f"{profile.provider} is not known to continue a prefill, and would answer beside it. Ask for the start of "
            "the answer in the prompt instead, or use a model that continues one, such as the embedded model; if this "
            'server does continue one, say so with profile={"prefill": "continue"}.'
        )
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and isinstance(last.get("content"), str):
        return [*messages[:-1], {**last, "content": last["content"] + prefill}]
    return [*messages, {"role": "assistant", "content": prefill}]


class EchoFilter:
    """Removes an echoed prefill from the head of an answer that arrives in pieces.

    Text is held back only as long as it might be the echo. Unless the whole prefill is there, nothing is removed.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._held = ""
        self._passed = not expected

    def feed(self, text: str) -> str:
        """Return the part of the answer that is new."""
        if self._passed:
            return text
        self._held += text
        if len(self._held) < len(self._expected) and self._expected.startswith(self._held):
            return ""
        self._passed = True
        return self._held.removeprefix(self._expected)

    def close(self) -> str:
        """Return what is still held back: an answer that ended inside what might have been the echo."""
        held = "" if self._passed else self._held
        self._passed = True
        return held
