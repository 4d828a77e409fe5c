"""Fragments of streamed tool calls → whole calls, whatever a server does to their index, id, name and arguments.

A call is found again by its id first, by its index second, and else by being the last one. What makes a fragment
start a new call is never the index alone: Ollama, vLLM and SGLang give every parallel call the index 0, Gemini gives
none, and where a reasoning item came first the first index is 1.
"""

from __future__ import annotations

import secrets
import string
from typing import Any, Literal, NamedTuple

import msgspec

from ..errors import ToolCallError
from .partial_json import PartialJSON

__all__ = ["ToolCall", "ToolCallAggregator", "ToolCallState"]

Kind = Literal["function", "custom", "function_call"]
Status = Literal["streaming", "complete", "invalid"]

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 9  # what Mistral demands; every other provider takes it too
_MISSING: Any = object()


class ToolCall(NamedTuple):
    """A complete call: whom to call with what. A custom tool's text stands under ``"input"``."""

    id: str
    name: str
    arguments: dict[str, Any]


class ToolCallState(msgspec.Struct, frozen=True):
    """One call as far as it has come.

    Attributes:
        id: the provider's, or one of ours where it sent none.
        name: the tool's name, as far as it has come.
        raw: the arguments' text as it came.
        partial: what is parsed of it so far.
        status: ``streaming``, ``complete``, or ``invalid``: then ``error`` says why, and nothing may be executed.
        repaired: whether the arguments are only valid in another reading than the plain one.
        error: what is wrong, or None.
        choice: the choice that it belongs to.
        late_id: whether the id came after the first fragment.
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


class _Call:
    """One call while it is put together."""

    def __init__(self, choice: int, index: int | None, kind: Kind) -> None:
        self.choice = choice
        self.index = index
        self.kind = kind
        self.id = ""
        self.name = ""
        self.extra: dict[str, Any] = {}
        self.fragments: list[str] = []
        self.late_id = False
        self._own_id = ""
        self._parser = PartialJSON()

    @property
    def known_id(self) -> str:
        """The provider's id, or one of ours that stays the same."""
        if self.id:
            return self.id
        if not self._own_id:
            self._own_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        return self._own_id

    @property
    def raw(self) -> str:
        if len(self.fragments) > 64:  # joined now and then, so that polling stays cheap; early pieces show repairs
            self.fragments[8:] = ["".join(self.fragments[8:])]
        return "".join(self.fragments)

    @property
    def whole(self) -> bool:
        """Whether the arguments are a complete object, so that nothing can follow."""
        return self._parser.complete and self._parser.error is None

    def add(self, text: str) -> None:
        if self.whole and text.strip() == self.raw.strip():
            return  # the finished call was sent once more
        self.fragments.append(text)
        if self.kind != "custom":
            self._parser.feed(text)

    def read(self, *, ended: bool) -> tuple[Any, Status, bool, str | None]:
        """Return (arguments so far, status, repaired, error)."""
        raw = self.raw
        if self.kind == "custom":
            return {"input": raw}, "complete" if ended else "streaming", False, None
        if not raw.strip():
            return {}, "complete" if ended else "streaming", False, None
        if self.whole and isinstance(self._parser.value, dict):
            return self._parser.value, "complete", False, None
        if raw.strip() == "null":  # Groq, for a function without parameters
            return {}, "complete", True, None
        repaired = _repaired(raw, self.fragments)
        if repaired is not None:
            return repaired, "complete", True, None
        if self._parser.error is None and not self._parser.complete and not ended:
            return self._parser.value, "streaming", False, None
        return self._parser.value, "invalid", False, self._problem()

    def _problem(self) -> str:
        if self._parser.error is not None:
            return f"the arguments are no JSON: {self._parser.error}"
        if self._parser.complete:
            return f"the arguments are {type(self._parser.value).__name__}, expected an object"
        return "the arguments end in the middle"


