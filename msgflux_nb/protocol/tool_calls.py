"""Assembles streamed tool calls, however a server sends their index, id, name and arguments.

A fragment belongs to the call with its id, else to the call with its index, else to the last call. The index alone
never starts a new call: Ollama, vLLM and SGLang give every parallel call the index 0, Gemini sends no index, and after
a reasoning item the first index is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..content.depth import refuse_deep
from ..errors import ToolCallError, brief, printable
from .events import ToolCallDelta, ToolKind, Watchers
from .sse import joined
from .tool_call import GrowingCall, ToolCall, ToolCallState, json_text

__all__ = ["ToolCall", "ToolCallAggregator", "ToolCallState"]

_MISSING: Any = object()
_NAMELESS = "unknown"  # providers refuse a call without a name


class ToolCallAggregator:
    """Assembles streamed tool calls, and builds the messages with their results for the next turn.

    Example:
        >>> aggregator = ToolCallAggregator()
        >>> aggregator.process(0, "call_7", "get_weather", '{"city": ')
        >>> aggregator.process(0, None, None, '"Paris"}')
        >>> aggregator.get_calls()
        [ToolCall(id='call_7', name='get_weather', arguments={'city': 'Paris'})]
        >>> aggregator.insert_results({"call_7": "18 °C"})
        >>> [message["role"] for message in aggregator.get_messages()]
        ['assistant', 'tool']

    Attributes:
        message: the rest of the assistant's turn: its text, and fields that are sent back to the provider.
        scrub: removes from an error the keys that a call repeats; that of an answer knows the keys of its model, one
            that you make knows none. Copies and pickles have none either.
    """

    def __init__(self, *, streaming: bool = False) -> None:
        """Start without calls.

        Args:
            streaming: whether fragments come from a stream that announces its end by ``finish``; until then a call
                without arguments does not count as complete.
        """
        self.message: dict[str, Any] = {"content": None}
        self.scrub: Callable[[str], str] = str
        self._ended = not streaming
        self._calls: list[GrowingCall] = []
        # The last call for each of the server's indices and ids, and of each choice.
        self._labels: dict[tuple[int, int | None], GrowingCall] = {}
        self._ids: dict[tuple[int, str], GrowingCall] = {}
        self._last: dict[int, GrowingCall] = {}
        self._results: dict[str, Any] = {}
        self._watchers: Watchers[ToolCallDelta] = Watchers()

    def process(
        self,
        call_index: int | None,
        tool_id: str | None,
        name: str | None,
        arguments: Any,
        *,
        choice: int = 0,
        kind: ToolKind = "function",
        extra: dict[str, Any] | None = None,
    ) -> int:
        """Add one fragment; any of the first four arguments may be None or blank.

        Args:
            call_index: the server's index of the call, which need not be its position.
            tool_id: the call's id.
            name: the tool's name.
            arguments: a piece of the arguments' text, or the complete arguments as an object.
            choice: the number of the choice.
            kind: ``function``, ``custom`` (its input is text), or the deprecated ``function_call``.
            extra: the provider's own fields, to be sent back unchanged.

        Returns:
            The position of the fragment's call, in order of appearance.

        Raises:
            TypeError: an index, id or name is of another type.
        """
        text = arguments if isinstance(arguments, str) else "" if arguments is None else _whole_text(arguments)
        call = None
        if not tool_id and not name and call_index is not None:
            call = self._labels.get((choice, call_index))  # nearly every fragment
        if call is None:
            call = self._identified(call_index, tool_id or "", name or "", text, choice, kind)
        if extra:
            call.extra |= extra
        if text:
            call.arrived.append(text)
        if self._watchers:
            self._watchers.tell(ToolCallDelta(call.lane, tool_id or None, name or None, arguments, choice, kind, extra))
        return call.lane

    def finish(self) -> None:
        """Handle the end of the stream: calls that are incomplete now were cut off."""
        self._ended = True
        self._watchers.end()

    def watch(self, watcher: Callable[[ToolCallDelta | None], object]) -> None:
        """Call a function with each fragment from now on, after it was added, and with None at ``finish``.

        The function is called on the thread that adds the fragments, and must not raise.
        """
        self._watchers.join(watcher)

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected: the stream has ended, or there is no stream."""
        return self._ended

    @property
    def states(self) -> list[ToolCallState]:
        """The state of every call in order of its first fragment; cheap enough to poll."""
        return [call.state(ended=self._ended) for call in self._calls]

    @property
    def results(self) -> dict[str, Any]:
        """The results given to ``insert_results``, by call id."""
        return dict(self._results)

    def get_calls(self, *, strict: bool = False, choice: int | None = None) -> list[ToolCall]:
        """Return the complete calls, in order of their first fragments; may be called at any time.

        Choices are alternative answers to one request: run the calls of one choice only. A response's aggregator holds
        the calls of the choice that its ``text`` shows; ``response.choices[i].tool_calls`` has the others.

        Args:
            strict: whether an incomplete call is an error.
            choice: the number of the choice; None for all.

        Raises:
            ToolCallError: with ``strict``, a call is not complete.
        """
        calls = []
        for state in self.states:
            if choice is not None and state.choice != choice:
                continue
            if state.status == "complete":
                calls.append(ToolCall(state.id, state.name, state.partial))
            elif strict:
                why = state.error or "its arguments are still arriving"
                if self.scrub(state.raw) != state.raw:  # the error may quote a part of a key, which nobody recognises
                    why = "its arguments hold a key"
                raise self._error(
                    f"call {state.id!r} ({state.name or 'no name yet'}) is {state.status}: {why}. Its text is in "
                    ".states."
                )
        return calls

    def insert_results(self, results: dict[str, Any]) -> None:
        """Add results by call id; a result is any JSON value, including None.

        Raises:
            ToolCallError: an id is unknown, or a result is nested too deep; no result is added then.
        """
        if not isinstance(results, Mapping):
            raise TypeError(f"insert_results: expected a dict of results by call id, got {type(results).__name__}")
        known = dict.fromkeys(call.known_id for call in self._calls)
        for call_id in results:
            if call_id not in known:
                raise self._error(f"no call has the id {call_id!r}; known ids: {', '.join(known) or 'none'}.")
            refuse_deep(results[call_id], f"the result of {call_id!r}", self._error)
        self._results |= results

    def get_messages(self, *, allow_missing: bool = False, choice: int | None = None) -> list[dict[str, Any]]:
        """Return the assistant's turn with its calls, then one message for each result; the same on every call.

        A call with broken arguments is sent back with ``{}`` and its error as the result, so that the history is valid.

        Args:
            allow_missing: leave out calls without a result instead of raising.
            choice: the number of the choice; None for the first one with calls, since a history holds one answer.

        Raises:
            ToolCallError: results are missing; the message names their ids.
        """
        chosen = min((call.choice for call in self._calls), default=0) if choice is None else choice
        states = [(call, call.state(ended=self._ended)) for call in self._calls if call.choice == chosen]
        answered = [(call, state, self._result(state)) for call, state in states]
        missing = [state for _, state, result in answered if result is _MISSING]
        if missing and not allow_missing:
            names = ", ".join(f"{state.id} ({state.name})" for state in missing)
            raise self._error(
                f"no result for {names}. Pass results to insert_results, or leave these calls out with "
                "allow_missing=True."
            )
        kept = [(call, state, result) for call, state, result in answered if result is not _MISSING]
        if not kept:
            return []
        legacy = _is_legacy(kept)
        results = [_result_message(state, result, legacy=legacy) for _, state, result in kept]
        return [_assistant(kept, self.message), *results]

    @property
    def has_extra(self) -> bool:
        """Whether a call holds fields that only its provider understands."""
        return any(call.extra for call in self._calls)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from ..display.answer import aggregator_bundle

        return aggregator_bundle(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "scrub": str}

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        calls = ", ".join(f"{state.name or '…'} {state.status}" for state in self.states)
        return f"ToolCallAggregator({printable(calls)})"

    def _identified(
        self, index: int | None, tool_id: str, name: str, text: str, choice: int, kind: ToolKind
    ) -> GrowingCall:
        """Find or start the call of a fragment, and set its id and name."""
        for what, given, type_ in (("call_index", index, int), ("tool_id", tool_id, str), ("name", name, str)):
            if given is not None and not isinstance(given, type_):
                raise TypeError(
                    f"{what}: expected {type_.__name__} or None, got {brief(given)} ({type(given).__name__})"
                )
        tool_id, name = joined(tool_id), joined(name)
        call = self._find(index, tool_id, name, text, choice)
        if call is None:
            call = self._last[choice] = GrowingCall(len(self._calls), choice, index, kind)
            self._calls.append(call)
            self._labels[choice, index] = call
            if (choice, tool_id) in self._ids:  # DeepSeek, GLM and Kimi use an id for several calls
                self._ids[choice, tool_id] = call
                call.id = call.known_id
        elif index is not None:
            self._labels.setdefault((choice, index), call)
        call.identify(tool_id, name)
        if call.id:
            self._ids.setdefault((choice, call.id), call)
        return call

    def _find(self, index: int | None, tool_id: str, name: str, text: str, choice: int) -> GrowingCall | None:
        """Return the call that a fragment continues, or None if it starts one."""
        same = self._ids.get((choice, tool_id)) if tool_id else None
        if same is not None:
            return None if _is_namesake(same, index, name, text) else same
        last = self._last.get(choice)
        if index is not None and (last is None or last.index is not None or tool_id or name):
            last = self._labels.get((choice, index))
        if last is None or _starts_another(last, tool_id, name, text, indexed=index is not None):
            return None
        return last

    def _error(self, text: str) -> ToolCallError:
        return ToolCallError(self.scrub(text))

    def _result(self, state: ToolCallState) -> Any:
        if state.id in self._results:
            return self._results[state.id]
        return {"error": state.error} if state.status == "invalid" else _MISSING


