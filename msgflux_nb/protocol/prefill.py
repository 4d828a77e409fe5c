"""Prefilling: the caller gives the start of the answer, and the model continues it.

Some servers repeat the prefill at the beginning of their answer; llama.cpp does so only without ``stream``. A caller
always sees prefill + continuation, the prefill exactly once.
"""

from __future__ import annotations

from typing import Any, Literal

from ..errors import PrefillError
from ..generation.schema import Dialect, WireSchema
from .partial_json import PartialJSON
from .profile import Profile

__all__ = ["EchoFilter", "PrefillMode", "checked_prefill", "emulated_messages", "prefilled_messages"]

PrefillMode = Literal["auto", "emulate"]

_IN_ORDER = frozenset({Dialect.GRAMMAR, Dialect.VLLM})  # grammars enforce the order of the schema's fields


def checked_prefill(prefilling: str | None, schema: WireSchema | None, dialect: Dialect) -> str:
    """Return the start of the answer; white space alone counts as no prefill.

    Raises:
        PrefillError: the answer has to be a structure that cannot begin this way.
    """
    if prefilling is None or not prefilling.strip():
        return ""
    if schema is None:
        return prefilling
    # White space before JSON has no meaning, and llama.cpp drops it when it echoes a structured answer.
    prefill = prefilling.lstrip()
    problem = _misfit(prefill, list(schema.schema["properties"]), ordered=dialect in _IN_ORDER)
    if problem is not None:
        raise PrefillError(
            f"no JSON for {schema.name} begins with {prefill[:60]!r}: {problem}. Leave the prefill out, or begin the "
            "JSON object in it."
        )
    return prefill


def _misfit(prefill: str, fields: list[str], *, ordered: bool) -> str | None:
    """Say why a structure cannot begin this way; None if it can."""
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

    If the last message is already an assistant message, the prefill is joined to it, since llama.cpp refuses two.

    Args:
        messages: the messages before the prefill.
        prefill: the start of the answer; empty for none.
        profile: the provider.
        tools: whether tools are offered.
        reasoning: whether reasoning is asked for.

    Raises:
        PrefillError: the provider does not continue an assistant message, or not together with these options.
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
    """Removes an echoed prefill from the beginning of an answer that arrives in pieces.

    Text is held back only as long as it might be the echo. Nothing is removed unless the whole prefill is there.

    Attributes:
        passed: whether the beginning of the answer is decided, so that everything from now on is new.
        found: whether the prefill was repeated; None while that is not known, and if it is not expected.
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
        """Return what is still held back, if the answer ended inside what might have been the echo."""
        if self.passed:
            return ""
        self.passed, self.found = True, False
        return self._held
