"""Removes secrets from a recording: from requests, headers, and answers in any pieces; pure.

A key that a model repeats arrives in pieces, each in its own JSON. So the pieces of one text are joined before it is
searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

__all__ = ["MASK", "Chunks", "hidden_answer", "hidden_headers", "hidden_request", "hiding"]

Hide = Callable[[str], str]
Chunks = list[tuple[int, bytes]]

MASK = "[hidden]"
_NAMES = (
    r"(?:[\w-]{0,40}[_-])?(?:(?:api|access|auth|private|secret)[_-]?(?:key|token)|password|passwd|secret)|apikey|pwd"
    r"|authorization"
)
_SECRET_NAME = re.compile(_NAMES, re.I)
_SECRET_FIELD = re.compile(rf"""(["'](?:{_NAMES})\\*["']\s{{0,9}}:\s{{0,9}}\\*["'])([^"'\\]+)""", re.I)
_HEADERS = re.compile(
    r"content-type|location|(?:x-)?(?:ms-)?retry-after(?:-ms)?|x-should-retry|(?>[\w-]*?(?:rate-?limit|token-?limit))[\w-]*"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PIECES = frozenset(
    ("delta", "text", "content", "arguments", "partial_json", "thinking", "reasoning", "reasoning_content", "input")
)


def hiding(given: Iterable[str | re.Pattern[str] | Hide], own: Hide) -> Hide:
    """Return a function that replaces all secrets in a text.

    Args:
        given: texts and patterns that the user names, or functions of a text.
        own: hides the keys in use, and anything that looks like a key.
    """
    steps = [_step(one) for one in given]

    def hide(text: str) -> str:
        for step in steps:
            text = step(text)
        return own(_SECRET_FIELD.sub(rf"\1{MASK}", text))

    return hide


def _step(given: str | re.Pattern[str] | Hide) -> Hide:
    if isinstance(given, str):
        if not given:
            raise ValueError("scrub: expected texts, patterns or functions, got an empty text")
        return lambda text: text.replace(given, MASK)
    if isinstance(given, re.Pattern):
        return lambda text: given.sub(MASK, text)
    if not callable(given):
        raise TypeError(f"scrub: expected texts, patterns or functions, got {type(given).__name__}")
    return given


def hidden_request(body: Any, hide: Hide) -> Any:
    """Return a request's JSON without secrets."""
    if isinstance(body, dict):
        return {hide(name): _hidden_field(name, value, hide) for name, value in body.items()}
    if isinstance(body, list):
        return [hidden_request(one, hide) for one in body]
    return hide(body) if isinstance(body, str) else body


def _hidden_field(name: str, value: Any, hide: Hide) -> Any:
    if isinstance(value, str) and _SECRET_NAME.fullmatch(name):
        return MASK
    return hidden_request(value, hide)


def hidden_headers(headers: Iterable[tuple[bytes, bytes]], hide: Hide) -> dict[str, str]:
    """Return the few headers of an answer that matter for a replay, without secrets."""
    texts = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return {name: hide(value) for name, value in texts if _HEADERS.fullmatch(name)}


def hidden_answer(chunks: Chunks, hide: Hide) -> Chunks:
    """Return the pieces of an answer without secrets; a piece without secrets stays unchanged."""
    whole = b"".join(data for _, data in chunks)
    text = whole.decode("utf-8", "surrogateescape")
    lines = _LINE.findall(text) if "\ndata:" in f"\n{text}" else [text]
    trees = [_tree(line) for line in lines]
    replaced = _replaced(trees, hide)
    names = _hidden_names(trees, hide)
    numbers = {number for number, _ in replaced} | (set(range(len(trees))) if names else set())
    written = [
        hide(line) if trees[number] is None else _written(line, number, trees[number], replaced | names, numbers)
        for number, line in enumerate(lines)
    ]
    if written == lines:
        return chunks
    return list(_dealt(chunks, lines, written))


def _tree(line: str) -> tuple[str, Any, str] | None:
    """Return the text before the JSON in a line, the JSON, and the text after it; None without JSON."""
    start = line.find("{")
    if start < 0 or line[:start].strip() not in ("", "data:", "["):
        return None
    end = line.rfind("}") + 1
    try:
        return line[:start], msgspec.json.decode(line[start:end]), line[end:]
    except (ValueError, RecursionError):
        return None


def _texts(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield every text of a payload with its path; list members with an ``index`` are identified by it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _texts(inner, (*path, _index(inner, place)))


def _hidden_names(trees: list[Any], hide: Hide) -> dict[Any, str]:
    """Return the field names that change, since a server may put a key there too."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.update(value)
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for tree in trees:
        look(None if tree is None else tree[1])
    return {name: shown for name in found if (shown := hide(name)) != name}


def _replaced(trees: list[Any], hide: Hide) -> dict[tuple[int, tuple[Any, ...]], str]:
    """Return the texts that change, by the number of their line and their path."""
    groups: dict[Any, list[tuple[int, tuple[Any, ...], str]]] = {}
    for number, tree in enumerate(trees):
        if tree is None:
            continue
        payload = tree[1]
        of = tuple(str(payload.get(name)) for name in ("type", "index", "output_index", "item_id"))
        for path, text in _texts(payload, ()):
            names = {one for one in path if isinstance(one, str)}
            key = (of, _place(path)) if names & _PIECES or path[-1:] == ("token",) else text
            groups.setdefault(key, []).append((number, path, text))
    found: dict[tuple[int, tuple[Any, ...]], str] = {}
    for key, members in groups.items():
        together = key if isinstance(key, str) else "".join(text for _, _, text in members)
        name = members[0][1][-1] if members[0][1] else ""
        secret = isinstance(name, str) and _SECRET_NAME.fullmatch(name)
        shown = MASK if secret else hide(together)
        if shown == together:
            continue
        if isinstance(key, str):
            found |= {(number, path): shown for number, path, _ in members}
        else:
            found |= dict(_dealt_out(members, together, shown))
    return found


def _place(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return which text a piece belongs to; all tokens of an answer are pieces of one text."""
    in_list = path[-1] == "token" and "top_logprobs" not in path
    return tuple(one for one in path if isinstance(one, str)) if in_list else path


def _dealt_out(
    members: list[tuple[int, tuple[Any, ...], str]], before: str, after: str
) -> Iterator[tuple[tuple[int, tuple[Any, ...]], str]]:
    """Split a changed text back into its pieces; those before and after the change stay unchanged."""
    start = _alike(before, after)
    most = min(len(before), len(after)) - start
    tail = _alike(before[::-1], after[::-1]) if most > 0 else 0
    end = len(before) - min(tail, most)
    middle, place = after[start : len(after) - (len(before) - end)], 0
    for number, path, text in members:
        first, last = place, place + len(text)
        kept = text[: max(0, start - first)]
        if first <= start < last or (start == last == len(before)):
            kept, middle = kept + middle, ""
        kept += text[max(0, end - first) :] if last > end else ""
        place = last
        if kept != text:
            yield (number, path), kept


def _alike(one: str, other: str) -> int:
    """Return the length of the common beginning of two texts."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _written(line: str, number: int, tree: Any, replaced: dict[Any, str], numbers: set[int]) -> str:
    """Return a line; it is encoded again only if one of its texts changes."""
    before, payload, behind = tree
    if number not in numbers:
        return line
    return f"{before}{msgspec.json.encode(_changed(payload, number, (), replaced)).decode()}{behind}"


def _changed(value: Any, number: int, path: tuple[Any, ...], replaced: dict[Any, str]) -> Any:
    if isinstance(value, str):
        return replaced.get((number, path), value)
    if isinstance(value, dict):
        if (number, (*path, "token")) in replaced:  # its bytes and the alternatives would repeat the secret
            value = {name: inner for name, inner in value.items() if name not in ("bytes", "top_logprobs")}
        return {
            replaced.get(name, name): _changed(inner, number, (*path, name), replaced) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_changed(inner, number, (*path, _index(inner, place)), replaced) for place, inner in enumerate(value)]
    return value


def _index(inner: Any, place: int) -> Any:
    return inner.get("index", place) if isinstance(inner, dict) else place


def _dealt(chunks: Chunks, before: list[str], after: list[str]) -> Iterator[tuple[int, bytes]]:
    """Split lines back into their chunks; a changed line goes to the chunk with its end."""
    arrived: list[tuple[int, int]] = []  # the number of bytes so far, and when they came
    total = 0
    for ms, data in chunks:
        total += len(data)
        arrived.append((total, ms))
    place, at = 0, 0
    held: dict[int, bytes] = {}
    for old, new in zip(before, after, strict=True):
        raw = old.encode("utf-8", "surrogateescape")
        end = place + len(raw)
        while at < len(arrived) - 1 and arrived[at][0] <= place:
            at += 1
        if old == new:
            for number, data in _split(raw, place, arrived, at):
                held[number] = held.get(number, b"") + data
        else:
            number = next((one for one in range(at, len(arrived)) if arrived[one][0] >= end), len(arrived) - 1)
            held[number] = held.get(number, b"") + new.encode("utf-8", "surrogateescape")
        place = end
    for number, (_, ms) in enumerate(arrived):
        if held.get(number):
            yield ms, held[number]


def _split(raw: bytes, place: int, arrived: list[tuple[int, int]], at: int) -> Iterator[tuple[int, bytes]]:
    """Yield a line's bytes by the number of their chunk."""
    while raw:
        room = arrived[at][0] - place
        if room > 0:
            yield at, raw[:room]
            raw, place = raw[room:], place + min(room, len(raw))
        if raw:
            at += 1
