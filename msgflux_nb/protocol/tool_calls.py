"""Streamed tool calls → whole calls, whatever a server does to their index, id, name and arguments.

A call is found again by its id first, by its index second, and else by being the last one. What makes a fragment
start a new call is never the index alone: Ollama, vLLM and SGLang give every parallel call the index 0, Gemini gives
none, and where a reasoning item came first the first index is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ToolCallError, printable
from .events import ToolCallDelta, ToolKind, Watchers
from .sse import joined
from .tool_call import Assembly, ToolCall, ToolCallState, json_text

__all__ = ["ToolCall", "ToolCallAggregator", "ToolCallState"]

_MISSING: Any = object()
_NAMELESS = "unknown"  # providers refuse a call without a name


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

    Attributes:
        message: the rest of the assistant's turn: text, and fields that go back to the provider.
    """

    def __init__(self, *, streaming: bool = False) -> None:
        """Start empty.

        Args:
            streaming: whether a stream feeds it that will say its end by ``finish``; until then a call without
                arguments is not taken for complete.
        """
        self.message: dict[str, Any] = {"content": None}
        self._ended = not streaming
        self._calls: list[Assembly] = []
        # The last call under each of the server's labels and ids, and of each choice.
        self._labels: dict[tuple[int, int | None], Assembly] = {}
        self._ids: dict[tuple[int, str], Assembly] = {}
        self._last: dict[int, Assembly] = {}
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
        """Take one fragment; any of the first four may be None or blank.

        Args:
            call_index: the server's label for the call; not a position.
            tool_id: the call's id.
            name: the tool's name.
            arguments: a piece of the arguments' text, or the whole arguments as an object.
            choice: the choice that it belongs to.
            kind: ``function``, ``custom`` (its input is text), or the deprecated ``function_call``.
            extra: the provider's own fields, to be sent back unchanged.

        Returns:
            The position of the call it belongs to, in order of appearance.
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
        """Take the end of the stream: calls that are incomplete now are cut."""
        self._ended = True
        self._watchers.end()

    def watch(self, watcher: Callable[[ToolCallDelta | None], object]) -> None:
        """Tell a function each fragment that comes from now on, once it was taken, and None at ``finish``.

        It is called on the thread that feeds the aggregator, and must not raise.
        """
        self._watchers.join(watcher)

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected: its stream has ended, or no stream will announce an end."""
        return self._ended

    @property
    def states(self) -> list[ToolCallState]:
        """Every call in order of its first fragment; cheap enough to poll."""
        return [call.state(ended=self._ended) for call in self._calls]

    @property
    def results(self) -> dict[str, Any]:
        """The results given to ``insert_results``, by call id."""
        return dict(self._results)

    def get_calls(self, *, strict: bool = False, choice: int | None = None) -> list[ToolCall]:
        """Return the calls that are complete, in order of their first fragments; safe at any time.

        Choices are other answers to the same request: run the calls of one of them. The aggregator of a response has
        those of the choice that the response speaks of; ``response.choices[i].tool_calls`` has the others.

        Args:
            choice: the choice; None for all that were fed.
            strict: whether a call that is not complete is an error.

        Raises:
            ToolCallError: with ``strict``, for the first call that is not complete.
        """
        calls = []
        for state in self.states:
            if choice is not None and state.choice != choice:
                continue
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
        if not isinstance(results, Mapping):
            raise TypeError(f"insert_results: expected a dict of results by call id, got {type(results).__name__}")
        known = [call.known_id for call in self._calls]
        for call_id in results:
            if call_id not in known:
                raise ToolCallError(f"no call has the id {call_id!r}; known ids: {', '.join(known) or 'none'}.")
        self._results |= results

    def get_messages(self, *, allow_missing: bool = False, choice: int | None = None) -> list[dict[str, Any]]:
        """Return the assistant's turn with its calls, then one message for each result; the same on every call.

        A call with broken arguments goes back with ``{}`` and is answered by its error, so that the history is valid.

        Args:
            allow_missing: leave calls without a result out instead of raising.
            choice: whose calls; None for the first choice that has some, since a history holds one answer.

        Raises:
            ToolCallError: results are missing; the message names their ids.
        """
        chosen = min((call.choice for call in self._calls), default=0) if choice is None else choice
        states = [(call, call.state(ended=self._ended)) for call in self._calls if call.choice == chosen]
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

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        calls = ", ".join(f"{state.name or '…'} {state.status}" for state in self.states)
        return f"ToolCallAggregator({printable(calls)})"

    def _identified(
        self, index: int | None, tool_id: str, name: str, text: str, choice: int, kind: ToolKind
    ) -> Assembly:
        """The call that a fragment belongs to, with the fragment's id and name."""
        for what, given, type_ in (("call_index", index, int), ("tool_id", tool_id, str), ("name", name, str)):
            if given is not None and not isinstance(given, type_):
                raise TypeError(
                    f"{what}: expected {type_.__name__} or None, got {given!r:.60} ({type(given).__name__})"
                )
        tool_id, name = joined(tool_id), joined(name)
        call = self._find(index, tool_id, name, text, choice)
        if call is None:
            call = self._last[choice] = Assembly(len(self._calls), choice, index, kind)
            self._calls.append(call)
            self._labels[choice, index] = call
            if (choice, tool_id) in self._ids:  # given to another call before: DeepSeek, GLM, Kimi
                self._ids[choice, tool_id] = call
                call.id = call.known_id
        elif index is not None:
            self._labels.setdefault((choice, index), call)
        call.identify(tool_id, name)
        if call.id:
            self._ids.setdefault((choice, call.id), call)
        return call

    def _find(self, index: int | None, tool_id: str, name: str, text: str, choice: int) -> Assembly | None:
        """The call that a fragment continues, or None if it starts one."""
        same = self._ids.get((choice, tool_id)) if tool_id else None
        if same is not None:
            return None if _is_namesake(same, index, name, text) else same
        last = self._last.get(choice)
        if index is not None and (last is None or last.index is not None or tool_id or name):
            last = self._labels.get((choice, index))
        if last is None or _starts_another(last, tool_id, name, text, indexed=index is not None):
            return None
        return last

    def _result(self, state: ToolCallState) -> Any:
        if state.id in self._results:
            return self._results[state.id]
        return {"error": state.error} if state.status == "invalid" else _MISSING


