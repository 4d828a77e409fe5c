"""Decodes an answer's text to an instance, however the model wrapped its JSON.

Tried in order: the whole text, the text in a fence, the last complete JSON value in it. The *last*, because a model
that thinks aloud often repeats its input first; an earlier value that fits too and differs is flagged. Tried at the end
is the content of a list of one item, of an object with one key, or of a text.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..content.depth import is_too_deep
from ..errors import ValidationFailedError, described, ends_a_process
from .choices import with_whole_choices
from .deviations import conversions, key_warnings
from .lenient import Reading, read_lenient
from .schema import WireSchema

__all__ = ["Decoded", "decode_answer", "decode_json", "json_texts", "value_at"]

_FENCE = re.compile(r"```[ \t]*+[\w+-]*+[ \t]*+\r?\n(.*?)```", re.DOTALL)
_INSIDE = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[\[\]{}]', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_OPENING = re.compile(r"[\[{]")
_PATH = re.compile(r" - at `(.+)`$")
_ENCODED = re.compile(r"Invalid RFC3339 encoded (date|time|datetime)\b")
_EXAMPLES = {"date": "2026-03-14", "time": "19:30:00", "datetime": "2026-03-14T19:30:00Z"}
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_VALUE = 60  # characters of a value that an error repeats
_DEPTH_LIMIT = 500
_TRIES = 8
_LENIENT_CHARACTERS = 2_000_000  # of one text that are read leniently, all its parts together


class Decoded(msgspec.Struct, frozen=True):
    """A decoded answer.

    Attributes:
        value: the instance.
        lax: whether it only fits after conversion, such as ``"1"`` for an int.
        wrapped: whether other text surrounded the JSON.
        warnings: sentences about what was repaired or converted.
    """

    value: Any
    lax: bool
    wrapped: bool
    warnings: tuple[str, ...] = ()


def decode_answer(text: str, wire: WireSchema) -> Decoded:
    """Decode ``text`` to ``wire.type``: strictly first, then with msgspec's conversions, which are flagged.

    Invalid JSON with one clear meaning, such as a trailing comma or a raw line end in a text, is read and flagged too.

    Raises:
        ValidationFailedError: the text holds no JSON, its JSON does not fit (``path`` says where), or the type's own
            code raised (``own_code``). Only exceptions that end a process, such as KeyboardInterrupt, pass unchanged.
    """
    failure: BaseException | None = None
    budget = _LENIENT_CHARACTERS
    candidates, tried = json_texts(text), list[str]()
    for position, candidate in enumerate(candidates):
        tried.append(candidate)
        said, reading, flags = candidate, None, None
        value, error = _decoded(said, wire)
        if value is msgspec.UNSET and error is None and not _is_json(said):
            budget -= len(said)
            reading = read_lenient(said) if budget >= 0 else None
            if reading is None:
                continue
            said = reading.text
            value, error = (msgspec.UNSET, None) if reading.marks else _decoded(said, wire)
        if value is msgspec.UNSET and error is None:
            value, flags, error = _converted(said, reading, wire)
        if value is not msgspec.UNSET:
            warnings = (*_repairs(said, reading, wire), *(flags or ()))
            warnings += _others(candidates, said, wire) if position else ()
            return Decoded(value, lax=flags is not None, wrapped=position > 0, warnings=warnings)
        failure = failure or error
    found = _unwrapped(tried, wire)
    if found is not None:
        return found
    raise _failed(text, wire, failure) from (None if isinstance(failure, msgspec.ValidationError) else failure)


def _others(candidates: Iterator[str], chosen: str, wire: WireSchema) -> tuple[str, ...]:
    """Warn if another part of the text also fits and holds another value."""
    for candidate in candidates:
        if not _is_json(candidate) or _same(candidate, chosen):
            continue
        if _converted(candidate, None, wire)[0] is not msgspec.UNSET:
            return (f"the text held several answers that fit {wire.name}; one of them was read.",)
    return ()


def _same(one: str, other: str) -> bool:
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def _unwrapped(candidates: list[str], wire: WireSchema) -> Decoded | None:
    """Decode the only value inside a list, object or text that was not asked for; None if that does not fit."""
    names = wire.schema.get("properties", {})
    for candidate in candidates[:_TRIES] if names and not wire.wrapped else ():
        try:
            plain = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            continue
        inner, around = plain, ""
        if isinstance(plain, list) and len(plain) == 1:
            inner, around = plain[0], "a list"
        elif isinstance(plain, dict) and len(plain) == 1:
            inner, around = next(iter(plain.values())), f"the key {str(next(iter(plain)))[:40]!r}"
        elif isinstance(plain, str) and plain.lstrip()[:1] in ("{", "["):
            around = "a text"
        if isinstance(inner, dict) and around and names.keys() & inner.keys():
            said = msgspec.json.encode(inner).decode()
        elif isinstance(inner, str) and around == "a text":
            said = inner
        else:
            continue
        value, flags, _ = _converted(said, None, wire)
        if value is not msgspec.UNSET:
            first = f"the model's JSON stood in {around}, which was not asked for; only the JSON was read."
            warnings = (first, *_repairs(said, None, wire), *(flags or ()))
            return Decoded(value, lax=flags is not None, wrapped=True, warnings=warnings)
    return None


def decode_json(text: str) -> Any:
    """Return the JSON value in ``text``, found as :func:`decode_answer` finds it.

    Raises:
        ValueError: the text holds no JSON.
    """
    budget = _LENIENT_CHARACTERS
    for candidate in json_texts(text):
        try:
            return msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            budget -= len(candidate)
        reading = read_lenient(candidate) if budget >= 0 else None
        if reading is not None:
            with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                return reading.value()
    raise ValueError("no JSON in the text")


def _decoded(text: str, wire: WireSchema) -> tuple[Any, BaseException | None]:
    """Decode directly, which is quick and keeps a Decimal's digits; UNSET if the text does not fit.

    The second item is the exception that the type's own code raised, or None.
    """
    if wire.checked is not None:
        return msgspec.UNSET, None
    try:
        return _decoder(wire.type)(text), None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return msgspec.UNSET, None
    except BaseException as error:
        return msgspec.UNSET, _of_own_code(error)


def _converted(
    said: str, reading: Reading | None, wire: WireSchema
) -> tuple[Any, tuple[str, ...] | None, BaseException | None]:
    """Decode in two steps, JSON and then conversion; UNSET if the text does not fit, with the reason.

    The middle item holds sentences about the conversions; None if there were none.
    """
    try:
        plain = msgspec.json.decode(said) if reading is None else reading.value()
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return msgspec.UNSET, None, None
    failure: BaseException | None = None
    for strict in (True, False):
        try:
            value = _convert(plain, wire, strict)
            return value, None if strict else conversions(_restored(plain, wire), value), None
        except msgspec.ValidationError as error:
            failure = failure or error
        except BaseException as error:
            failure = failure or _of_own_code(error)
            break
    return msgspec.UNSET, None, failure


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def _repairs(text: str, reading: Reading | None, wire: WireSchema) -> tuple[str, ...]:
    """Return sentences about repairs and unknown keys; counting the keys is enough for a normal answer."""
    found = () if reading is None else reading.warnings
    names = wire.schema.get("properties", ())
    if text.count('":') == len(names) and all(name in text for name in names):
        return found
    return found + key_warnings(text, wire.schema, wrapped=wire.wrapped)


def _decoder(type_: Any) -> Callable[[str], Any]:
    try:
        return _kept(type_)
    except TypeError:  # the type cannot be hashed
        return msgspec.json.Decoder(type_).decode


@functools.lru_cache(maxsize=64)
def _kept(type_: Any) -> Callable[[str], Any]:
    return msgspec.json.Decoder(type_).decode


def _convert(value: Any, wire: WireSchema, strict: bool) -> Any:
    try:
        return msgspec.convert(_restored(value, wire), wire.type, strict=strict, str_keys=True)
    except msgspec.ValidationError:
        whole = with_whole_choices(value, wire.schema)
        if whole == value:
            raise
        return msgspec.convert(_restored(whole, wire), wire.type, strict=strict, str_keys=True)


def _restored(value: Any, wire: WireSchema) -> Any:
    return value if wire.checked is None else wire.checked(value)


def _of_own_code(error: BaseException) -> BaseException:
    if ends_a_process(error):
        raise error
    return error


def _failed(text: str, wire: WireSchema, failure: BaseException | None) -> ValidationFailedError:
    if failure is None:
        start = " ".join(text.split())[:80]
        return ValidationFailedError(
            f"expected JSON for {wire.name}, got {start!r}. A clearer prompt or a larger model may help.", raw=text
        )
    if not isinstance(failure, msgspec.ValidationError):
        return ValidationFailedError(
            f"the code of {wire.name} itself failed on the answer: {described(failure)}. Raise a ValueError to "
            "have the model correct its answer, or fix that code; the model's text is in .raw.",
            raw=text,
            own_code=True,
        )
    message = _ENCODED.sub(lambda kind: f"expected a {kind[1]} such as {_EXAMPLES[kind[1]]}", str(failure))
    found = _PATH.search(message)
    path = found.group(1) if found else "$"
    return ValidationFailedError(
        f"the answer does not fit {wire.name}: {message}. The model's text is in .raw.", raw=text, path=path
    )


def json_texts(text: str) -> Iterator[str]:
    """Yield the parts of a text that may be its JSON, the likeliest first: all of it, fences, bracketed spans.

    Parts that are nested too deep are left out; in place of the whole text comes an empty one.
    """
    text = text.removeprefix("\ufeff").strip()
    yield "" if is_too_deep(text) else text  # nearly always this
    fenced = [match.group(1) for match in _FENCE.finditer(text)]
    parts = (*reversed(fenced[-_TRIES:]), *reversed(_complete_values(text)[-_TRIES:]))
    yield from (part for part in parts if not is_too_deep(part))


def value_at(text: str, path: str) -> str | None:
    """Return the JSON of the plain value at a path, such as ``$.items[2].price``; None if there is none."""
    steps = [name or int(number) for name, number in _STEP.findall(path)]
    if "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps) != path:
        return None
    for part in json_texts(text):
        with contextlib.suppress(msgspec.DecodeError, LookupError, TypeError, RecursionError):
            value = msgspec.json.decode(part)
            for step in steps:
                value = value[step]
            if isinstance(value, list | dict):
                return None
            found = msgspec.json.encode(value).decode()
            return found if len(found) <= _VALUE else f"{found[:_VALUE]}…"
    return None


def _complete_values(text: str) -> list[str]:
    """Return the outermost bracketed spans of ``text`` in order; each character is read once."""
    spans: list[tuple[int, int]] = []
    open_at: list[int] = []
    position, inside = 0, _INSIDE
    while True:
        match = (inside if open_at else _OPENING).search(text, position)
        if match is None or len(open_at) > _DEPTH_LIMIT:
            return [text[start:end] for start, end in spans]
        position = match.end()
        mark = text[match.start()]
        if mark == '"' and not match[1]:
            # This quote opens no string, nor does a later one: those are escaped, or this string would have ended.
            position, inside = match.start() + 1, _BRACKET
        elif mark in "[{":
            open_at.append(match.start())
        elif mark in "]}":
            start = open_at.pop()
            if text[start] + mark not in ("[]", "{}"):
                open_at.clear()
                continue
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, position))
