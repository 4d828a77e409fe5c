"""The page of a playground: its traits and the handlers of its messages."""

from __future__ import annotations

import html
from typing import Any, Protocol

import traitlets as t
from anywidget import WidgetTrait

from ...display.html import structure_html
from ...display.structure import rows
from ...errors import ToolCallError
from ..base.messages import Buffers, PageMessage
from ..base.notebook import notebook_namespace
from ..base.run import start_thread
from ..base.view import View
from ..conversation.message_builder import MessageBuilder
from ..conversation.transcript import transcript_html, transcript_text
from ..plan.plan_view import PlanView
from ..prefill.prefill_editor import PrefillEditor
from ..schema.schema_picker import SchemaPicker
from ..tool_calls.messages import DecideOpen
from ..tool_calls.tool_call_view import ToolCallView
from . import messages as page
from .difference import difference, plain_text
from .model_choice import Models
from .rounds import Rounds
from .token_lens import token_rows

__all__ = ["PlayPage"]


class PlayActs(Protocol):
    """The methods of a playground that its page calls; a notebook calls most of them too."""

    model: Any
    schema: str

    @property
    def code(self) -> str: ...
    @property
    def grid_code(self) -> str: ...
    def rerun(self, position: int = -1) -> None: ...
    def continue_from(self, position: int = -1) -> None: ...
    def branch(self, index: int, token: str) -> None: ...
    def stop(self) -> None: ...
    def ask(self, *, wait: bool) -> None: ...
    def set_option(self, name: str, value: Any) -> None: ...


