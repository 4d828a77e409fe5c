"""``Playground``: a conversation, the start of the answer, a structure, tools; and what one model or two make of it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets as t

from ...content.messages import ChatBlock, Message
from ...errors import BadRequestError
from ...generation.tool_schema import listed_tools, tools_by_name
from ..base.given_model import model_of
from ..base.notebook import notebook_namespace
from ..conversation.deck import checked
from ..conversation.message_builder import MessageBuilder
from ..conversation.variables import filled_message
from ..plan.plan_view import PlanView
from ..prefill.prefill_editor import PrefillEditor
from ..schema.schema_picker import SchemaPicker
from ..tool_calls.tool_call_view import ToolCallView
from .answerer import Question, Side
from .copied_code import code_of, grid_code_of
from .difference import plain_text
from .model_choice import Models
from .page import PlayPage
from .plan_side import driver_name, plan_question
from .rounds import Rounds
from .token_lens import start_at

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Playground"]


class Playground(PlayPage):
    """A place to try a model: messages, the start of the answer, a structure, tools; Run and Stop.

    Runs happen on a thread, so that the notebook stays free and Stop works. Each answer becomes a turn of the
    conversation; another one in its place becomes its sibling, and nothing is lost.

    Args:
        model: a model, or its name; by default the embedded one.
        messages: the conversation to begin with.
        prompt: the message to begin with.
        system_prompt: instructions; they become the first turn.
        prefilling: the start of the answer.
        schemas: types to offer with the plan schemas and the Structs that the notebook defines: by name, or alone.
        tools: functions that the model may call; each call is approved in the tab "tools", unless ``approve`` is
            ``"auto"``.
        approve: ``"ask"`` or ``"auto"``.
        compare: a second model, or its name, that answers with the first; both answers become siblings. Tools are
            not run then.
        models: models, or names, to offer with those that the notebook defines.
        schema: the type that the first answer is read as, or the name of one that is offered.

    Attributes:
        value: what the last run was decoded to: a ``str``, or an instance of the schema; None if it is not complete.
        builder: the conversation, a ``MessageBuilder``.
        prefill: the start of the answer, a ``PrefillEditor``.
        picker: what the answer is decoded to, a ``SchemaPicker``.
        calls: the tool calls, a ``ToolCallView``.
        compare: the second model, or None.
        tools: functions that the model may call.
        logprobs: whether tokens come with their probabilities, for the tab "tokens".
        plan: the plan that runs, or ran last, a ``PlanView``.
        runs_plan: whether a plan schema that has a driver is run as a plan, in several calls, instead of one call.
        plan_options: what a plan's driver is called with, such as ``{"n": 5}`` and its limits.
        running: whether a run is under way.

    Example:
        >>> playground = Playground("local/smollm2-135m", prompt="Name three fruits.")
        >>> playground.messages
        [{'role': 'user', 'content': 'Name three fruits.'}]
    """

    def __init__(
        self,
        model: Any = None,
        *,
        messages: Iterable[Message] = (),
        prompt: str = "",
        system_prompt: str | None = None,
        prefilling: str = "",
        schemas: Mapping[str, Any] | Iterable[Any] | None = None,
        tools: Iterable[Any] = (),
        approve: str = "ask",
        compare: Any = None,
        models: Iterable[Any] = (),
        schema: Any = None,
    ) -> None:
        first = model_of(model, "Playground")
        second = None if compare is None else model_of(compare, "Playground")
        given = [ChatBlock.system(system_prompt)] if system_prompt and system_prompt.strip() else []
        if not isinstance(prompt, str):
            raise TypeError(f"Playground: prompt is a str, not {type(prompt).__name__}")
        self.tools = tuple(listed_tools(tools))
        names = list(tools_by_name(self.tools))
        self._models = Models([first, *([] if second is None else [second]), *models])
        self._model = self._as_given = first
        self.plan_options: dict[str, Any] = {"max_calls": 40}
        self._acts = self
        self._lock = threading.RLock()  # ipykernel 7 handles messages of the page on a thread of their own
        builder = MessageBuilder([*given, *checked(messages)], model=first)
        builder.draft = prompt
        self._rounds = Rounds(builder, tell=lambda message: self.send(message), on_end=self._finish)
        super().__init__(
            builder=builder,
            prefill=PrefillEditor(first, prefilling),
            picker=SchemaPicker(first, schemas=schemas),
            calls=ToolCallView(tools=self.tools, approve=approve),
            plan=PlanView(),
            compare=second,
            tool_names=names,
            asks_first=_asks(approve),
        )
        t.dlink((self.picker, "value"), (self.prefill, "schema"))
        t.dlink((self.picker, "value"), (self, "plan_driver"), driver_name)
        if names:
            self.prefill.beside = self.picker.beside = {"tool_schemas": list(self.tools)}
        if isinstance(schema, str):
            self.picker.schema = schema
        elif schema is not None:
            self.picker.value = schema
        t.link((self, "asks_first"), (self.calls, "approve"), transform=(_asked, _asks))
        self._show_models()
        self.builder.observe(self._turns_changed, "told")

    def __repr__(self) -> str:
        return f"Playground({self._model.name!r}, {self._rounds.state})"

    @t.validate("compare")
    def _check_compare(self, proposal: Any) -> Any:
        return None if proposal["value"] is None else model_of(proposal["value"], "Playground")

    @t.observe("compare")
    def _compare_set(self, _change: Any) -> None:
        self._show_models()

    def _turns_changed(self, _change: Any) -> None:
        if not self._rounds.busy:  # the end of a run brings the twin up to date
            self._update_twin()

    # -- what a notebook reads ------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """Whom a run asks; a name may be set too."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._choose(model_of(model, "Playground"))
        self._as_given = self._model
        self._show_models()

    def _choose(self, model: Any) -> None:
        self._model = model
        self.builder.model = self.prefill.model = self.picker.model = model

    def set_option(self, name: str, value: Any) -> None:
        """Ask with another option than the model that was given has; without a name, with that model itself."""
        varied = self._as_given
        if name:
            varied = copy.copy(self._model)
            rest = {key: held for key, held in self._model.options.items() if key != name}
            varied.options = rest if value is None else {**rest, name: value}
        self._choose(varied)
        self._show_models()

    @property
    def messages(self) -> list[Message]:
        """The conversation, with the message being written as its last; may be set."""
        found: list[Message] = self.builder.messages
        return found

    @messages.setter
    def messages(self, messages: Iterable[Message]) -> None:
        self.builder.messages = messages

    @property
    def prompt(self) -> str:
        """The text of the message being written; may be set."""
        return str(self.builder.draft)

    @prompt.setter
    def prompt(self, text: str) -> None:
        self.builder.draft = text

    @property
    def prefilling(self) -> str:
        """The start of the answer that the model continues; may be set."""
        return str(self.prefill.value)

    @prefilling.setter
    def prefilling(self, text: str) -> None:
        self.prefill.value = text

    @property
    def schema(self) -> str:
        """The name of the structure asked for; empty for text; may be set."""
        return str(self.picker.schema)

    @schema.setter
    def schema(self, name: str) -> None:
        self.picker.schema = name

    @property
    def response(self) -> Any:
        """The answer of the last run, as it arrives; None before the first, or if it could not be asked."""
        return next(iter(self.responses), None)

    @property
    def responses(self) -> list[Any]:
        """The answers of the last run: one, or where two models are compared one of each."""
        return [side.response for side in self._rounds.sides]

    @property
    def error(self) -> Exception | None:
        """Why the last run failed, or None."""
        return next((side.error for side in self._rounds.sides if side.error is not None), None)

    @property
    def media(self) -> dict[str, Any]:
        """The parts of messages that hold a file, by a hash of it; the code that is copied names them so."""
        return dict(self.builder.files)

    @property
    def code(self) -> str:
        """The Python code that asks the same: the question of the last run, or the message being written."""
        asked, namespace = self._question_shown(), notebook_namespace()
        model = self._rounds.sides[0].model if asked is self._rounds.question else self._model
        return code_of(asked, model, owner=self, namespace=namespace, made=self.picker.codes)

    @property
    def grid_code(self) -> str:
        """The Python code of a grid of what stands here: the conversation as a prompt, ``{{names}}`` as its input."""
        turns = list(self.builder.history.messages)
        turns += [ChatBlock.user(self.prompt)] if self.prompt.strip() else []
        while turns and turns[-1].get("role") in ("assistant", "tool"):  # the answers of before
            turns.pop()
        return grid_code_of(
            turns,
            self.builder.variables,
            [model for model in (self._model, self.compare) if model is not None],
            type_=self.picker.value,
            owner=self,
            namespace=notebook_namespace(),
            made=self.picker.codes,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the answers of the last run as typed rows; an empty frame before the first.

        Raises:
            MsgfluxError: the last run failed or was stopped; the same error as ``response.consume()`` raises.
        """
        from ...tables.frame import to_frame

        if self.error is not None:
            raise self.error
        frames = [response.to_frame() for response in self.responses if response is not None]
        if len(frames) < 2:
            return frames[0] if frames else to_frame([])
        import pandas as pd

        frame: pd.DataFrame = pd.concat(
            frames, keys=[self._models.label(side.model) for side in self._rounds.sides], names=["model", None]
        )
        return frame

    # -- what a notebook does -------------------------------------------------------------------------------------

    def attach(self, source: Any, *, name: str | None = None) -> None:
        """Add a file to the message being written: a path, bytes, an open file, a PIL image, an array or a figure.

        Raises:
            MediaError: it cannot be sent.
        """
        self.builder.attach(source, name)

    def run(self, *, wait: bool = False) -> None:
        """Ask: the message being written becomes a turn, and the answer the next one.

        Args:
            wait: return when the answer is complete, and raise what went wrong; without it, the answer arrives while
                other cells run, and an error is shown and kept in ``error``.

        Raises:
            RuntimeError: a run is under way.
            BadRequestError: there is nothing to answer.
        """
        self._rounds.check_free()
        self.builder.take_draft()
        self.ask(wait=wait)

    def rerun(self, position: int = -1, *, wait: bool = False) -> None:
        """Ask for another answer in the place of one; both are kept, as siblings.

        Args:
            position: the turn of the assistant; the last turn by default.
            wait: as for ``run``.
        """
        self.ask(at=self._assistants(position), wait=wait)

    def continue_from(self, position: int = -1, text: str | None = None, *, wait: bool = False) -> None:
        """Ask for another answer in the place of one, which goes on from its text.

        Args:
            position: the turn of the assistant; the last turn by default.
            text: the start of the new answer; by default all of the old one's text.
            wait: as for ``run``.

        Raises:
            BadRequestError: the turn has no text.
        """
        at = self._assistants(position)
        start = plain_text(self.builder.history.messages[at]) if text is None else text
        if not start.strip():
            raise BadRequestError("that turn has no text to go on from. Nothing was sent.")
        self.ask(at=at, prefill=start, wait=wait)

    def branch(self, index: int, token: str, *, wait: bool = False) -> None:
        """Go on from another token of the last answer: the text up to it, then the token, then what the model adds.

        Args:
            index: which token of ``response.logprobs``.
            token: the one to put in its place.
            wait: as for ``run``.

        Raises:
            BadRequestError: the answer has no such token, or is not shown any more.
        """
        at, side = self._rounds.last_answer()
        tokens = side.stream.logprobs
        if not 0 <= index < len(tokens):
            raise BadRequestError(f"the answer has {len(tokens)} tokens; there is no number {index}. Nothing was sent.")
        self.ask(at=at, prefill=start_at(side.prefill, tokens, index, token), wait=wait)

    def stop(self) -> None:
        """End the run under way, keeping what came; nothing happens if there is none."""
        self._rounds.stop()

    def undo(self) -> bool:
        """Take the last change of the conversation back; False if there was none."""
        return bool(self.builder.undo())

    def close(self) -> None:
        """End the run under way, and the widget with its parts."""
        if self.comm is not None:  # not where the constructor raised, nor a second time
            self.stop()
            for part in (self.builder, self.prefill, self.picker, self.calls, self.plan):
                part.close()
        super().close()

    # -- a run ----------------------------------------------------------------------------------------------------

    def ask(self, *, at: int | None = None, prefill: str | None = None, wait: bool = False) -> None:
        """Ask about the conversation as it stands; ``run`` makes the message being written a turn first.

        Args:
            at: the turn that the answer becomes a sibling of; None for a new turn at the end.
            prefill: the start of the answer; None for the one that is set.
            wait: as for ``run``.

        Raises:
            RuntimeError: a run is under way.
            BadRequestError: there is nothing to answer.
        """
        with self._lock:
            self.picker.refresh()
            messages = self.messages if at is None else self._before(at)
            if not messages or messages[-1].get("role") == "assistant":
                raise BadRequestError("the message is empty. Write a text or add an image. Nothing was sent.")
            models = [self._model, *([] if self.compare is None else [self.compare])]
            self.calls.main_waits = wait
            self._rounds.begin(self._question(messages, prefill), models, calls=self.calls, at=at)
            self.running = True
        self._rounds.start()
        if wait:
            self._rounds.wait()
            if self.error is not None:
                raise self.error

    def _question(self, messages: Sequence[Message], prefill: str | None = None) -> Question:
        start = self.prefilling if prefill is None else prefill
        if self.runs_plan and self.plan_driver and self.compare is None:
            return plan_question(messages, self.picker.value, self.tools, self.plan_options, self.plan)
        return Question(
            messages=list(messages),
            prefill=start if start.strip() else "",
            schema=self.schema,
            type=self.picker.value,
            tools=self.tools if self.compare is None else (),
            logprobs=self.logprobs,
        )

    def _question_shown(self) -> Question:
        """The question of the last run, if the conversation is where that led; else the one that Run would ask."""
        last, messages = self._rounds.question, self.messages
        if last is not None and messages[: len(last.messages)] == last.messages:
            behind = messages[len(last.messages) :]
            if all(message.get("role") in ("assistant", "tool") for message in behind):
                return last
        return self._question(messages)

    def _before(self, position: int) -> list[Message]:
        turns = self.builder.history.messages[:position]
        return [filled_message(turn, self.builder.variables) for turn in turns]

    def _assistants(self, position: int) -> int:
        count = len(self.builder.history)
        at = position + count if position < 0 else position
        if not 0 <= at < count or self.builder.history.messages[at].get("role") != "assistant":
            raise BadRequestError(f"turn {position} is not an answer of the assistant. Nothing was sent.")
        return at

    def _finish(self, sides: list[Side]) -> None:
        """The run is over: say so to observers of ``value``, and to the saved notebook."""
        first = sides[0]
        try:
            self._set_unsent(ends=[side.ending() for side in sides])
            self._rest()
            if first.prefill and first.stream is not None:
                self.prefill.judge(first.stream, first.prefill)
            self._update_twin()
            self.value = first.value
        except Exception as error:
            self.show_error(error)  # an observer of value failed; the run itself is over
        finally:
            self._rest()

    def _rest(self) -> None:
        with self._lock:  # another run may have begun
            self.running = self._rounds.busy


def _asked(asks: bool) -> str:
    return "ask" if asks else "auto"


def _asks(approve: str) -> bool:
    return approve == "ask"
