"""``MessageBuilder``: a conversation as cards, to be written, edited, branched and read back as messages."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import traitlets as t

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
    """A conversation as cards: roles, texts, images, sounds and PDFs, each turn to be edited, moved and branched.

    What it cannot edit, such as a tool call, it shows and keeps as it is: ``messages`` gives back what it was given.
    ``{{name}}`` in a text becomes a field of a form; ``messages`` has the value in its place, or the name where there
    is no value yet.

    Args:
        messages: the conversation to begin with.
        model: whom it is for, as a model or its name: its limits are named, and its rules count tokens.
        variables: values of ``{{names}}``.

    Attributes:
        messages: the conversation, and the draft as its last message if it has content; may be set.
        value: the same, to be observed.
        variables: values of ``{{names}}`` by name; set a new dict to change them.
        draft: the text of the message being written.
        draft_role: its role.
        history: all versions of all turns; call ``changed`` after a change of it.
        warning: what the model will not take, or "".

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
        self.lock = threading.RLock()  # ipykernel 7 handles messages of the page on a thread of their own
        self._taken_at = 0.0
        self._counter = itertools.count()
        self._setting = False
        self._followers: set[int] = set()
        self._model = None if model is None else model_of(model, "MessageBuilder")
        self._deck.model = self._name
        super().__init__(turns=self._deck.cards(), variables=dict(variables or {}))
        self._follow()

    def __repr__(self) -> str:
        count = len(self.history)
        return f"MessageBuilder({count} turn{'' if count == 1 else 's'})"

    @t.validate("variables")
    def _check_variables(self, proposal: Any) -> dict[str, str]:
        return {str(name): str(value) for name, value in proposal["value"].items()}

    @t.observe("draft", "draft_role", "draft_call", "variables")
    def _field_set(self, _change: Any) -> None:
        if not self._setting:
            self._follow(twin=False)

    @t.observe("value")
    def _value_set(self, change: Any) -> None:
        who = threading.get_ident()
        if who in self._followers:
            self._followers.discard(who)  # the rest of this notification may set it again
        else:
            self.messages = change.new

    # -- what a notebook reads and does ---------------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """The conversation, with the draft as its last message if it has content, and variables filled in."""
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
        """Whom the conversation is for, or None; a name may be set too."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        with self.lock:
            self._model = None if model is None else model_of(model, "MessageBuilder")
            self._deck.model = self._name
            self._took()
            self.changed()

    @property
    def unfilled(self) -> list[str]:
        """The ``{{names}}`` of the texts that have no value yet, and so stay as they stand."""
        with self.lock:
            names = [*self._deck.names(self._drafted()), *self.variables]
        return [name for name in dict.fromkeys(names) if not self.variables.get(name)]

    def attach(self, source: Any, name: str | None = None) -> None:
        """Add to the draft: a path, bytes, an open file, a PIL image, an array, a figure, an https URL or a part.

        Raises:
            MediaError: it cannot be sent; the message says why.
        """
        item = attachment(f"kernel-{next(self._counter)}", source, name)
        self.tray.keep_place(item.id)
        self.tray.put(item)
        self._took()

    def add(self, message: Message | str) -> None:
        """Put a turn at the end; a text is one of the user."""
        [message] = checked([ChatBlock.user(message) if isinstance(message, str) else message])
        with self.lock:
            self.history.add(message)
            self.changed()

    def take_draft(self, draft: page.DraftFields | None = None, *, at: float = 0) -> bool:
        """Make the draft a turn; False if it is empty.

        Args:
            draft: what the page sent of it with the wish, since traits travel in messages of their own.
            at: when the page sent it, by its clock. A kernel may handle the messages of two widgets side by side: what
                the page said of this draft before then, and what arrives after it, does not bring it back.

        Raises:
            ToolCallError: a result of a tool, but no call waits for one.
        """
        with self.lock:
            self._taken_at = max(self._taken_at, at)
            if draft is not None:
                self._take_over(draft)
            added = self._add_draft()
            self.send_state(_DRAFT)
        return added

    def undo(self) -> bool:
        """Show the conversation as it was before its last change; False if there was none."""
        with self.lock:
            done = self.history.undo()
            self.changed()
        return done

    def clear(self) -> None:
        """Remove all turns and their versions; ``undo`` brings them back, and the draft stays."""
        with self.lock:
            if len(self.history):
                self.history.begin()
            self.changed()

    # -- what a parent does ---------------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Card]:
        """The cards of all turns, and of the draft if it has content."""
        with self.lock:
            draft = self._drafted()
            return [*self.turns, *([] if draft is None else [self._deck.card_of(draft)])]

    @property
    def files(self) -> dict[str, Part]:
        """The parts of messages that hold a file, by a hash of it; those of the draft too."""
        with self.lock:
            items = [(item.measured, item.part) for item in self.tray.attachments]
            return {**self._deck.files(), **{one.digest: part for one, part in items if one is not None}}

    def hold_draft(self, draft: page.DraftFields) -> None:
        """Take the draft as the page has it, without making it a turn."""
        self._on_draft(page.Draft(draft=draft, left=True), [])

    def changed(self) -> None:
        """Show the history after a change of it; the page is told the turns from the first that differs."""
        with self.lock:
            cards, before = self._deck.cards(), self.turns
            start = first_difference(cards, before)
            if start is not None:
                self._set_unsent(turns=cards, told=self.told + 1)
                self.send({"type": "turns", "number": self.told, "from": start, "turns": cards[start:]})
        self._follow()

    def settle(self, message: Message, *, prefill: str = "", code: bool = False) -> Card:
        """Add an answer that the page has watched, and tell the page nothing: the parent's message about its end does.

        Args:
            message: the assistant's.
            prefill: the beginning of its text that was given, shown in its tint.
            code: whether it is a structure, shown as it stands.

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

    # -- what the page asks ---------------------------------------------------------------------------------------

    def _on_resync(self, _message: PageMessage, _buffers: Buffers) -> None:
        """A page has missed something."""
        with self.lock:
            self.send_state(["turns", "told"])

    def _on_draft(self, message: page.Draft, _buffers: Buffers) -> None:
        with self.lock:
            if 0 < message.at <= self._taken_at:
                return  # it is a turn by now
            if not self._take_over(message.draft):
                self.send_state("attachments")
        self._follow(twin=message.left)

    def _on_add(self, message: page.Add, _buffers: Buffers) -> None:
        """The page has emptied its draft already."""
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
            messages = self.history.messages
            self._show([*messages[:position], new, *messages[position + 1 :]])

    def _on_move(self, message: page.Move, _buffers: Buffers) -> None:
        with self.lock:
            position, _ = self._deck.find(message.id)
            messages = self.history.messages
            messages.insert(message.to, messages.pop(position))
            self._show(messages)

    def _on_duplicate(self, message: page.Turn, _buffers: Buffers) -> None:
        with self.lock:
            position, turn = self._deck.find(message.id)
            messages = self.history.messages
            self._show([*messages[: position + 1], turn.message, *messages[position + 1 :]])

    def _on_delete(self, message: page.Turn, _buffers: Buffers) -> None:
        with self.lock:
            position, _ = self._deck.find(message.id)
            messages = self.history.messages
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
            if messages != self.history.messages:
                self.history.show(messages)
            self.changed()

    def _drafted(self, files: Sequence[Attachment] | None = None) -> Message | None:
        """The draft as a message, with all its files or with these; None if it has no content."""
        before = self.history.messages if self.draft_role == "tool" else ()
        files = self.tray.attachments if files is None else files
        return drafted(self.draft, self.draft_role, self.draft_call, files, before)

    def _add_draft(self) -> bool:
        files = self.tray.attachments  # one that is read from now on is of the next message
        message = self._drafted(files)
        if message is not None:
            self._deck.add(message, files)
            self._empty_draft(files)
            self.changed()
        return message is not None

    def _take_over(self, draft: page.DraftFields) -> bool:
        """Take the draft as the page has it, which is not told; False if it did not know all files."""
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
        """Set several traits of the draft; whoever does it calls ``_follow``, so that no half of it is seen."""
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
        """Bring up to date what follows from the turns, the draft and the variables."""
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