class PlayPage(View):
    """Traits and handlers of messages; the handlers call the methods of :class:`Playground`."""

    stem = "playground/playground"

    value = t.Any(None)
    compare = t.Any(None)
    logprobs = t.Bool(False).tag(sync=True)
    running = t.Bool(False).tag(sync=True)
    builder: WidgetTrait[MessageBuilder] = WidgetTrait().tag(sync=True)
    prefill: WidgetTrait[PrefillEditor] = WidgetTrait().tag(sync=True)
    picker: WidgetTrait[SchemaPicker] = WidgetTrait().tag(sync=True)
    calls: WidgetTrait[ToolCallView] = WidgetTrait().tag(sync=True)
    plan: WidgetTrait[PlanView] = WidgetTrait().tag(sync=True)
    plan_driver = t.Unicode("").tag(sync=True)  # the driver of the picked plan schema; empty for none
    runs_plan = t.Bool(False).tag(sync=True)
    # Further traits for the page.
    offered: t.List[Any] = t.List().tag(sync=True)
    chosen: t.List[Any] = t.List(["", ""]).tag(sync=True)
    prices: t.Dict[str, Any] = t.Dict().tag(sync=True)  # of the offered models, in words; set when the picker opens
    model_options = t.Unicode("").tag(sync=True)
    call_options: t.Dict[str, Any] = t.Dict().tag(sync=True)
    tool_names: t.List[Any] = t.List().tag(sync=True)
    asks_first = t.Bool(True).tag(sync=True)
    ends: t.List[Any] = t.List().tag(sync=True)

    _acts: PlayActs
    _rounds: Rounds
    _models: Models
    _model: Any
    _as_given: Any

    def _drawn(self) -> tuple[str, str]:
        title = " · ".join(filter(None, ["Playground", self._model.name, self._acts.schema, self._rounds.state]))
        turns, sides = self.builder.shown, self._rounds.sides
        drawn, lines = [f"<small>{html.escape(title)}</small>", transcript_html(turns)], [title, transcript_text(turns)]
        for side in sides:
            if side.question.type is not None and side.state == "complete":
                found = rows(side.question.type, side.value)
                drawn.append(structure_html(found))
                lines += [f"{row.field}: {row.value}  ({row.type})" for row in found if row.value is not None]
            told = [] if side.error is None else [f"{type(side.error).__name__}: {side.error}"]
            drawn += [f"<div><small>{html.escape(line)}</small></div>" for line in (*told, " · ".join(side.status()))]
            lines += [*told, " · ".join(side.status(times=False))]
        return "".join(drawn), "\n".join(filter(None, lines))

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_run(self, message: page.Run, _buffers: Buffers) -> None:
        # The message has the fields: traits come in separate messages, which may be handled later.
        try:
            self._rounds.check_free()
        except RuntimeError:
            self.builder.hold_draft(message.draft)
            raise
        self.prefill.set_trait("value", message.prefill)
        self.picker.set_trait("schema", message.schema)
        self.builder.take_draft(message.draft, at=message.at)
        self._acts.ask(wait=False)

    def _on_rerun(self, message: page.At, _buffers: Buffers) -> None:
        self._acts.rerun(message.position)

    def _on_continue(self, message: page.At, _buffers: Buffers) -> None:
        self._acts.continue_from(message.position)

    def _on_branch(self, message: page.Branch, _buffers: Buffers) -> None:
        self._acts.branch(message.index, message.token)

    def _on_again(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Ask the same again, because the last run failed."""
        turns = self.builder.history.messages
        if turns and turns[-1].get("role") == "assistant":
            self._acts.rerun()
        else:
            self._acts.ask(wait=False)

    def _on_option(self, message: page.Option, _buffers: Buffers) -> None:
        """Set an option of the call on a copy of the model; the notebook's model does not change."""
        self._acts.set_option(message.name, message.value)

    def _on_decide(self, message: DecideOpen, _buffers: Buffers) -> None:
        """Decide on the waiting tool call."""
        try:
            self.calls.decide_open(message)
        except ToolCallError as error:
            self.send({"type": "refused", "message": str(error)})

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self._acts.stop()

    def _on_hello(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Send everything to a page that has loaded, perhaps during a run, or has missed a batch."""
        self.send({"type": "running" if self.running else "idle"})
        for side in self._rounds.sides:
            side.progress()
        if not self.running:
            self.send_state("ends")

    def _on_models(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Refresh the models, because a person is about to pick one."""
        self._show_models()
        start_thread(self._show_prices, "prices")  # the list of prices takes a quarter of a second to load

    def _show_prices(self) -> None:
        self.prices = self._models.prices

    def _on_pick(self, message: page.Pick, _buffers: Buffers) -> None:
        found = self._models.named(message.name) if message.name else None
        if message.side:
            self.compare = found
        elif found is not None:
            self._acts.model = found

    def _on_compare(self, message: page.Compare, _buffers: Buffers) -> None:
        position = message.position
        versions = self.builder.history.versions(position)
        shown, _ = self.builder.history.siblings(position)
        after = shown if message.right is None else message.right
        before = message.left
        if before is None:
            before = after - 1 if after else min(1, len(versions) - 1)
        pieces = difference(plain_text(versions[before]), plain_text(versions[after]))
        told = {"position": position, "count": len(versions), "left": before, "right": after, "pieces": pieces}
        self.send({"type": "difference", **told})

    def _on_tokens(self, message: page.Tokens, _buffers: Buffers) -> None:
        side = self._rounds.sides[message.side]
        rows = [] if side.stream is None else token_rows(side.stream.logprobs[message.since :])
        self.send({"type": "tokens", "side": side.index, "number": side.number, "since": message.since, "rows": rows})

    def _on_code(self, message: page.Code, _buffers: Buffers) -> None:
        self.send({"type": "code", "text": self._acts.grid_code if message.grid else self._acts.code})

    def _on_raw(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.send({"type": "raw", "parts": self._rounds.raw()})

    def _forget_ended(self) -> None:
        """Forget how the last answer ended, and its calls, if the conversation has started over."""
        if not len(self.builder.history):
            self.calls.forget()
            self.ends = []

    def _show_models(self) -> None:
        self._models.look(notebook_namespace())
        chosen = [self._models.label(model) for model in (self._model, self.compare)]
        self.offered = self._models.labels
        self.chosen = chosen
        self.call_options = {**self._model.options, "changed": self._model is not self._as_given}
        self.model_options = " · ".join(f"{name} {value}" for name, value in sorted(self._model.options.items()))
