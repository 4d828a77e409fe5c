"""Where a key comes from, and how it is kept secret.

A key is an object that is masked wherever Python shows values: repr, str, format and tracebacks. It cannot be pickled.
Its text is read in one place, when the header is written.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import urllib.parse
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import AuthenticationError
from ..protocol.address import address_secrets, without_secrets
from ..storage.recordings.named import is_no_plain_word
from .profiles import PROFILES

__all__ = [
    "HiddenValues",
    "Key",
    "find_key",
    "hidden_of",
    "hide",
    "hide_in_bytes",
    "keys_of_environment",
    "scrub",
    "scrub_kept",
    "secrets_of_address",
]

_MASK = "[key]"
_SHORTEST_KEY = 8  # shorter values of headers are numbers or words; shorter texts are not looked for in base64
# The shapes of providers' keys, so that other people's keys are hidden too.
_PREFIXES = ("sk", "pk", "rk", "gsk", "xai", "nvapi", "hf", "csk", "fw", "pplx", "key")
_SHAPES = re.compile(
    rf"\b(?:{'|'.join(_PREFIXES)})[-_][A-Za-z0-9_\-]{{8,}}|\bAIza[\w\-]{{10,}}|Bearer\s+[^\s\"',]+"
    r"|(?<=://)[^/\s]+(?=@)"  # user name and password of an address
)
# What looks like a key has one of these. To look for each of them is much faster than the expression.
_SIGNS = (*(prefix + mark for prefix in _PREFIXES for mark in "-_"), "AIza", "Bearer", "://")


# One character as percent-encoding, JSON and HTML may write it, also coded twice.
_ESCAPE = re.compile(
    r"%(?:25){0,3}([0-9A-Fa-f]{2})|\\{1,8}(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([\"'/]))"
    r"|&(?:amp;){0,3}(?:#[xX]0{0,4}([0-9A-Fa-f]{1,4})|#0{0,4}([0-9]{1,5})|(amp|lt|gt|quot|apos|plus|equals|sol));"
)
_MAY_HIDE = re.compile(rb"%(?:25)*[0-9A-Fa-f]{2}|\\[ux]|&")  # escapes that JSON of a usual answer does not have
_QUOTED = frozenset("\"'/")  # characters that a backslash alone may escape
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "plus": "+", "equals": "=", "sol": "/"}


class Key:
    """A secret that is shown as ``Key(...)`` everywhere; ``reveal`` returns its text."""

    __slots__ = ("__problem", "__spellings", "__text")

    def __init__(self, text: str) -> None:
        """Take a key as a person pastes it; surrounding white space is removed.

        A text that cannot be a key is refused when it is used, not here: a verbose traceback would print it as an
        argument of this call.
        """
        self.__problem = _problem(text)
        self.__text = "" if self.__problem else text.strip()
        self.__spellings: tuple[bytes, ...] | None = None

    def reveal(self) -> str:
        """Return the text, for the one header that it belongs in.

        Raises:
            AuthenticationError: the text cannot be a key; the message does not show it.
        """
        if self.__problem:
            raise AuthenticationError(
                f"expected an API key, got {self.__problem}. Copy it again from your provider's page."
            )
        return self.__text

    def hide_in(self, text: str) -> str:
        """Return ``text`` with this key replaced, in base64 too."""
        return _without(text, self.__text)

    def occurs_in(self, data: bytes) -> bool:
        """Whether the key occurs: a quick check, since nearly always it does not."""
        if self.__spellings is None:
            self.__spellings = tuple(spelling.encode() for spelling in _spellings(self.__text))
        return any(spelling in data for spelling in self.__spellings) or (
            len(self.__text) >= _SHORTEST_KEY
            and (_MAY_HIDE.search(data) is not None or (b"\\" in data and not _QUOTED.isdisjoint(self.__text)))
            and self.__text in _unescaped(data.decode("latin-1"))
        )

    def __repr__(self) -> str:
        return "Key(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.__text == other.__text

    def __hash__(self) -> int:
        return hash(self.__text)

    def __reduce__(self) -> Any:
        raise TypeError("a key is not pickled or copied to disk; give it again where it is needed")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: Any) -> Key:
        return self


class HiddenValues(dict[str, str]):
    """Headers that show only their names, since a gateway's key may be among their values."""

    def hide_in(self, text: str) -> str:
        """Return ``text`` with each value, and each word of a value, replaced if it is long enough to be a key."""
        for value in self.values():
            for word in (value, *value.split()):
                text = _without(text, word) if len(word) >= _SHORTEST_KEY else text
        return text

    def __repr__(self) -> str:
        return f"HiddenValues({', '.join(self)})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self:
            raise TypeError("headers are not pickled or copied to disk: a key may be among them")
        return super().__reduce_ex__(protocol)

    def __copy__(self) -> HiddenValues:
        return self

    def __deepcopy__(self, memo: Any) -> HiddenValues:
        return self


@functools.lru_cache(maxsize=256)
def hidden_of(address: str) -> HiddenValues:
    """Return the keys in an address's query, which a server may repeat."""
    return HiddenValues({value: value for value in address_secrets(address)})


_named: dict[str, Key] = {}  # the last key found in each variable


def find_key(given: Key | None, variables: tuple[str, ...], provider: str) -> Key | None:
    """Return the given key, or the key in the environment; None if a provider needs none.

    Raises:
        AuthenticationError: the provider needs a key and there is none; the message says where it was looked for.
    """
    if given is not None or not variables:
        return given
    for variable in variables:
        if os.environ.get(variable, "").strip():
            key = Key(os.environ[variable])
            if _named.get(variable) != key:
                _named[variable] = key
            return _named[variable]
    raise AuthenticationError(
        f"{provider} needs an API key: set the environment variable {' or '.join(variables)}, or pass api_key=."
    )