class ToolCallAggregator:
    """Puts streamed tool calls together, and the results into the messages of the next turn.

    Example:
        >>> aggregator = ToolCallAggregator()
        >>> aggregator.process(0, "call_7", "get_weather", '{"city": ')
        >>> aggregator.process(0, None, None, '"Paris"}')
        >>> aggregator.get_calls()
        [ToolCall(id='call_7', name='get_weather', arguments={'city': 'Paris'})]
        >>> aggregator.insert_results({"call_7": "18 °C"})
        >>> [message["role"] for message in aggregator.get_messages()]
        ['assistant', 'tool']
    """

    def __init__(self, *, streaming: bool = False) -> None:
        """Start empty.

        Args:
            streaming: whether a stream feeds it that will say its end by ``finish``; until then a call without
                arguments is not taken for complete.
        """
        self._ended = not streaming
        self._calls: list[_Call] = []
        self._results: dict[str, Any] = {}

    def process(
        self,
        call_index: int | None,
        tool_id: str | None,
        name: str | None,
        arguments: Any,
        *,
        choice: int = 0,
        kind: Kind = "function",
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Take one fragment; any of the first four may be None or blank.

        Args:
            call_index: the server's label for the call; not a position.
            tool_id: the call's id.
            name: the tool's name.
            arguments: a piece of the arguments' text, or the whole arguments as an object.
            choice: the choice that it belongs to.
            kind: ``function``, ``custom`` (its input is text), or the deprecated ``function_call``.
            extra: fields of the provider that have to go back as they came.
        """
        call = self._find(call_index, tool_id or "", name or "", choice)
        if call is None:
            call = _Call(choice, call_index, kind)
            self._calls.append(call)
        self._identify(call, tool_id or "", name or "")
        for field, value in (extra or {}).items():
            call.extra[field] = value
        if isinstance(arguments, str):
            if arguments:
                call.add(arguments)
        elif arguments is not None:
            call.add(msgspec.json.encode(arguments).decode())

    def finish(self) -> None:
        """Take the end of the stream: what is not complete now is cut."""
        self._ended = True

    @property
    def states(self) -> list[ToolCallState]:
        """Every call in order of its first fragment; cheap enough to poll."""
        return [self._state(call) for call in self._calls]

    def get_calls(self, *, strict: bool = False) -> list[ToolCall]:
        """Return the calls that are complete, in order of their first fragments; safe at any time.

        Args:
            strict: whether a call that is not complete is an error.

        Raises:
            ToolCallError: with ``strict``, for the first call that is not complete.
        """
        calls = []
        for state in self.states:
            if state.status == "complete":
                calls.append(ToolCall(state.id, state.name, state.partial))
            elif strict:
                raise ToolCallError(
                    f"call {state.id!r} ({state.name or 'no name yet'}) is {state.status}: "
                    f"{state.error or 'its arguments are still arriving'}. Its text is in .states."
                )
        return calls

    def insert_results(self, results: dict[str, Any]) -> None:
        """Take results by call id; any value that JSON has, None included.

        Raises:
            ToolCallError: an id is unknown; nothing is taken then.
        """
        known = [call.known_id for call in self._calls]
        for call_id in results:
            if call_id not in known:
                raise ToolCallError(f"no call has the id {call_id!r}; known ids: {', '.join(known) or 'none'}.")
        self._results |= results

    def get_messages(self, *, allow_missing: bool = False) -> list[dict[str, Any]]:
        """Return the assistant's turn with its calls, then one message for each result; the same on every call.

        A call with broken arguments goes back with ``{}`` and is answered by its error, so that the history is valid.

        Args:
            allow_missing: leave calls without a result out instead of raising.

        Raises:
            ToolCallError: results are missing; the message names their ids.
        """
        states = [(call, self._state(call)) for call in self._calls]
        answered = [(call, state, self._result(state)) for call, state in states]
        missing = [state for _, state, result in answered if result is _MISSING]
        if missing and not allow_missing:
            names = ", ".join(f"{state.id} ({state.name})" for state in missing)
            raise ToolCallError(
                f"no result for {names}. Pass results to insert_results, or leave these calls out with "
                "allow_missing=True."
            )
        kept = [(call, state, result) for call, state, result in answered if result is not _MISSING]
        if not kept:
            return []
        return [_assistant(kept), *(_result_message(call, state, result) for call, state, result in kept)]

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        calls = ", ".join(f"{state.name or '…'} {state.status}" for state in self.states)
        return f"ToolCallAggregator({calls})"

    def _find(self, index: int | None, tool_id: str, name: str, choice: int) -> _Call | None:
        """The call that a fragment continues, or None where it starts one."""
        calls = [call for call in self._calls if call.choice == choice]
        if tool_id:
            for call in calls:
                if call.id == tool_id:
                    return call
        if index is not None:
            calls = [call for call in calls if call.index == index]
        if not calls:
            return None
        last = calls[-1]
        return None if _starts_another(last, tool_id, name, indexed=index is not None) else last

    def _identify(self, call: _Call, tool_id: str, name: str) -> None:
        """Take id and name where they are new; a blank never overwrites, and "null" is one once there is a name."""
        if tool_id and not call.id and not (tool_id == "null" and call.name):
            call.id = tool_id
            call.late_id = bool(call.fragments)
        if name and not call.name:
            call.name = name

    def _state(self, call: _Call) -> ToolCallState:
        partial, status, repaired, error = call.read(ended=self._ended)
        return ToolCallState(
            id=call.known_id,
            name=call.name,
            raw=call.raw,
            partial=partial,
            status=status,
            repaired=repaired,
            error=error,
            choice=call.choice,
            late_id=call.late_id,
        )

    def _result(self, state: ToolCallState) -> Any:
        if state.id in self._results:
            return self._results[state.id]
        return {"error": state.error} if state.status == "invalid" else _MISSING


def _starts_another(last: _Call, tool_id: str, name: str, *, indexed: bool) -> bool:
    """Whether a fragment with this identity cannot belong to the last call under the same index."""
    if tool_id == "null" and last.name:
        tool_id = ""
    if name == "null" and last.name:
        name = ""
    if tool_id and last.id:  # another id; but some servers number every fragment anew
        return bool(name) or last.whole or not indexed
    if not name or not last.name:
        return False
    # No id to go by: a name comes again with each fragment (vLLM), or because the next call begins.
    return last.whole or (name != last.name) or (not indexed and bool(tool_id))


def _repaired(raw: str, fragments: list[str]) -> dict[str, Any] | None:
    """The one other reading of broken arguments that is valid, or None."""
    readings: list[dict[str, Any]] = []
    stripped = raw.strip()
    decoded = _decoded(stripped)
    if isinstance(decoded, str):  # encoded twice
        decoded = _decoded(decoded)
    candidates = [decoded]
    if stripped.startswith("{}"):  # an empty object was sent first
        candidates.append(_decoded(stripped[2:]))
    if len(fragments) > 1 and fragments[-1].startswith(fragments[0]):  # each fragment holds all before it
        candidates.append(_decoded(fragments[-1]))
    for candidate in candidates:
        if isinstance(candidate, dict) and candidate not in readings:
            readings.append(candidate)
    return readings[0] if len(readings) == 1 else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


def _assistant(kept: list[tuple[_Call, ToolCallState, Any]]) -> dict[str, Any]:
    if kept[0][0].kind == "function_call":
        return {"role": "assistant", "content": None, "function_call": _function(kept[0][1])}
    calls: list[dict[str, Any]] = []
    for call, state, _ in kept:
        if call.kind == "custom":
            body: dict[str, Any] = {"type": "custom", "custom": {"name": state.name, "input": state.raw}}
        else:
            body = {"type": "function", "function": _function(state)}
        calls.append({"id": state.id, **body, **call.extra})
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _function(state: ToolCallState) -> dict[str, str]:
    whole = state.status == "complete"
    plain = whole and not state.repaired and state.raw.strip()
    arguments = state.raw if plain else msgspec.json.encode(state.partial if whole else {}).decode()
    return {"name": state.name, "arguments": arguments}


def _result_message(call: _Call, state: ToolCallState, result: Any) -> dict[str, Any]:
    content = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    if call.kind == "function_call":
        return {"role": "function", "name": state.name, "content": content}
    return {"role": "tool", "tool_call_id": state.id, "content": content}
