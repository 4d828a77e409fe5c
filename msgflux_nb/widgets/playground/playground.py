"""``Playground``: try one or two models with messages, a prefill, a structure and tools."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets as t

from ...content.messages import ChatBlock, Message
from ...errors import BadRequestError
from ...generation.tool_schema import listed_tools, tools_by_name
from ..base.given_model import listed, model_of
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
    """Try a model: write messages, the start of the answer, a structure and tools; run and stop it.

    Runs are on a thread, so that the notebook stays free and Stop works. Each answer becomes a turn of the
    conversation; another answer in its place becomes its sibling, and both are kept.

    Args:
        model: a model, or its name; by default the embedded one.
        messages: the conversation to begin with.
        prompt: the message to begin with.
        system_prompt: instructions; they become the first turn.
        prefilling: the start of the answer.
        schemas: types to offer besides the plan schemas and the Structs of the notebook: by name, or alone.
        tools: functions that the model may call; a person approves each call, unless ``approve`` is ``"auto"``.
        approve: ``"ask"`` or ``"auto"``.
        compare: a second model, or its name, that answers too; both answers become siblings, and tools are not run.
        models: models, or names, to offer besides those of the notebook.
        schema: the type that the first answer is decoded to, or the name of an offered one.

    Attributes:
        value: the value of the last run: a ``str``, or an instance of the schema; None if it is not complete.
        builder: the conversation, a ``MessageBuilder``.
        prefill: the start of the answer, a ``PrefillEditor``.
        picker: the structure of the answer, a ``SchemaPicker``.
        calls: the tool calls, a ``ToolCallView``.
        compare: the second model, or None.
        tools: functions that the model may call.
        logprobs: whether tokens come with their probabilities, for the tab "tokens".
        plan: the present or last plan, a ``PlanView``.
        runs_plan: whether to run a plan schema as a plan of several calls instead of one call.
        plan_options: keywords of the plan's driver, such as ``{"n": 5}`` and limits.
        running: whether a run is going on.

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
        if system_prompt is not None and not isinstance(system_prompt, str):
            raise TypeError(f"Playground: system_prompt is a str or None, not {type(system_prompt).__name__}")
        given = [ChatBlock.system(system_prompt)] if system_prompt and system_prompt.strip() else []
        if not isinstance(prompt, str):
            raise TypeError(f"Playground: prompt is a str, not {type(prompt).__name__}")
        self.tools = tuple(listed_tools(tools))
        names = list(tools_by_name(self.tools))
        self._models = Models(
            [first, *([] if second is None else [second]), *listed(models, "models", "a list of models")]
        )
        self._model = self._as_given = first
        self.plan_options: dict[str, Any] = {"max_calls": 40}
        self._acts = self
        self._lock = threading.RLock()  # ipykernel 7 handles the page's messages on another thread
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
        if not self._rounds.busy:  # the end of a run updates the twin
            self._forget_ended()
            self._update_twin()

    # -- for the notebook: state ------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model that a run asks; may be set to a model or a name."""
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
        """Set an option for later runs, or leave it out with None; an empty name restores the model's own options."""
        varied = self._as_given
        if name:
            varied = copy.copy(self._model)
            rest = {key: held for key, held in self._model.options.items() if key != name}
            varied.options = rest if value is None else {**rest, name: value}
        self._choose(varied)
        self._show_models()

    @property
    def messages(self) -> list[Message]:
        """The conversation, with the message being written as its last one; may be set."""
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
        """The name of the answer's structure; empty for text; may be set."""
        return str(self.picker.schema)

    @schema.setter
    def schema(self, name: str) -> None:
        self.picker.schema = name

    @property
    def response(self) -> Any:
        """The answer of the last run, as it arrives; None before the first run, or if it could not be asked."""
        return next(iter(self.responses), None)

    @property
    def responses(self) -> list[Any]:
        """The answers of the last run: one, or one of each model if two are compared."""
        return [side.response for side in self._rounds.sides]

    @property
    def error(self) -> Exception | None:
        """Why the last run failed, or None."""
        return next((side.error for side in self._rounds.sides if side.error is not None), None)

    @property
    def media(self) -> dict[str, Any]:
        """The parts of messages with files, by the hash of the file, as copied code names them."""
        return dict(self.builder.files)

    @property
    def code(self) -> str:
        """Return Python code that asks the same as the last run, or else what Run would ask."""
        asked, namespace = self._question_shown(), notebook_namespace()
        model = self._rounds.sides[0].model if asked is self._rounds.question else self._model
        return code_of(asked, model, owner=self, namespace=namespace, made=self.picker.codes)

    @property
    def grid_code(self) -> str:
        """Return the Python code of a grid with the conversation as its prompt and ``{{names}}`` as its input."""
        turns = list(self.builder.history.messages)
        turns += [ChatBlock.user(self.prompt)] if self.prompt.strip() else []
        while turns and turns[-1].get("role") in ("assistant", "tool"):  # drop answers at the end
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
            MsgfluxError: the last run failed or was stopped; the error of ``response.consume()``.
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

    # -- for the notebook: actions -------------------------------------------------------------------------------------

    def attach(self, source: Any, *, name: str | None = None) -> None:
        """Add a file to the message being written, as :meth:`MessageBuilder.attach` does.

        Raises:
            MediaError: it cannot be sent; the message says why.
        """
        self.builder.attach(source, name)

    def run(self, *, wait: bool = False) -> None:
        """Ask the model: the message being written becomes a turn, and the answer the next one.

        Args:
            wait: whether to return when the answer is complete, and raise errors; else the answer arrives while other
                cells run, and errors are shown and kept in ``error``.

        Raises:
            RuntimeError: a run is going on.
            BadRequestError: there is nothing to answer.
        """
        self._rounds.check_free()
        self.builder.take_draft()
        self.ask(wait=wait)

    def rerun(self, position: int = -1, *, wait: bool = False) -> None:
        """Ask for another answer in the place of one; both are kept, as siblings.

        Args:
            position: the position of the assistant's turn; by default the last one.
            wait: as for ``run``.
        """
        self.ask(at=self._assistants(position), wait=wait)

    def continue_from(self, position: int = -1, text: str | None = None, *, wait: bool = False) -> None:
        """Ask for another answer in the place of one that continues its text.

        Args:
            position: the position of the assistant's turn; by default the last one.
            text: the start of the new answer; by default the whole text of the old one.
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
        """Continue from another token of the last answer: its text before, the new token, then what the model adds.

        Args:
            index: the index of the token in ``response.logprobs``.
            token: the token to put in its place.
            wait: as for ``run``.

        Raises:
            BadRequestError: the answer has no such token, or is no longer shown.
        """
        at, side = self._rounds.last_answer()
        tokens = side.stream.logprobs
        if not 0 <= index < len(tokens):
            raise BadRequestError(f"the answer has {len(tokens)} tokens; there is no number {index}. Nothing was sent.")
        self.ask(at=at, prefill=start_at(side.prefill, tokens, index, token), wait=wait)

    def stop(self) -> None:
        """Stop the run and keep the answer so far; do nothing without a run."""
        self._rounds.stop()

    def undo(self) -> bool:
        """Undo the last change of the conversation; return False if there was none."""
        return bool(self.builder.undo())

    def close(self) -> None:
        """Stop the run, and close the widget and its parts."""
        if self.comm is not None:  # None if the constructor raised, or after a first close
            self.stop()
            for part in (self.builder, self.prefill, self.picker, self.calls, self.plan):
                part.close()
        super().close()

    # -- a run ----------------------------------------------------------------------------------------------------

    def ask(self, *, at: int | None = None, prefill: str | None = None, wait: bool = False) -> None:
        """Ask about the present conversation; ``run`` first makes the message being written a turn.

        Args:
            at: the position of the turn whose sibling the answer becomes; None for a new turn at the end.
            prefill: the start of the answer; None for the one that is set.
            wait: as for ``run``.

        Raises:
            RuntimeError: a run is going on.
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
        """Return the last question if the conversation still is its result, else the one that Run would ask."""
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
        """Finish a run: notify observers of ``value`` and update the twin."""
        first = sides[0]
        try:
            self._set_unsent(ends=[side.ending() for side in sides])
            self._rest()
            self._forget_ended()
            if first.prefill and first.stream is not None:
                self.prefill.judge(first.stream, first.prefill)
            self._update_twin()
            self.value = first.value
        except Exception as error:
            self.show_error(error)  # an observer of value failed; the run has ended
        finally:
            self._rest()

    def _rest(self) -> None:
        with self._lock:  # another run may already have begun
            self.running = self._rounds.busy


def _asked(asks: bool) -> str:
    return "ask" if asks else "auto"


def _asks(approve: str) -> bool:
    return approve == "ask"