def _whole_text(arguments: Any) -> str:
    refuse_deep(arguments, "arguments", TypeError)
    try:
        return json_text(arguments)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"arguments: expected a text, a dict or None, got {type(arguments).__name__}: {error}"
        ) from None


def _is_namesake(call: GrowingCall, index: int | None, name: str, text: str) -> bool:
    """Whether a fragment with a known id starts another call, since some servers reuse ids."""
    if name in ("", "null") or not call.is_complete or call.repeats(text):
        return False
    renamed = bool(call.name) and name != call.name
    return renamed or (index is not None and call.index is not None and index != call.index)


def _starts_another(last: GrowingCall, tool_id: str, name: str, text: str, *, indexed: bool) -> bool:
    """Whether a fragment with this identity cannot belong to the last call under the same index."""
    if tool_id == "null" and last.name:
        tool_id = ""
    if name == "null" and last.name:
        name = ""
    if tool_id and last.id:  # a new id; but some servers give every fragment a new one
        if last.begun and text.strip() and last.kind != "custom" and text.lstrip()[0] != "{" and not last.is_complete:
            return False
        return bool(name) or not indexed or last.is_complete
    if not name or not last.name:
        return False
    # Without an id: a name is repeated in each fragment (vLLM), or because the next call begins.
    if name == last.name:
        return (last.is_complete and bool(text.strip())) or (not indexed and bool(tool_id))
    return not indexed or last.begun  # otherwise it is the rest of the name


