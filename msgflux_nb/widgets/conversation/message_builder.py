"""``MessageBuilder``: write, edit and branch a conversation as cards, and read it back as messages."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import traitlets as t

from ...content.depth import refuse_deep
from ...content.history import History
from ...content.messages import ChatBlock, Message, Part
from ...content.tokens import image_rule, text_tokens
from ...display.markdown import encodable
from ..base.given_model import model_of
from ..base.messages import Buffers, PageMessage
from . import messages as page
from .attachments import Attachment, attachment
from .deck import Deck, checked, drafted, first_difference
from .intake import Intake
from .parts import Card
from .transcript import transcript_html, transcript_text
from .turn_cards import Look, rebuilt, without_texts
from .variables import filled, filled_message, texts_of

__all__ = ["MessageBuilder"]

_DRAFT = ["draft", "draft_role", "draft_call", "attachments"]


class MessageBuilder(Intake):
    """A conversation as cards: roles, texts, images, sounds and PDFs; turns can be edited, moved and branched.

    Content that it cannot edit, such as a tool call, is shown and kept unchanged. ``{{name}}`` in a text becomes a
    field of a form; ``messages`` has the value in its place, or the name as long as there is no value.

    Args:
        messages: the conversation to begin with.
        model: the model that will get the conversation, or its name: its limits give warnings, and its rule counts
            tokens.
        variables: values of ``{{names}}``.

    Attributes:
        messages: the conversation, with the draft as its last message if it has content; may be set.
        value: the same as an observable trait.
        variables: values of ``{{names}}`` by name; set a new dict to change them.
        draft: the text of the message being written.
        draft_role: the role of the message being written.
        history: all versions of all turns; call ``changed`` after a change of it.
        warning: what the model will not accept, or "".

    Example:
        >>> builder = MessageBuilder([{"role": "user", "content": "Greet {{who}}."}], variables={"who": "Ada"})
        >>> builder.messages
        [{'role': 'user', 'content': 'Greet Ada.'}]
    """

    stem = "conversation/message_builder"

    value: t.List[Any] = t.List()
    turns: t.List[Any] = t.List().tag(sync=True)
    told = t.Int(0).tag(sync=True)
    draft = t.Unicode("").tag(sync=True)
    draft_role = t.Unicode("user").tag(sync=True)
    draft_call = t.Unicode("").tag(sync=True)
    attachments: t.List[Any] = t.List().tag(sync=True)
    variables: t.Dict[Any, Any] = t.Dict().tag(sync=True)
    estimate: t.Dict[Any, Any] = t.Dict().tag(sync=True)
    undoable = t.Bool(False).tag(sync=True)
    warning = t.Unicode("").tag(sync=True)

    def __init__(
        self, messages: Iterable[Message] = (), *, model: Any = None, variables: Mapping[str, Any] | None = None
    ) -> None:
        self.history = History(checked(messages))
        self._deck = Deck(self.history)
        self.lock = threading.RLock()  # ipykernel 7 handles the page's messages on another thread
        self._taken_at = 0.0
        self._counter = itertools.count()
        self._setting = False
        self._followers: set[int] = set()
        if variables is not None and not isinstance(variables, Mapping):
            raise TypeError(f"variables: expected texts by name, got {type(variables).__name__}")
        self._model = None if model is None else model_of(model, "MessageBuilder")
        self._deck.model = self._name
        super().__init__(turns=self._deck.cards(), variables=dict(variables or {}))
        self._follow()

    def __repr__(self) -> str:
        count = len(self.history)
        return f"MessageBuilder({count} turn{'' if count == 1 else 's'})"

    @t.validate("variables")
    def _check_variables(self, proposal: Any) -> dict[str, str]:
        for name, value in proposal["value"].items():
            refuse_deep(value, f"variables[{name!r}]", ValueError)
        return {str(name): str(value) for name, value in proposal["value"].items()}

    @t.observe("draft", "draft_role", "draft_call", "variables")
    def _field_set(self, _change: Any) -> None:
        if not self._setting:
            self._follow(twin=False)

    @t.observe("value")
    def _value_set(self, change: Any) -> None:
        who = threading.get_ident()
        if who in self._followers:
            self._followers.discard(who)  # the rest of the notification may set it again
        else:
            self.messages = change.new

    # -- for the notebook ---------------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """The conversation with variables filled in, and the draft as its last message if it has content."""
        with self.lock:
            draft = self._drafted()
            messages = [*self.history.messages, *([] if draft is None else [draft])]
            return [filled_message(message, self.variables) for message in messages]

    @messages.setter
    def messages(self, messages: Iterable[Message]) -> None:
        wanted = checked(messages)
        with self.lock:
            self._empty_draft(self.tray.attachments)
            self.send_state(_DRAFT)
            self._show(wanted)

    @property
    def model(self) -> Any:
        """The model that will get the conversation, or None; may be set to a model or a name."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        with self.lock:
            self._model = None if model is None else model_of(model, "MessageBuilder")
            self._deck.model = self._name
            self.attachments = [self._card_of(item) for item in self.tray.attachments]
            self.changed()

    @property
    def unfilled(self) -> list[str]:
        """The ``{{names}}`` without a value, which stay in the texts."""
        with self.lock:
            names = [*self._deck.names(self._drafted()), *self.variables]
        return [name for name in dict.fromkeys(names) if not self.variables.get(name)]

    def attach(self, source: Any, name: str | None = None) -> None:
        """Add a part to the draft.

        Args:
            source: a path, bytes, an open file, a PIL image, an array, a figure, an https URL or a content part.
            name: its file name; by default the source's own.

        Raises:
            MediaError: it cannot be sent; the message says why.
        """
        item = attachment(f"kernel-{next(self._counter)}", source, name)
        self.tray.keep_place(item.id)
        self.tray.put(item)
        self._took()

    def add(self, message: Message | str) -> None:
        """Append a turn: a message dict, or a text, which becomes a turn of the user."""
        [message] = checked([ChatBlock.user(message) if isinstance(message, str) else message])
        with self.lock:
            self.history.add(message)
            self.changed()

    def take_draft(self, draft: page.DraftFields | None = None, *, at: float = 0) -> bool:
        """Make the draft a turn; return False if it is empty.

        Args:
            draft: the draft as the page sent it with the request, since traits come in separate messages.
            at: the time when the page sent it, by the page's clock. The kernel may handle the messages of two widgets
                in any order, and an earlier state of this draft that arrives later must not bring it back.

        Raises:
            ToolCallError: it is a tool's result, but no call waits for one.
        """
        with self.lock:
            self._taken_at = max(self._taken_at, at)
            if draft is not None:
                self._take_over(draft)
            added = self._add_draft()
            self.send_state(_DRAFT)
        return added

    def undo(self) -> bool:
        """Undo the last change of the conversation; return False if there was none."""
        with self.lock:
            done = self.history.undo()
            self.changed()
        return done

    def clear(self) -> None:
        """Remove all turns and their versions, but not the draft; ``undo`` brings them back."""
        with self.lock:
            if len(self.history):
                self.history.begin()
            self.changed()

    # -- for a parent widget ---------------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Card]:
        """The cards of all turns, and of the draft if it has content."""
        with self.lock:
            draft = self._drafted()
            return [*self.turns, *([] if draft is None else [self._deck.card_of(draft)])]

    @property
    def files(self) -> dict[str, Part]:
        """The parts with files, of turns and the draft, by the hash of the file."""
        with self.lock:
            items = [(item.measured, item.part) for item in self.tray.attachments]
            return {**self._deck.files(), **{one.digest: part for one, part in items if one is not None}}

    def hold_draft(self, draft: page.DraftFields) -> None:
        """Take the page's draft without making it a turn."""
        self._on_draft(page.Draft(draft=draft, left=True), [])

    def changed(self) -> None:
        """Show the history after a change of it; the page gets the new turns, and the ids of those that it has."""
        with self.lock:
            cards, before = self._deck.cards(), self.turns
            start = first_difference(cards, before)
            if start is not None:
                told = _without_known(cards[start:], before)
                self._set_unsent(turns=cards, told=self.told + 1)
                self.send({"type": "turns", "number": self.told, "from": start, "turns": told})
        self._follow()

    def settle(self, message: Message, *, prefill: str = "", code: bool = False) -> Card:
        """Add an answer that the page has watched, without a message to the page: the parent sends one.

        Args:
            message: the assistant's message.
            prefill: the given start of its text, shown with a tint.
            code: whether it is a structure, shown as code.

        Returns:
            The new turn's card without its words, for the page's ``exports.settle``.
        """
        given = prefill if any(text.startswith(prefill) for text in texts_of(message)) else ""
        with self.lock:
            self.history.add(message)
            self._deck.look_at_last(Look(len(given.encode("utf-16-le", "surrogatepass")) // 2, code))
            self._set_unsent(turns=self._deck.cards(), told=self.told + 1)
            card = {**without_texts(self.turns[-1]), "position": len(self.turns) - 1, "number": self.told}
        self._follow()
        return card

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_resync(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Send everything to a page that has missed a message."""
        with self.lock:
            self.send_state(["turns", "told"])

    def _on_draft(self, message: page.Draft, _buffers: Buffers) -> None:
        with self.lock:
            if 0 < message.at <= self._taken_at:
                return  # it has become a turn
            if not self._take_over(message.draft):
                self.send_state("attachments")
        self._follow(twin=message.left)

    def _on_add(self, message: page.Add, _buffers: Buffers) -> None:
        """Add the draft as a turn; the page has already emptied it."""
        with self.lock:
            known = self._take_over(message.draft)
            try:
                self._add_draft()
            finally:
                if not known or self._drafted() is not None:
                    self.send_state(_DRAFT)

    def _on_edit(self, message: page.Edit, _buffers: Buffers) -> None:
        with self.lock:
            position, turn = self._deck.find(message.id)
            loose = self.tray.loose
            new = rebuilt(turn, message.role, message.parts, {id_: item.part for id_, item in loose.items()})
            used = [part["attachment"] for part in message.parts if "attachment" in part]
            self._deck.remember(loose[id_] for id_ in used)
            self.tray.drop(*used)
            messages = self.history.kept
            self._show([*messages[:position], new, *messages[position + 1 :]])

    def _on_move(self, message: page.Move, _buffers: Buffers) -> None:
        with self.lock:
            position, _ = self._deck.find(message.id)
            messages = self.history.kept
            messages.insert(message.to, messages.pop(position))
            self._show(messages)

    def _on_duplicate(self, message: page.Turn, _buffers: Buffers) -> None:
        with self.lock:
            position, turn = self._deck.find(message.id)
            messages = self.history.kept
            self._show([*messages[: position + 1], turn.message, *messages[position + 1 :]])

    def _on_delete(self, message: page.Turn, _buffers: Buffers) -> None:
        with self.lock:
            position, _ = self._deck.find(message.id)
            messages = self.history.kept
            self._show([*messages[:position], *messages[position + 1 :]])

    def _on_choose(self, message: page.Choose, _buffers: Buffers) -> None:
        with self.lock:
            position, _ = self._deck.find(message.id)
            self.history.choose(position, message.sibling)
            self.changed()

    def _on_undo(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.undo()

    def _on_clear(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.clear()

    def _on_variable(self, message: page.Variable, _buffers: Buffers) -> None:
        name, value = message.name, encodable(message.value)
        with self.lock:
            others = {key: kept for key, kept in self.variables.items() if key != name}
            self._set_unsent(variables={**others, **({name: value} if value else {})})

    # -- helpers --------------------------------------------------------------------------------------------------

    def _show(self, messages: Sequence[Message]) -> None:
        with self.lock:
            if messages != self.history.kept:
                self.history.show(messages)
            self.changed()

    def _drafted(self, files: Sequence[Attachment] | None = None) -> Message | None:
        """Return the draft as a message, with all its files or with these; None if it has no content."""
        before = self.history.kept if self.draft_role == "tool" else ()
        files = self.tray.attachments if files is None else files
        return drafted(self.draft, self.draft_role, self.draft_call, files, before)

    def _add_draft(self) -> bool:
        files = self.tray.attachments  # a file that is read from now on belongs to the next message
        message = self._drafted(files)
        if message is not None:
            self._deck.add(message, files)
            self._empty_draft(files)
            self.changed()
        return message is not None

    def _take_over(self, draft: page.DraftFields) -> bool:
        """Take the page's draft without sending it back; return False if the page did not know all files."""
        self.tray.arrange(draft["ids"], draft["texts"])
        cards = [self._card_of(item) for item in self.tray.attachments]
        fields = {"draft": draft["text"], "draft_role": draft["role"], "draft_call": draft["call"]}
        with self._together():
            self._set_unsent(attachments=cards, **{name: encodable(text) for name, text in fields.items()})
        return [card["id"] for card in cards] == list(draft["ids"])

    def _empty_draft(self, files: Sequence[Attachment]) -> None:
        self.tray.drop(*(item.id for item in files))
        with self._together():
            self._set_unsent(draft="", draft_call="", attachments=[])

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Set several traits of the draft at once; call ``_follow`` afterwards. Observers see no partial state."""
        with self.lock:
            self._setting = True
            try:
                yield
            finally:
                self._setting = False

    def _took(self) -> None:
        with self.lock:
            self.attachments = [self._card_of(item) for item in self.tray.attachments]
        self._follow(twin=False)

    def _card_of(self, item: Attachment) -> Card:
        return item.card(self._name)

    def _media_part(self, digest: str) -> Any:
        with self.lock:
            files = [*self.tray.attachments, *self.tray.loose.values()]
            found = (item.part for item in files if item.measured is not None and item.measured.digest == digest)
            return next(found, None) or self._deck.media_part(digest)

    @property
    def _name(self) -> str:
        return "" if self._model is None else str(self._model.name)

    def _follow(self, *, twin: bool = True) -> None:
        """Update everything that depends on the turns, the draft and the variables."""
        with self.lock:
            self.undoable = self.history.undoable
            self.estimate = self._estimate()
            files = {item.id: item.part for item in self.tray.attachments if "text" not in item.part}
            self.warning = self._deck.problem(self._model, files)
            value = self.messages
        who = threading.get_ident()
        self._followers.add(who)
        try:
            self.value = value
        finally:
            self._followers.discard(who)
        if twin:
            self._update_twin()

    def _estimate(self) -> dict[str, Any]:
        tokens, unknown = self._deck.tokens(self.variables)
        cards = map(self._card_of, self.tray.attachments)
        counts: list[int | None] = [
            text_tokens(filled(self.draft, self.variables)),
            *(card["tokens"] for card in cards),
        ]
        draft = sum(count or 0 for count in counts)
        unknown += counts.count(None)
        return {"tokens": tokens + draft, "draft": draft, "unknown": unknown, "rule": image_rule(self._name)}

    def _drawn(self) -> tuple[str, str]:
        turns, empty = self.shown, "no messages yet"
        return transcript_html(turns) or f"<small>{empty}</small>", transcript_text(turns) or f"MessageBuilder: {empty}"


def _without_known(cards: Sequence[Card], before: Sequence[Card]) -> list[Card]:
    """Return cards for a page that has those before: one that is ``as`` another comes without the content.

    A version of a turn is drawn once, so equal parts are the same object.
    """
    known = {id(card["parts"]): card["id"] for card in before}
    return [
        {"id": card["id"], "siblings": card["siblings"], "as": known[id(card["parts"])]}
        if id(card["parts"]) in known
        else card
        for card in cards
    ]