def _whole_text(arguments: Any) -> str:
    try:
        return json_text(arguments)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"arguments: expected a text, a dict or None, got {type(arguments).__name__}: {error}"
        ) from None


def _is_namesake(call: Assembly, index: int | None, name: str, text: str) -> bool:
    """Whether a fragment with a known id belongs to another call, since some servers use an id twice."""
    if name in ("", "null") or not call.whole or call.repeats(text):
        return False
    renamed = bool(call.name) and name != call.name
    return renamed or (index is not None and call.index is not None and index != call.index)


def _starts_another(last: Assembly, tool_id: str, name: str, text: str, *, indexed: bool) -> bool:
    """Whether a fragment with this identity cannot belong to the last call under the same index."""
    if tool_id == "null" and last.name:
        tool_id = ""
    if name == "null" and last.name:
        name = ""
    if tool_id and last.id:  # another id; but some servers give every fragment a new one
        if last.begun and text.strip() and last.kind != "custom" and text.lstrip()[0] != "{" and not last.whole:
            return False
        return bool(name) or not indexed or last.whole
    if not name or not last.name:
        return False
    # No id to go by: a name comes again with each fragment (vLLM), or because the next call begins.
    if name == last.name:
        return (last.whole and bool(text.strip())) or (not indexed and bool(tool_id))
    return not indexed or last.begun  # else the rest of the name


def _assistant(kept: list[tuple[Assembly, ToolCallState, Any]], message: dict[str, Any]) -> dict[str, Any]:
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


def _is_legacy(kept: list[tuple[Assembly, ToolCallState, Any]]) -> bool:
    """Whether this is the only call that the deprecated form allows."""
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
