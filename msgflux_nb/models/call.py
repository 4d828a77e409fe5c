"""One call of a model as a sequence of exchanges; no waiting.

A call is nearly always one request. It takes more if a structure has to be asked for in another way, if the server has
to be probed first, if a forced tool call did not come, or if an answer does not fit its schema and is sent back once.
The steps are a generator that both drivers follow: it yields an exchange, and is sent the error that ended it or None.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NoReturn

import msgspec

from ..errors import EmptyOutputError, Fault, MsgfluxError, ToolNotCalledError, ValidationFailedError
from ..generation.decode import Decoded, decode_answer
from ..protocol.events import Usage
from ..protocol.misfit import (
    failed_generation,
    other_wire,
    problem_of,
    refused_prefill,
    refuses_history,
    refuses_method,
)
from ..protocol.profile import Profile, Wire
from ..protocol.refusal import remedy_on
from ..protocol.remedy import Remedy
from ..protocol.request import ChatRequest, Way, schema_note
from ..protocol.snapshot import Snapshot
from ..protocol.tool_calls import ToolCallAggregator
from ..protocol.turns import ITEMS, PROVENANCE
from ..protocol.wires.responses_items import final_text
from .bill import Bill, cost_together, usage_together
from .call_in_structure import call_in_structure, callers_calls
from .exchange import Exchange
from .flaws import Flaws
from .scrubbed import describe
from .server_quirks import Known, ServerQuirks

__all__ = ["Call"]

_OPEN = frozenset((Fault.UNKNOWN, Fault.SETTINGS))  # failures that another form of the request may avoid
_MARK = "Reference 7391-QX:"
_ECHO_CHARACTERS = 2_000  # the longest part of a misfit answer that is sent back
_MOST_PAUSES = 8
_PAUSED = f"the provider paused its answer more than {_MOST_PAUSES} times; it was not asked to continue again"
_OTHER_WIRE: dict[Wire | None, str] = {
    "chat": "this server has chat completions only, so they were used in place of the provider's own wire",
    "responses": "the server asks for the Responses wire, so it was used in place of chat completions",
}


class Call:
    """One call, its exchanges, and the value of its answer.

    Args:
        build: builds the request; keywords change what the caller asked for.
        profile: the provider's row.
        model: the model's name as the provider knows it.
        quirks: what is known of this model at this endpoint; the call adds what it learns.
        exchange: makes an exchange from a request.
        request: the first request, if it was built before.
        known: what was known of the server when ``request`` was built, if more is known now.

    Attributes:
        exchange: the exchange whose answer counts.
        found: what was changed or cut on the way to the answer.
        shown: whether the answer that a reader of a stream sees is complete; later exchanges are not shown.
    """

    def __init__(
        self,
        build: Callable[..., ChatRequest],
        profile: Profile,
        model: str,
        quirks: ServerQuirks,
        exchange: Callable[[ChatRequest], Exchange],
        *,
        request: ChatRequest | None = None,
        known: Known | None = None,
    ) -> None:
        self._build = build
        self.profile = profile
        self.model = model
        self._quirks = quirks
        self._new_exchange = exchange
        self._changes: dict[str, Any] = (known or quirks.known)._asdict()
        self.exchange = exchange(request or self._request())
        self._earlier: list[Exchange] = []
        self._reasks = profile.reasks
        self._pauses = 0
        self._plan = self._steps()
        self._value: Any = msgspec.UNSET
        self.shown = False
        self._calls: tuple[Exchange, ToolCallAggregator | None] | None = None
        self.decoded: Decoded | None = None
        self.found = Flaws(profile)

    # -- the steps that the drivers follow ------------------------------------------------------------------------

    def step(self, error: MsgfluxError | None = None) -> Exchange | None:
        """Return the exchange to run next, or None when there is none.

        Args:
            error: the error of the last exchange, or None.

        Raises:
            MsgfluxError: that error, if nothing else can be tried.
        """
        try:
            return self._plan.send(error)
        except StopIteration:
            return None

    def _steps(self) -> Generator[Exchange, MsgfluxError | None, None]:
        if self.request.echoed is None:
            yield from self._try_echo()
        yield from self._ask()
        yield from self._let_go_on()
        self.shown = True
        yield from self._ask_again_for_the_call()
        yield from self._ask_again_for_the_structure()

    def _try_echo(self) -> Generator[Exchange, MsgfluxError | None, None]:
        """Find out once whether this server repeats a prefill: send one that no model would write."""
        echo = self._quirks.echo.get(self.request.stream)
        while echo is None:
            asked = {"messages": "What is the colour of the sky?", "prefilling": _MARK, "options": {"max_tokens": 8}}
            without = dict.fromkeys(("system_prompt", "generation_schema", "tool_schemas", "tool_choice"))
            remedies = self._changes["remedies"]
            probe = self._new_exchange(self._build(**asked, **without, echo=False, remedies=remedies))
            self._earlier.append(probe)
            error = yield probe
            if error is None:
                echo = probe.snapshot.continuation.lstrip().startswith(_MARK)
                self._quirks.echo[self.request.stream] = echo
            else:
                self._changes["remedies"] = self._with_remedy(error, probe.request) or self._give_up(error)
        self._changes["echo"] = echo
        self.exchange = self._new_exchange(self._request())

    def _ask(self) -> Generator[Exchange, MsgfluxError | None, None]:
        """Send the request; if the server refuses its form, try another."""
        first: MsgfluxError | None = None
        refused: set[Way] = set()
        tried: list[Remedy] = []
        while True:
            error = yield self.exchange
            if error is None or error.fault not in _OPEN:  # the form of the request was not refused
                wire = self._changes.get("wire") if error else self._other_wire()
                self._quirks.learn(() if error else refused, self._changes["remedies"], wire)
            if error is None:
                return
            misfit = failed_generation(error)
            if misfit is not None and self._reasks > 0:
                self.shown = self.shown or bool(self.exchange.snapshot.continuation)  # a stream that failed at its end
                self._send_back(misfit)
                continue
            first = misfit or first or error
            change = self._other_way(error)
            if change is None:
                if error.fault not in _OPEN:
                    self._give_up(error)
                self._quirks.forget(tried)
                self._give_up(first)
            refused.update(change.get("refused", ()))
            tried += change.get("remedies", ())[len(self._changes["remedies"]) :]
            # Learn it now, not after the answer: other calls are about to send the same.
            self._quirks.learn((), tried)
            self._go_on(**change)

    def _let_go_on(self) -> Generator[Exchange, MsgfluxError | None, None]:
        """Send a paused answer back as it is, so that the provider continues it."""
        while self.exchange.is_paused and self._pauses < _MOST_PAUSES:
            self._pauses += 1
            before, said = self.exchange, {"role": "assistant", **self.turn()}
            self._go_on(messages=[*self.request.messages, said], system_prompt=None, prefilling=None)
            self.exchange.go_on_with(before)
            error = yield self.exchange
            if error is not None:
                self._give_up(error)

    def _other_wire(self) -> Wire | None:
        """Return the wire that the endpoint answers on, if it lacks the provider's own."""
        answered = self.exchange.wire
        return answered if answered != self.request.wire or self._changes.get("wire") is not None else None

    def _give_up(self, error: MsgfluxError) -> NoReturn:
        offer = refused_prefill(error) if self.request.prefill and not self.request.emulated else None
        error.attempts = self.attempts
        if offer is None:
            raise error
        offer.attempts = self.attempts
        raise offer from error

    def _other_way(self, error: MsgfluxError) -> dict[str, Any] | None:
        """Return what to change after a server refused a request; None if no change would help."""
        request = self.request
        has_own = any(PROVENANCE in message for message in request.messages)
        if has_own and refuses_history(error) and not self._changes.get("plain_history"):
            return {"plain_history": True}
        wire = other_wire(error, request.wire, self.profile)
        if wire is not None and "wire" not in request.fixed and not self._changes.get("wire"):
            return {"wire": wire}
        remedies = self._with_remedy(error, request)
        if remedies is not None:
            return {"remedies": remedies}
        if not request.later_methods or not refuses_method(error, request.schema_method):
            return None
        return {"refused": self._changes["refused"] | {request.way}}

    def _with_remedy(self, error: MsgfluxError, request: ChatRequest) -> tuple[Remedy, ...] | None:
        known = self._changes["remedies"]
        remedy = remedy_on(request.wire, error, msgspec.json.decode(request.body), fixed=request.fixed, known=known)
        return None if remedy is None else (*known, remedy)

    def _ask_again_for_the_call(self) -> Generator[Exchange, MsgfluxError | None, None]:
        """If a forced tool call did not come, ask for it as a structure, where the profile allows it."""
        if not self.request.forced or len(self.exchange.tool_calls) or not self.profile.forced_call_fallback:
            return
        before = self.exchange
        self._go_on(call_as_structure=True)
        if (yield self.exchange) is not None:
            self._go_back_to(before)

    def _ask_again_for_the_structure(self) -> Generator[Exchange, MsgfluxError | None, None]:
        """Send back an answer that does not fit its schema, with the error; keep the first answer if that fails."""
        while self._reasks > 0:
            problem = self._misfit()
            if problem is None:
                return
            before = self.exchange
            self._value, self.decoded = msgspec.UNSET, None
            self._send_back(problem)
            if (yield self.exchange) is not None:
                self._go_back_to(before)
                return

    def _send_back(self, problem: ValidationFailedError) -> None:
        self._reasks -= 1
        request = self.request
        asked = f"{str(problem)[:_ECHO_CHARACTERS]} Answer again, with corrected JSON only."
        shown = self.profile.schema_in_prompt or request.schema_method in ("json_object", "prompt")
        if request.schema is not None and not shown:  # the server may not have shown the schema to the model
            asked += f" {schema_note(request.schema)}"
        said = [
            {"role": "assistant", "content": problem.raw[:_ECHO_CHARACTERS]},
            {"role": "user", "content": asked},
        ]
        self._go_on(messages=[*request.messages, *said], system_prompt=None, prefilling=None)

    def _misfit(self) -> ValidationFailedError | None:
        try:
            self.value()
        except ValidationFailedError as error:
            return None if error.own_code else error.with_traceback(None)  # its frames would hold the answer
        except MsgfluxError:
            return None
        return None

    def _go_on(self, **changes: Any) -> None:
        self._earlier.append(self.exchange)
        self._changes |= changes
        self.exchange = self._new_exchange(self._request())

    def _go_back_to(self, before: Exchange) -> None:
        """Make an earlier exchange the one that counts; the later one stays on the bill."""
        self._earlier = [*(exchange for exchange in self._earlier if exchange is not before), self.exchange]
        self.exchange, self._value, self.decoded = before, msgspec.UNSET, None

    def go_back(self) -> bool:
        """Make the last complete answer before a cancelled request count; return whether there is one."""
        if self.exchange.state == "complete":
            return True
        if not self.shown or not self._earlier or self._earlier[-1].state != "complete":
            return False
        self._go_back_to(self._earlier[-1])
        return True

    def _request(self) -> ChatRequest:
        return self._build(**self._changes)

    # -- the answer -----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Exchange:
        """The exchange whose answer is read; a follow-up takes over only once it is sent."""
        waiting = self.shown and self.exchange.state == "new"
        return self._earlier[-1] if waiting else self.exchange

    @property
    def request(self) -> ChatRequest:
        """The request whose answer is read."""
        return self.current.request

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far."""
        return self.current.snapshot

    @property
    def attempts(self) -> int:
        """How many requests were sent, of all kinds."""
        return sum([exchange.attempts for exchange in self.exchanges])

    @property
    def usage(self) -> Usage | None:
        """The tokens of all answers together; None if one of the answers does not say."""
        return usage_together(self.exchanges)

    @property
    def bill(self) -> Bill:
        """Tokens, dollars, attempts and warnings of the whole call."""
        cost = cost_together(self.exchanges, self.profile, self.model)
        return Bill(self.usage, self.attempts, cost, self.warnings, self.current.replayed)

    @property
    def seconds(self) -> float | None:
        """The seconds that all exchanges took together."""
        known = [exchange.seconds for exchange in self.exchanges if exchange.seconds is not None]
        return sum(known) if known else None

    @property
    def flaws(self) -> tuple[str, ...]:
        """Sentences about what was changed or cut on the way to the answer; decoding may add more."""
        return (*self.current.notes, *self.found.of(self.current))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about everything that was changed, repaired, cut or left out; each once."""
        found = () if self.decoded is None else self.decoded.warnings
        learnt = self._quirks.known.wire
        other = (_OTHER_WIRE[learnt],) if learnt in _OTHER_WIRE and learnt == self.current.wire else ()
        paused = (_PAUSED,) if self.exchange.is_paused else ()
        told = (*self.flaws, *found, *other, *paused)
        return tuple(dict.fromkeys(told)) if told else ()

    @property
    def cached(self) -> bool:
        """Whether the answer came from the cache, so that nothing was sent."""
        return self.exchange.cached and not self.attempts

    @property
    def exchanges(self) -> list[Exchange]:
        """All exchanges in the order of their requests; the one whose answer counts is last."""
        return [*self._earlier, self.exchange]

    @property
    def tool_calls(self) -> ToolCallAggregator | None:
        """The calls of the caller's tools, or None without calls; the same object once the answer has ended."""
        exchange = self.current
        if self._calls is None or self._calls[0] is not exchange:
            if self.request.call_as_structure:
                calls = call_in_structure(self.snapshot.text)
            else:
                calls = callers_calls(exchange.tool_calls, self.request.schema_tool)
            if exchange.state != "complete":
                return calls
            self._calls = exchange, calls
        return self._calls[1]

    @property
    def structure_text(self) -> str | None:
        """The text of a structure that came as a tool's arguments; None if it did not."""
        items = self.snapshot.choices[0].fields.get(ITEMS)
        if items is not None and self.request.schema is not None and self.request.schema_method != "tool":
            return final_text(items)
        name = self.request.schema_tool
        found = (state.raw for state in self.current.tool_calls.states if state.name == name)
        return next(found, None) if name is not None else None

    @property
    def text(self) -> str:
        """The text of the answer, or of its structure if that came separately."""
        plain = self.current.plain
        return plain.text if plain is not None else self.structure_text or self.snapshot.text

    def value(self) -> Any:
        """Return the answer's value: tool calls, a structure, sound, images or text; decoded once.

        Raises:
            StreamInterruptedError: it is not complete.
            IncompleteOutputError: it was cut, refused, filtered or empty.
            ToolNotCalledError: a call was required, and none came.
            ValidationFailedError: it does not fit its schema.
        """
        if self.shown and self.exchange.state == "cancelled" and not self.exchange.attempts:
            self._go_back_to(self._earlier[-1])  # the follow-up was never sent
        self.exchange.check_complete()
        self.found.tell(self.exchange)
        if self._value is msgspec.UNSET:
            try:
                self._value = self._decoded()
            except MsgfluxError as error:
                describe(error, self.snapshot, self.attempts, self.exchange.scrub, usage=self.usage)
                raise
        return self._value

    def _decoded(self) -> Any:
        if self.exchange.plain is not None:
            return self._meant(self.exchange.plain.text)
        calls = self.tool_calls
        if calls is not None:
            calls.message, calls.scrub = self.turn(), self.exchange.scrub
            return calls
        snapshot, schema = self.snapshot, self.request.schema
        problem = problem_of(snapshot, structured=schema is not None, text=self.structure_text)
        if self.request.forced and (problem is None or isinstance(problem, EmptyOutputError)):
            raise ToolNotCalledError(
                "a tool call was required, and the model answered without one; its answer is in .snapshot. Use a model "
                "that calls tools, or one tool at a time."
            )
        if problem is not None:
            raise problem
        if schema is None and snapshot.audio is not None:
            return snapshot.audio
        if schema is None and snapshot.images:
            return list(snapshot.images)
        return self._meant(self.text)

    def _meant(self, text: str) -> Any:
        schema = self.request.schema
        if schema is None:
            return text
        self.decoded = decode_answer(text, schema)
        return self.decoded.value

    def turn(self) -> dict[str, Any]:
        """Return the assistant's turn without its calls, as it goes into the history.

        Fields that only this provider understands stay in it; ``_msgflux`` then names the provider.
        """
        snapshot = self.snapshot
        first = snapshot.choices[0]
        text: str | None = self.structure_text or snapshot.text or snapshot.refusal
        own: dict[str, Any] = dict(first.fields)
        if snapshot.reasoning:
            own["reasoning"] = snapshot.reasoning
        if snapshot.audio is not None and snapshot.audio.id:
            own["audio"] = {"id": snapshot.audio.id}
            text = text or snapshot.audio.transcript
        if snapshot.images:
            own["images"] = [{"type": "image_url", "image_url": {"url": image.url}} for image in snapshot.images]
        calls = self.tool_calls
        if calls is not None and self.request.call_as_structure:
            text = None  # this text is the tool call
        if own or (calls is not None and calls.has_extra):
            own[PROVENANCE] = {"provider": self.profile.provider, "model": self.model}
        return {"content": text or (None if calls is not None else ""), **own}
