"""A message ⇄ a card to show and edit; content that cannot be edited is shown and kept unchanged.

A card is ``{"role", "note", "parts": [...]}``. Each part has a ``key``, its place in the message: ``content`` for a
text, ``content:2`` for a part of a list, ``call:0`` for a tool call, ``field:refusal`` for another field of the
message.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ...content.tokens import text_tokens
from ...display.markdown import blocks, encodable, formatted_html, markdown_html
from ...errors import MediaError
from .parts import LONGEST, Card, Facts, json_text, medium, part_card
from .variables import filled, names_in

__all__ = ["Look", "Turn", "open_calls", "rebuilt", "without_texts"]

Message = dict[str, Any]

_PEOPLE = frozenset({"user", "system", "developer"})
_REASONING = ("reasoning_content", "reasoning")
_PROVENANCE = "_msgflux"
_ANSWERS = "field:tool_call_id"
_UNSHOWN = frozenset({"role", "content", "name", "tool_call_id", _PROVENANCE})


class Look(msgspec.Struct, frozen=True):
    """How an answer was drawn while it arrived, so that its turn is drawn in the same way.

    Attributes:
        prefill: the length of its prefill, in JavaScript's units.
        code: whether it is a structure, shown as code.
    """

    prefill: int = 0
    code: bool = False


class Turn:
    """One version of a turn with its card; a version never changes, so its card is made once.

    Args:
        message: the message.
        model: the name of the model whose rule counts tokens.
        facts: facts about embedded files besides their content, by digest.
        look: its look, if it was watched as it arrived.
    """

    def __init__(
        self, message: Message, *, model: str = "", facts: Mapping[str, Facts] | None = None, look: Look | None = None
    ) -> None:
        self.message = message
        self.look = look
        self.media: dict[str, Any] = {}
        self._model = model
        self._facts = facts or {}
        self._open: list[_Open] = []
        parts = [*self._before(), *self._content(), *self._behind()]
        self.card: Card = _encodable(
            {"role": str(message.get("role", "")), "note": _note(message), "parts": list(map(_shortened, parts))}
        )
        counts = [part["tokens"] for part in parts if "tokens" in part]
        self._tokens = sum(count or 0 for count in counts), counts.count(None)

    def _before(self) -> Iterator[Card]:
        if self.message.get("role") == "tool" or "tool_call_id" in self.message:
            id_ = self.message.get("tool_call_id")
            yield {"key": _ANSWERS, "kind": "answers", "text": id_ if isinstance(id_, str) else ""}
        for field in _REASONING:
            if isinstance(self.message.get(field), str) and self.message[field]:
                yield {"key": f"field:{field}", "kind": "reasoning", "text": self.message[field]}

    def _content(self) -> Iterator[Card]:
        content = self.message.get("content")
        if isinstance(content, str):
            yield self._part("content", {"type": "text", "text": content})
        elif isinstance(content, list):
            for index, part in enumerate(content):
                yield self._part(f"content:{index}", part)
        elif content is not None:
            yield {"key": "content", "kind": "other", "name": "content", "text": json_text(content), "tokens": None}

    def tokens(self, values: Mapping[str, str]) -> tuple[int, int]:
        """Return the estimated tokens with variables filled in, and the number of parts without an estimate."""
        tokens, unknown = self._tokens
        return tokens + sum(text.more_tokens(values) for text in self._open), unknown

    def _part(self, key: str, part: Any) -> Card:
        measured = medium(part)
        facts = None if measured is None else self._facts.get(measured.digest)
        card = {"key": key, **part_card(part, model=self._model, facts=facts, measured=measured)}
        if measured is not None:
            self.media[measured.digest] = part
        if card["kind"] == "text":
            if names := names_in([card["text"]]):
                self._open.append(_Open(card["text"], names, card["tokens"]))
            code = _is_structure(card["text"])
            card = _shortened(card)
            card |= self._drawn(card["text"], code)
        return card

    def _drawn(self, text: str, code: bool) -> Card:
        role = self.message.get("role")
        if role != "assistant":
            html = formatted_html(text) if role in _PEOPLE else ""
            return {"html": [html]} if html else {}
        if self.look is None:
            return {"code": True} if code else {"html": _html(text)}
        if self.look.prefill or self.look.code:
            return {"prefill": self.look.prefill, "code": self.look.code}
        return {"html": _html(text)}

    def _behind(self) -> Iterator[Card]:
        for name, value in self.message.items():
            if name in _UNSHOWN or value is None or value in ("", []):
                continue
            if name == "tool_calls" and isinstance(value, list):
                yield from (_call(f"call:{index}", call) for index, call in enumerate(value))
            elif name == "function_call":
                yield _call(f"field:{name}", {"function": value})
            elif name == "refusal" and isinstance(value, str):
                yield {"key": f"field:{name}", **part_card({"type": "refusal", "refusal": value})}
            elif name not in _REASONING or not isinstance(value, str):
                yield {"key": f"field:{name}", "kind": "other", "name": name, "text": json_text(value)}


class _Open:
    """A text with ``{{names}}``, whose tokens depend on their values; they are counted again when those change."""

    def __init__(self, text: str, names: list[str], tokens: int) -> None:
        self._text = text
        self._names = names
        self._tokens = tokens
        self._counted: tuple[dict[str, str], int] = {}, 0

    def more_tokens(self, values: Mapping[str, str]) -> int:
        """Return how many more tokens it has with these values than with the names."""
        given = {name: values[name] for name in self._names if values.get(name)}
        if given != self._counted[0]:
            self._counted = given, text_tokens(filled(self._text, given)) - self._tokens
        return self._counted[1]


def _shortened(part: Card) -> Card:
    """Return a part with as much of its text as a page gets; one with ``left`` characters cannot be edited there."""
    text = part.get("text") or ""
    left = len(text) - LONGEST
    if left <= 0 or "left" in part:
        return part
    return {**part, "text": f"{text[:LONGEST]}… {left:,} more characters", "left": left}


def _note(message: Message) -> str:
    """Return the author: the name of a speaker, or the model that wrote it."""
    name, origin = message.get("name"), message.get(_PROVENANCE)
    words = [name] if isinstance(name, str) else []
    if isinstance(origin, dict):
        words.append("/".join(str(origin[key]) for key in ("provider", "model") if origin.get(key)))
    return " · ".join(filter(None, words))


def _call(key: str, call: Any) -> Card:
    function = call.get("function", call.get("custom")) if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return {"key": key, "kind": "other", "name": "tool call", "text": json_text(call), "tokens": None}
    arguments = function.get("arguments", function.get("input", ""))
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    name, id_ = str(function.get("name", "")), str(call.get("id") or "")
    tokens = text_tokens(name) + text_tokens(text)
    return {"key": key, "kind": "call", "name": name, "call": id_, "text": text, "tokens": tokens}


def _is_structure(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _html(text: str) -> list[str]:
    drawn, rest = blocks(text)
    return [*drawn, *([markdown_html(rest)] if rest.strip() else [])]


def _encodable(value: Any) -> Any:
    """Replace lone surrogates, with which the card could not be sent."""
    if isinstance(value, str):
        return value if value.isascii() else encodable(value)
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def without_texts(card: Card) -> Card:
    """Return a card without the words and the reasoning, which a page that watched the answer has."""
    parts = [
        {**part, "text": None, **({"html": None} if "html" in part else {})}
        if part["kind"] in ("text", "reasoning")
        else part
        for part in card["parts"]
    ]
    return {**card, "parts": parts}


def open_calls(messages: Iterable[Message]) -> list[str]:
    """List the ids of tool calls without a result, in order."""
    asked: dict[str, None] = {}
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("id"), str):
                asked[call["id"]] = None
        if isinstance(message.get("tool_call_id"), str):
            asked.pop(message["tool_call_id"], None)
    return list(asked)


def rebuilt(turn: Turn, role: str, parts: Sequence[Mapping[str, Any]], attached: Mapping[str, Any]) -> Message:
    """Return an edited message; parts that the edit does not name are removed, the others stay unchanged.

    Args:
        turn: the turn before the edit.
        role: its new role.
        parts: its new parts, in order: ``{"key"}`` for one that stays, with ``text`` if it was changed;
            ``{"text"}`` for a new text, ``{"attachment": id}`` for a new file.
        attached: the content parts of new files by id.

    Raises:
        MediaError: a new file is not in ``attached``.
    """
    new = copy.deepcopy(turn.message)
    new["role"] = role
    items = [item for part in parts for item in _items(turn.message, part, attached)]
    content = _joined(turn.message.get("content"), items)
    if content is not None:
        new["content"] = content
    edits = {part["key"]: part for part in parts if "key" in part}
    for card in turn.card["parts"]:
        kind, _, field = card["key"].partition(":")
        if kind == "field" and card["key"] not in edits:
            new.pop(field, None)
    if _ANSWERS in edits and "text" in edits[_ANSWERS]:
        new["tool_call_id"] = encodable(edits[_ANSWERS]["text"])
    calls = new.get("tool_calls")
    if isinstance(calls, list) and calls:
        new["tool_calls"] = [call for index, call in enumerate(calls) if f"call:{index}" in edits]
        if not new["tool_calls"]:
            del new["tool_calls"]
    return new


def _items(message: Message, part: Mapping[str, Any], attached: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the content part of one part of an edit, if it is content."""
    if "attachment" in part:
        if part["attachment"] not in attached:
            raise MediaError("a file of this message is not here any more. Add it again.")
        yield copy.deepcopy(attached[part["attachment"]])
    elif "key" not in part:
        yield {"type": "text", "text": encodable(part["text"])}
    elif part["key"].partition(":")[0] == "content":
        yield _kept(message["content"], part)


def _kept(content: Any, part: Mapping[str, Any]) -> Any:
    _, _, index = part["key"].partition(":")
    item = {"type": "text", "text": content} if isinstance(content, str) else content
    item = copy.deepcopy(item[int(index)] if index else item)
    if "text" in part and isinstance(item, dict) and item.get("type") == "text":
        item["text"] = encodable(part["text"])
    return item


def _joined(content: Any, items: list[Any]) -> Any:
    """Return content of these parts in its earlier form: a text, a list, or another form."""
    if isinstance(content, list):
        return items if items or not content else ""
    if not items:
        return None if content is None else ""
    if len(items) > 1:
        return items
    if content is not None and not isinstance(content, str):
        return items[0]
    alone = items[0]
    return alone["text"] if isinstance(alone, dict) and alone.keys() == {"type", "text"} else items
