"""An answer's text → an instance, however the model wrapped its JSON.

Tried in order: the whole text, the text in a fence, the last complete JSON value in it. The *last*, because a model
that thinks aloud often repeats its input first; where an earlier one fits too and differs, that is flagged. Last comes
what is inside a list of one item, an object with one key, or a text.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..errors import ValidationFailedError, described, ends_a_process
from .deviations import conversions, passed_over, repeated_keys
from .lenient import Reading, read_lenient
from .schema import WireSchema

__all__ = ["Decoded", "decode_answer", "decode_json", "json_texts"]

_FENCE = re.compile(r"```[ \t]*+[\w+-]*+[ \t]*+\r?\n(.*?)```", re.DOTALL)
_INSIDE = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[\[\]{}]', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_OPENING = re.compile(r"[\[{]")
_PATH = re.compile(r" - at `(.+)`$")
_DEPTH_LIMIT = 500
_TRIES = 8
_LENIENT_CHARACTERS = 2_000_000  # that are read as models write JSON, in all parts of a text together


class Decoded(msgspec.Struct, frozen=True):
    """A decoded answer.

    Attributes:
        value: the instance.
        lax: whether it only fits after conversion, such as ``"1"`` for an int.
        wrapped: whether the JSON stood among other text.
        warnings: sentences about what was repaired or converted.
    """

    value: Any
    lax: bool
    wrapped: bool
    warnings: tuple[str, ...] = ()


def decode_answer(text: str, wire: WireSchema) -> Decoded:
    """Decode ``text`` to ``wire.type``; strictly first, then with msgspec's conversions, which is flagged.

    JSON as models write it, with a comma too many or a raw line end in a text, is read and flagged too.

    Raises:
        ValidationFailedError: no JSON in the text, JSON that does not fit (``path`` says where), or whatever the code
            of the type raised (``own_code``); only what ends a process is raised as it is.
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


def _others(candidates: Iterator[str], said: str, wire: WireSchema) -> tuple[str, ...]:
    """Say that another part of the text fits too, and holds something else."""
    for candidate in candidates:
        if not _is_json(candidate) or _same(candidate, said):
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
    """What a model has put into something that was not asked for, if it is the only thing in there."""
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
            first = f"the model's JSON stood in {around}, which was not asked for; what is in there was read."
            warnings = (first, *_repairs(said, None, wire), *(flags or ()))
            return Decoded(value, lax=flags is not None, wrapped=True, warnings=warnings)
    return None


def decode_json(text: str) -> Any:
    """Return the JSON value in ``text``, found as :func:`decode_answer` finds it.

    Raises:
        ValueError: there is no JSON.
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
    """Decode in one go, which is quick and gives a Decimal its digits; UNSET where it does not fit.

    The second value is the exception that the type's own code raised, or None.
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
    """Decode in two steps; UNSET where it does not fit, with the reason.

    Between them stand the sentences about what was converted; None where nothing had to be.
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
    """Sentences about how the text was read; for an answer that is as it should be, one count and no more."""
    found = () if reading is None else reading.warnings
    names = wire.schema.get("properties", ())
    if text.count('":') == len(names) and all(name in text for name in names):
        return found
    return found + repeated_keys(text) + passed_over(text, wire.schema)


def _decoder(type_: Any) -> Callable[[str], Any]:
    try:
        return _kept(type_)
    except TypeError:  # a type that cannot be hashed
        return msgspec.json.Decoder(type_).decode


@functools.lru_cache(maxsize=64)
def _kept(type_: Any) -> Callable[[str], Any]:
    return msgspec.json.Decoder(type_).decode


def _convert(value: Any, wire: WireSchema, strict: bool) -> Any:
    return msgspec.convert(_restored(value, wire), wire.type, strict=strict, str_keys=True)


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
    message = str(failure)
    found = _PATH.search(message)
    path = found.group(1) if found else "$"
    return ValidationFailedError(
        f"the answer does not fit {wire.name}: {message}. The model's text is in .raw.", raw=text, path=path
    )


def json_texts(text: str) -> Iterator[str]:
    """Yield what may be the JSON in a text, the likeliest first: all of it, what is fenced, what stands in brackets."""
    text = text.removeprefix("\ufeff").strip()
    yield text  # which nearly always is it
    fenced = [match.group(1) for match in _FENCE.finditer(text)]
    yield from (*reversed(fenced[-_TRIES:]), *reversed(_complete_values(text)[-_TRIES:]))


def _complete_values(text: str) -> list[str]:
    """The outermost bracketed spans of ``text`` in their order; each character is looked at once."""
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
            # It opens no string. Nor does a quote behind it: each of them is escaped, or this string would have ended.
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