def keys_of_environment() -> list[Key]:
    """Return the keys of all known providers in the environment, used or not; a plain word is not taken for a key."""
    variables = (variable for profile in PROFILES.values() for variable in profile.key_variables)
    values = (os.environ.get(variable, "").strip() for variable in variables)
    return [Key(value) for value in values if is_no_plain_word(value)]


def hide_in_bytes(data: bytes, key: Key | None, *values: HiddenValues) -> bytes:
    """Remove a key and secret values from what was sent or received."""
    if not any(values) and (key is None or not key.occurs_in(data)):
        return data
    text = data.decode("utf-8", "surrogateescape")
    for hidden in (key, *values):
        text = text if hidden is None else hidden.hide_in(text)
    return text.encode("utf-8", "surrogateescape")


def hide(text: str, keys: Iterable[Key | HiddenValues]) -> str:
    """Return ``text`` with the given keys and headers replaced, and nothing else."""
    for key in keys:
        text = key.hide_in(text)
    return text


def scrub(text: str, keys: Iterable[Key | HiddenValues] = ()) -> str:
    """Return ``text`` with the given keys and headers, and whatever looks like a key, replaced."""
    return without_secrets(_without_shapes(hide(text, keys), lambda _: _MASK))


def scrub_kept(text: str, keys: Iterable[Key | HiddenValues] = ()) -> str:
    """As :func:`scrub`, but keep plain words that look like keys, such as ``key_findings`` and "Bearer of news"."""
    found = _without_shapes(hide(text, keys), lambda found: found[0] if _is_words(found[0]) else _MASK)
    return without_secrets(found)


def _without_shapes(text: str, mask: Callable[[re.Match[str]], str]) -> str:
    return _SHAPES.sub(mask, text) if any(map(text.__contains__, _SIGNS)) else text


def secrets_of_address(address: str) -> HiddenValues:
    """Return the password and the keys in an address, both percent-encoded and decoded."""
    user = urllib.parse.urlsplit(address).netloc.rpartition("@")[0]
    password = user.partition(":")[2] or user
    found = (password, urllib.parse.unquote(password), urllib.parse.unquote(user))
    return HiddenValues({**{one: one for one in found if one}, **hidden_of(address)})


def _is_words(found: str) -> bool:
    """Whether a text in the shape of a key consists of plain words and numbers, as names in programs do."""
    parts = re.split(r"[-_\s]+", found.removeprefix("Bearer "))
    return all(part.isdecimal() or (part.isascii() and part.isalpha() and part.islower()) for part in parts)


def _without(text: str, secret: str) -> str:
    if not secret:
        return text
    if len(secret) < _SHORTEST_KEY:  # would also match inside other words
        return re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", _MASK, text)
    for spelling in _spellings(secret):
        text = text.replace(spelling, _MASK)
    return _without_escaped(text, secret)


def _without_escaped(text: str, secret: str) -> str:
    """Replace a secret of which any characters are escaped, in time in proportion to the text."""
    plain = _unescaped(text)
    place = plain.find(secret)
    if place < 0 or plain == text:
        return text
    starts, end = array("q"), 0  # where each character of the plain text begins in the text
    for found in _ESCAPE.finditer(text):
        starts.extend(range(end, found.start() + 1))
        end = found.end()
    starts.extend(range(end, len(text) + 1))
    parts, end = [], 0
    while place >= 0:
        parts += [text[end : starts[place]], _MASK]
        end = starts[place + len(secret)]
        place = plain.find(secret, place + len(secret))
    return "".join((*parts, text[end:]))


def _unescaped(text: str) -> str:
    """Return a text in which each escape is its character."""
    return _ESCAPE.sub(_character, text) if "%" in text or "\\" in text or "&" in text else text


def _character(found: re.Match[str]) -> str:
    percent, four, two, plain, hexadecimal, decimal, name = found.groups()
    if plain or name:
        return plain or _ENTITIES[name]
    return chr(int(decimal) if decimal else int(percent or four or two or hexadecimal, 16))


def _spellings(secret: str) -> list[str]:
    """Return a secret as it is, as JSON, HTML and URLs write it, and in base64 at each of three offsets."""
    found = _written(secret) if secret else []
    for before in range(3 if len(secret) >= _SHORTEST_KEY else 0):
        coded = base64.b64encode(b"\0" * before + secret.encode())
        part = coded[(8 * before + 5) // 6 : 8 * (before + len(secret.encode())) // 6].decode()
        found += {part, part.replace("+", "-").replace("/", "_")}
    return found


def _written(secret: str) -> list[str]:
    """Return a secret in its different escaped forms, the longest first; nearly always there is one."""
    if secret.isalnum():
        return [secret]
    quoted = [urllib.parse.quote(secret, safe=safe) for safe in ("", "/")]
    written = json.dumps(secret)[1:-1]
    more = [
        *quoted,
        *map(_in_small_hex, quoted),
        written,
        written.replace("/", "\\/"),
        html.escape(secret),
        repr(secret)[1:-1],
    ]
    return [secret, *sorted({*more} - {secret}, key=len, reverse=True)]


def _in_small_hex(quoted: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)


def _problem(text: object) -> str | None:
    if not isinstance(text, str):
        return type(text).__name__
    if not text.strip():
        return "an empty text"
    if not all("!" <= character <= "~" for character in text.strip()):
        return "a text with a space, a control character or a letter outside ASCII in it"
    return None
