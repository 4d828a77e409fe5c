"""An answer's text → an instance, however the model wrapped its JSON.

Tried in order: the whole text, the text in a fence, the last complete JSON value in it. The *last*, because a model
that thinks aloud often repeats its input first.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..errors import ValidationFailedError, described, ends_a_process
from .schema import WireSchema

__all__ = ["Decoded", "decode_answer", "decode_json"]

_FENCE = re.compile(r"```[ \t]*+[\w+-]*+[ \t]*+\r?\n(.*?)```", re.DOTALL)
_INSIDE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_PATH = re.compile(r" - at `(.+)`$")
_DEPTH_LIMIT = 500
_TRIES = 8


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

    Raises:
        ValidationFailedError: no JSON in the text, JSON that does not fit (``path`` says where), or whatever the code
            of the type raised (``own_code``); only what ends a process is raised as it is.
    """
    failure: BaseException | None = None
    for position, candidate in enumerate(_candidates(text)):
        if wire.checked is None:  # in one go, which is quick, and gives a Decimal the digits that were written
            try:
                return Decoded(value=_decoder(wire.type)(candidate), lax=False, wrapped=position > 0)
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                pass
            except BaseException as error:
                failure = failure or _of_own_code(error)
                continue
        try:
            value = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            continue
        for strict in (True, False):
            try:
                return Decoded(value=_convert(value, wire, strict), lax=not strict, wrapped=position > 0)
            except msgspec.ValidationError as error:
                failure = failure or error
            except BaseException as error:
                failure = failure or _of_own_code(error)
                break
    raise _failed(text, wire, failure) from (None if isinstance(failure, msgspec.ValidationError) else failure)


def decode_json(text: str) -> Any:
    """Return the JSON value in ``text``, found as :func:`decode_answer` finds it.

    Raises:
        ValueError: there is none.
    """
    for candidate in _candidates(text):
        try:
            return msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            continue
    raise ValueError("no JSON in the text")


def _decoder(type_: Any) -> Callable[[str], Any]:
    try:
        return _kept(type_)
    except TypeError:  # a type that cannot be hashed
        return msgspec.json.Decoder(type_).decode


@functools.lru_cache(maxsize=64)
def _kept(type_: Any) -> Callable[[str], Any]:
    return msgspec.json.Decoder(type_).decode


def _convert(value: Any, wire: WireSchema, strict: bool) -> Any:
    restored = value if wire.checked is None else wire.checked(value)
    return msgspec.convert(restored, wire.type, strict=strict, str_keys=True)


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
            "have the model correct its answer, or mend that code; the model's text is in .raw.",
            raw=text,
            own_code=True,
        )
    message = str(failure)
    found = _PATH.search(message)
    path = found.group(1) if found else "$"
    return ValidationFailedError(
        f"the answer does not fit {wire.name}: {message}. The model's text is in .raw.", raw=text, path=path
    )


def _candidates(text: str) -> Iterator[str]:
    text = text.removeprefix("\ufeff").strip()
    yield text  # which nearly always is it
    fenced = [match.group(1) for match in _FENCE.finditer(text)]
    yield from (*reversed(fenced[-_TRIES:]), *reversed(_complete_values(text)[-_TRIES:]))


def _complete_values(text: str) -> list[str]:
    """The outermost bracketed spans of ``text`` in their order; each character is looked at once."""
    spans: list[tuple[int, int]] = []
    open_at: list[int] = []
    position = 0
    while True:
        match = (_INSIDE if open_at else _OPENING).search(text, position)
        if match is None or len(open_at) > _DEPTH_LIMIT:
            return [text[start:end] for start, end in spans]
        position = match.end()
        mark = match.group()
        if mark in "[{":
            open_at.append(match.start())
        elif mark in "]}":
            start = open_at.pop()
            if text[start] + mark not in ("[]", "{}"):
                open_at.clear()
                continue
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, position))