def _assistant(kept: list[tuple[GrowingCall, ToolCallState, Any]], message: dict[str, Any]) -> dict[str, Any]:
    if _is_legacy(kept):
        return {"role": "assistant", **message, "function_call": _function(kept[0][1])}
    calls: list[dict[str, Any]] = []
    for call, state, _ in kept:
        if call.kind == "custom":
            body: dict[str, Any] = {"type": "custom", "custom": {"name": state.name, "input": state.raw}}
        else:
            body = {"type": "function", "function": _function(state)}
        calls.append({"id": state.id, **body, **call.extra})
    return {"role": "assistant", **message, "tool_calls": calls}


def _is_legacy(kept: list[tuple[GrowingCall, ToolCallState, Any]]) -> bool:
    """Whether the turn is a single call in the deprecated form."""
    return len(kept) == 1 and kept[0][0].kind == "function_call"


def _function(state: ToolCallState) -> dict[str, str]:
    whole = state.status == "complete"
    plain = whole and not state.repaired and state.raw.strip()
    arguments = state.raw if plain else json_text(state.partial if whole else {})
    return {"name": state.name or _NAMELESS, "arguments": arguments}


def _result_message(state: ToolCallState, result: Any, *, legacy: bool) -> dict[str, Any]:
    content = joined(result) if isinstance(result, str) else json_text(result)
    if legacy:
        return {"role": "function", "name": state.name or _NAMELESS, "content": content}
    return {"role": "tool", "tool_call_id": state.id, "content": content}
