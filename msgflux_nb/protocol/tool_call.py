"""One tool call while its fragments arrive, and its state."""

from __future__ import annotations

import contextlib
import json
import string
from typing import Any, Literal, NamedTuple

import msgspec

from ..generation.lenient import read_lenient
from .events import ToolKind
from .partial_json import PartialJSON
from .sse import joined

__all__ = ["GrowingCall", "Status", "ToolCall", "ToolCallState", "json_text"]

Status = Literal["streaming", "complete", "invalid"]

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 9  # Mistral requires it, and every other provider accepts it


class ToolCall(NamedTuple):
    """A tool call, complete if it comes from ``get_calls``; a response's ``tool_calls`` has every call.

    Attributes:
        id: the provider's id, by which its result is given; or one of ours if the provider sent none.
        name: the name of the tool.
        arguments: the arguments, decoded from JSON; a custom tool's text is under ``"input"``. None if they are broken
            or still arriving.
    """

    id: str
    name: str
    arguments: dict[str, Any] | None


class ToolCallState(msgspec.Struct, frozen=True):
    """One call as far as it has arrived.

    Attributes:
        id: the provider's id, or one of ours if the provider sent none.
        name: the tool's name, as far as it has arrived.
        raw: the arguments' text as received.
        partial: the value parsed so far.
        status: ``streaming``, ``complete`` or ``invalid``; an invalid call must not be run, and ``error`` says why.
        repaired: whether the arguments had to be repaired to be valid.
        error: what is wrong, or None.
        choice: the number of the choice.
        late_id: whether the id came after the first fragment.
        repairs: sentences about how arguments that are not valid JSON were read.
    """

    id: str
    name: str
    raw: str
    partial: Any
    status: Status
    repaired: bool
    error: str | None
    choice: int
    late_id: bool
    repairs: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The complete arguments; None while they arrive, and if they are broken."""
        return self.partial if self.status == "complete" else None


class GrowingCall:
    """One call while its fragments arrive. They are parsed only when the call is read, each one once."""

    def __init__(self, lane: int, choice: int, index: int | None, kind: ToolKind) -> None:
        self.lane = lane
        self.choice = choice
        self.index = index
        self.kind = kind
        self.id = ""
        self.name = ""
        self.extra: dict[str, Any] = {}
        self.late_id = False
        self.arrived: list[str] = []  # fragments that were not parsed yet
        self._own_id = ""
        self._parser = PartialJSON()
        self._pieces: list[str] = []  # parsed fragments; the first one stays separate, since repairs need it
        self._last = ""
        self._half = ""  # of a surrogate pair; the other half comes with the next fragment
        self._repairs: tuple[str, ...] = ()
        self._read_as: tuple[str, dict[str, Any] | None] | None = None  # a text, and its lenient reading

    @property
    def known_id(self) -> str:
        """The provider's id, or a generated one that stays the same."""
        if self.id:
            return self.id
        if not self._own_id:
            import secrets  # imported late: it loads hash libraries, and few calls need it

            self._own_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        return self._own_id

    @property
    def raw(self) -> str:
        """The arguments' text so far, without a repetition of finished arguments."""
        self._catch_up()
        if len(self._pieces) > 2:
            self._pieces[1:] = ["".join(self._pieces[1:])]
        return "".join(self._pieces)

    @property
    def begun(self) -> bool:
        """Whether any part of the arguments has arrived."""
        return bool(self.arrived or self._pieces)

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are a complete JSON value, so that nothing can follow."""
        self._catch_up()
        return self._parser.complete and self._parser.error is None

    def _read(self, ended: bool) -> tuple[Any, Status, bool, str | None]:
        """Return (arguments so far, status, repaired, error)."""
        self._catch_up()
        if self.kind == "custom":
            return {"input": self.raw}, "complete" if ended else "streaming", False, None
        if not self._pieces or not self.raw.strip():
            return {}, "complete" if ended else "streaming", False, None
        if self.is_complete and isinstance(self._parser.value, dict):
            return self._parser.value, "complete", False, None
        if self._parser.error is None and not self._parser.complete and not ended:
            return self._parser.value, "streaming", False, None
        repaired = _repaired(self.raw.strip(), self._pieces[0], self._last)
        if repaired is None and ended:
            repaired = self._lenient()
        if repaired is not None:
            return repaired, "complete", True, None
        return self._parser.value, "invalid", False, self._problem()

    def identify(self, tool_id: str, name: str) -> None:
        """Set id and name if they are new; an empty text, or "null" once there is a name, changes nothing."""
        if tool_id and not self.id and not (tool_id == "null" and self.name):
            self.id = tool_id
            self.late_id = self.begun
        if not name or (name == "null" and self.name):
            return
        if name.startswith(self.name):
            self.name = name
        elif not self.begun:  # some gateways send it in pieces
            self.name += name

    def state(self, *, ended: bool) -> ToolCallState:
        """Return the call so far.

        Args:
            ended: whether the stream has ended, so that an incomplete call was cut off.
        """
        partial, status, repaired, error = self._read(ended)
        if status == "complete" and not self.name:
            status, error = ("invalid", "the call has no name") if ended else ("streaming", None)
        return ToolCallState(
            id=self.known_id,
            name=self.name,
            raw=self.raw,
            partial=partial,
            status=status,
            repaired=repaired,
            error=error,
            choice=self.choice,
            late_id=self.late_id,
            repairs=self._repairs if repaired else (),
        )

    def repeats(self, text: str) -> bool:
        """Whether a fragment repeats the finished arguments."""
        return text.strip() == self.raw.strip()

    def _catch_up(self) -> None:
        arrived, self.arrived = self.arrived, []
        unread: list[str] = []  # fragments that cannot end the arguments, to be parsed together
        for text in arrived:
            if self._parser.complete and self.repeats(text):
                continue  # the server repeats the finished arguments
            if not text.isascii() or self._half:
                text = self._without_half(text)
            self._pieces.append(text)
            self._last = text
            unread.append(text)
            if not self._parser.begun or "}" in text or "]" in text:
                self._parse(unread)
        self._parse(unread)

    def _parse(self, unread: list[str]) -> None:
        if unread and self.kind != "custom":
            self._parser.feed("".join(unread))
        unread.clear()

    def _without_half(self, text: str) -> str:
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return joined(text)

    def _lenient(self) -> dict[str, Any] | None:
        """Read arguments that are not valid JSON but have one clear meaning; else return None."""
        raw = self.raw
        if self._read_as is None or self._read_as[0] != raw:
            self._repairs, value = (), None
            reading = read_lenient(raw)
            if reading is not None:
                with contextlib.suppress(ValueError, RecursionError):
                    value = reading.value()
                self._repairs = reading.warnings
            self._read_as = raw, value if isinstance(value, dict) else None
        return self._read_as[1]

    def _problem(self) -> str:
        if self._parser.error is not None:
            return f"the arguments are not JSON: {self._parser.error}"
        if self._parser.complete:
            return f"the arguments are {type(self._parser.value).__name__}, expected an object"
        return "the arguments end in the middle"


def _repaired(raw: str, first: str, last: str) -> dict[str, Any] | None:
    """Repair broken arguments if exactly one repair is valid, else return None; ``first``, ``last``: fragments."""
    if raw in ("null", "[]", '""'):  # for no parameters: Groq; PHP, whose empty arrays are lists
        return {}
    readings: list[dict[str, Any]] = []
    decoded = _decoded(raw)
    if isinstance(decoded, str):  # the JSON was encoded twice
        decoded = _decoded(decoded)
    candidates = [decoded]
    if raw.startswith("{}"):  # an empty object was sent first
        candidates.append(_decoded(raw[2:]))
    if len(last) < len(raw) and last.startswith(first):  # each fragment repeats everything before it
        candidates.append(_decoded(last))
    for candidate in candidates:
        if isinstance(candidate, dict) and candidate not in readings:
            readings.append(candidate)
    return readings[0] if len(readings) == 1 else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def json_text(value: Any) -> str:
    """Return a value as JSON, whatever its texts hold."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate: UTF-8 cannot encode it, but an escape can
        return json.dumps(value)
