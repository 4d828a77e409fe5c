"""Prefilling: the start of the answer is given, and the model goes on from there.

Servers differ in whether the answer they send begins with the prefill again, and the same llama.cpp does so without
stream and not with it. What a caller sees is always prefill + continuation, the prefill exactly once.
"""

from __future__ import annotations

from typing import Any, Literal

from ..errors import PrefillError
from ..generation.schema import Dialect, WireSchema
from .partial_json import PartialJSON
from .profile import Profile

__all__ = ["EchoFilter", "PrefillMode", "checked_prefill", "emulated_messages", "prefilled_messages"]

PrefillMode = Literal["auto", "emulate"]

_IN_ORDER = frozenset({Dialect.GRAMMAR, Dialect.VLLM})  # grammars let the fields come in the schema's order only


def checked_prefill(prefilling: str | None, schema: WireSchema | None, dialect: Dialect) -> str:
    """Return the start of the answer; white space alone counts as none.

    Raises:
        PrefillError: the answer has to be a structure, and that cannot begin this way.
    """
    if prefilling is None or not prefilling.strip():
        return ""
    if schema is None:
        return prefilling
    # White space before JSON says nothing, and llama.cpp leaves it out when it echoes a structured answer.
    prefill = prefilling.lstrip()
    problem = _misfit(prefill, list(schema.schema["properties"]), ordered=dialect in _IN_ORDER)
    if problem is not None:
        raise PrefillError(
            f"no JSON for {schema.name} begins with {prefill[:60]!r}: {problem}. Leave the prefill out, or begin the "
            "JSON object in it."
        )
    return prefill


def _misfit(prefill: str, fields: list[str], *, ordered: bool) -> str | None:
    """Why a structure cannot begin this way; None if its keys allow it."""
    parser = PartialJSON()
    parser.feed(prefill)
    if not prefill.startswith("{"):
        return "it does not begin with {"
    if parser.error is not None:
        return parser.error
    if parser.complete:
        return "it is complete, so nothing can follow"
    for place, key in enumerate(parser.value):
        if key not in fields:
            return f"there is no field {key!r}; the fields are: {', '.join(fields)}"
        if ordered and key != fields[place]:
            return f"the fields have to come in their order: {', '.join(fields)}"
    return None


def prefilled_messages(
    messages: list[dict[str, Any]], prefill: str, profile: Profile, *, tools: bool = False, reasoning: bool = False
) -> list[dict[str, Any]]:
    """Return the messages to send so that the model continues ``prefill``; a new list.

    An assistant message that is already last is joined with the prefill, since llama.cpp refuses two of them.

    Args:
        messages: the messages before it.
        prefill: the start of the answer; empty for none.
        profile: to whom.
        tools: whether tools are offered.
        reasoning: whether reasoning is asked for.

    Raises:
        PrefillError: the provider does not continue a last assistant message, or not with these.
    """
    if not prefill:
        return list(messages)
    if profile.prefill == "none":
        raise PrefillError(
            f"{profile.provider} is not known to continue a prefill, and would start its own answer. Use a model that "
            'continues one, such as the embedded model; or ask for it in words, with prefill_mode="emulate"; or, if '
            'this server does continue one, say so with profile={"prefill": "continue"}.'
        )
    if (tools and not profile.prefill_with_tools) or (reasoning and not profile.prefill_with_reasoning):
        what = "tools" if tools and not profile.prefill_with_tools else "reasoning"
        raise PrefillError(
            f"{profile.provider} takes no prefill together with {what}. Leave one of them out, or use "
            'prefill_mode="emulate". Nothing was sent.'
        )
    mark = {"prefix": True} if profile.prefill == "prefix" else {}
    last = messages[-1] if messages else {}
    joined = last.get("role") == "assistant" and isinstance(last.get("content"), str)
    text = (last["content"] if joined else "") + prefill
    if profile.prefill_trimmed:
        text = text.rstrip()
    before = messages[:-1] if joined else messages
    return [*before, {**(last if joined else {"role": "assistant"}), "content": text, **mark}]


def emulated_messages(messages: list[dict[str, Any]], prefill: str) -> list[dict[str, Any]]:
    """Return the messages with an instruction to begin with ``prefill``, for a provider that cannot continue it."""
    if not prefill:
        return list(messages)
    note = (
        "Begin your answer with exactly the text between the marks, and go on from its end without a break:\n"
        f"<<<{prefill}>>>"
    )
    last = messages[-1]
    if last.get("role") == "user" and isinstance(last.get("content"), str):
        return [*messages[:-1], {**last, "content": f"{last['content']}\n\n{note}"}]
    if last.get("role") == "user" and isinstance(last.get("content"), list):
        return [*messages[:-1], {**last, "content": [*last["content"], {"type": "text", "text": note}]}]
    return [*messages, {"role": "user", "content": note}]


class EchoFilter:
    """Removes an echoed prefill from the head of an answer that arrives in pieces.

    Text is held back only as long as it might be the echo. Unless the whole prefill is there, nothing is removed.

    Attributes:
        passed: whether the head of the answer is known, so that what follows is new.
        found: whether the prefill was there; None before that is known, and if it is not expected.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._held = ""
        self.passed = not expected
        self.found: bool | None = None

    def feed(self, text: str) -> str:
        """Return the new part of the answer."""
        if self.passed:
            return text
        self._held += text
        if len(self._held) < len(self._expected) and self._expected.startswith(self._held):
            return ""
        self.passed = True
        self.found = self._held.startswith(self._expected)
        return self._held.removeprefix(self._expected)

    def close(self) -> str:
        """Return what is still held back: an answer that ended inside what might have been the echo."""
        if self.passed:
            return ""
        self.passed, self.found = True, False
        return self._held
