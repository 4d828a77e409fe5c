"""One tool call in a view: its fragments, the decision on it, and its result."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ...content.messages import to_json
from ...errors import ToolCallError, brief
from ...protocol.events import ToolCallDelta, ToolKind
from ...protocol.pieces import TextPieces
from ...protocol.tool_call import GrowingCall, ToolCall, ToolCallState, json_text

__all__ = ["Fragment", "Lane", "Phase"]

Phase = Literal["", "asked", "running", "done", "failed", "rejected", "stopped"]
_LABEL = 200  # characters of an id or a name that a page gets if it does not get the whole call


class Fragment(NamedTuple):
    """One fragment as it came.

    Attributes:
        call: the number of its call, from 0 over all steps.
        milliseconds: the time of its arrival, since the view began.
        id: the call's id, if this fragment has it.
        name: the tool's name, or a piece of it.
        text: a piece of the arguments.
    """

    call: int
    milliseconds: int
    id: str | None
    name: str | None
    text: str | None


class Lane:
    """One call of a view.

    Args:
        number: its number among the view's calls.
        step: the number of its answer, from 1.
        call: its number among the calls of that answer.
        choice: the choice that it belongs to.
        kind: the kind of its tool.

    Attributes:
        phase: the phase after the stream, such as ``running``; empty before.
        edited: the arguments with which a person replaced the model's, or None.
        reason: why it was rejected, or empty.
        result: the result as text; None before it.
    """

    def __init__(self, number: int, step: int, call: int, *, choice: int = 0, kind: ToolKind = "function") -> None:
        self.number = number
        self.step = step
        self.call = call
        self.phase: Phase = ""
        self.edited: dict[str, Any] | None = None
        self.reason = ""
        self.result: str | None = None
        self._assembly = GrowingCall(call, choice, None, kind)
        self._letters = TextPieces()
        self._shown: list[str] = []
        self._final: ToolCallState | None = None
        self._whole = False
        self._call: ToolCall | None = None  # as read last
        self._marks: list[tuple[int, Phase]] = []

    # -- the stream ------------------------------------------------------------------------------------------------

    def take(self, event: ToolCallDelta) -> str | None:
        """Take a fragment; return its text for the page, which never ends inside a character."""
        given = event.arguments
        text: str | None = given if given is None or isinstance(given, str) else json_text(given)
        if text and self._whole and self._assembly.repeats(text):
            text = ""  # the finished call is sent once more
        if event.id or event.name:
            self._assembly.identify(event.id or "", event.name or "")
        self._final = self._call = None
        if not text:
            return text
        self._assembly.arrived.append(text)
        self._whole = self._whole or ("}" in text and self._assembly.is_complete)
        shown = self._letters.completed(text)
        self._shown.append(shown)
        return shown

    def end(self, state: ToolCallState | None = None) -> None:
        """Handle the end of the stream; ``state`` is the call as its reader assembled it."""
        self._final = self._assembly.state(ended=True) if state is None else state
        self._call = None

    @property
    def ended(self) -> bool:
        """Whether no fragment follows."""
        return self._final is not None

    @property
    def state(self) -> ToolCallState:
        """The call so far."""
        return self._assembly.state(ended=False) if self._final is None else self._final

    @property
    def whole(self) -> ToolCall | None:
        """The call if it is complete, with the model's arguments; else None."""
        if self._call is None and (self._final is not None or self._whole):
            state = self.state
            self._call = ToolCall(state.id, state.name, state.partial) if state.status == "complete" else None
        return self._call

    @property
    def own_id(self) -> str:
        """The id from the server or the run; empty if there is none yet."""
        return self.given_id if self._final is None else self._final.id

    @property
    def given_id(self) -> str:
        """The id from a fragment, or empty."""
        return self._assembly.id

    def whole_as(self, call: ToolCall) -> bool:
        """Return whether it is complete and has the tool and the arguments of another call."""
        whole = self.whole
        return whole is not None and (whole.name, whole.arguments) == (call.name, call.arguments)

    # -- after it --------------------------------------------------------------------------------------------------

    def move(self, phase: Phase, milliseconds: int) -> None:
        """Change to another phase."""
        if phase != self.phase:
            self.phase = phase
            self._marks.append((milliseconds, phase))

    def take_result(self, value: Any, milliseconds: int, *, failed: bool = False) -> None:
        """Take the result; an exception is a failure. A rejected call stays rejected, whatever the model gets."""
        self.result = _result_text(value)
        if self.phase != "rejected":
            self.move("failed" if failed or isinstance(value, BaseException) else "done", milliseconds)

    @property
    def ran(self) -> bool:
        """Whether it is past approval: running, ended, rejected or stopped."""
        return self.phase not in ("", "asked")

    @property
    def seconds(self) -> float | None:
        """The seconds that it ran; None if unknown."""
        times = {phase: when for when, phase in self._marks}
        end = times.get("done", times.get("failed"))
        return None if end is None or "running" not in times else (end - times["running"]) / 1000

    def card(self, room: int, *, whole: bool = True) -> dict[str, Any]:
        """Return the card of the call for a page, without its fragments.

        Args:
            room: the number of characters of the result that the page gets.
            whole: whether the page gets all fragments.
        """
        state = self.state if self.ended else None
        result = self.result
        told: dict[str, Any] = {
            "step": self.step,
            "custom": self._assembly.kind == "custom",
            "phase": self.phase,
            "marks": self._marks[:],
            "edited": None if self.edited is None else json_text(self.edited),
            "reason": self.reason,
            "result": None if result is None else result[:room],
            "left": 0 if result is None else max(0, len(result) - room),
            "seconds": self.seconds,
        }
        if state is not None:
            told["final"] = {
                "id": state.id if whole else state.id[:_LABEL],
                "name": state.name if whole else state.name[:_LABEL],
                "status": state.status,
                "repaired": state.repaired,
                "late": state.late_id,
                "error": state.error,
                "arguments": self._other_reading(state) if whole else None,
            }
        return told

    def _other_reading(self, state: ToolCallState) -> str | None:
        """Return the arguments if they differ from the joined fragments, else None."""
        self._shown[:] = ["".join(self._shown)]
        plain = not state.repaired and (state.raw == self._shown[0] or state.status != "complete")
        return None if plain or self._assembly.kind == "custom" else json_text(state.partial)


def _result_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, BaseException):
        name = "" if isinstance(value, ToolCallError) else f"{type(value).__name__}: "
        return f"{name}{value}"
    try:
        return to_json(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return brief(value, 1_000_000)
