"""A conversation's turns as cards: each version drawn once, its files found again, its tokens added up."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...content.checks import ROLES, check_role, meant
from ...content.history import History
from ...content.messages import ChatBlock, Message, Part
from ...errors import MediaError, MsgfluxError, ToolCallError
from .attachments import Attachment
from .parts import Card, Facts
from .turn_cards import Look, Turn, open_calls
from .variables import names_in, texts_of

__all__ = ["Deck", "checked", "drafted", "first_difference"]

_NOT_THE_USERS = ("assistant", "tool")


class Deck:
    """The cards of a history.

    Args:
        history: the conversation; whoever changes it asks for ``cards`` again.

    Attributes:
        model: the name of the model that counts the tokens.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._model = ""
        self._turns: dict[int, Turn] = {}
        self._looks: dict[int, Look] = {}
        self._facts: dict[str, Facts] = {}
        self._media_checked: tuple[Any, str] = (None, "")

    @property
    def model(self) -> str:
        """The name of the model that counts the tokens; another model gets new cards."""
        return self._model

    @model.setter
    def model(self, name: str) -> None:
        self._model = name
        self._turns.clear()

    def cards(self) -> list[Card]:
        """Return the card of each turn that is shown, in order."""
        return [
            {"id": str(id_), **turn.card, "siblings": list(self.history.siblings(position))}
            for position, (id_, turn) in enumerate(self._shown())
        ]

    def find(self, id_: str) -> tuple[int, Turn]:
        """Return where the turn with a card of this id is, and the turn.

        Raises:
            LookupError: it is not shown.
        """
        for position, (number, turn) in enumerate(self._shown()):
            if str(number) == id_:
                return position, turn
        raise LookupError("that turn is not shown any more; nothing was changed")

    def look_at_last(self, look: Look) -> None:
        """Say how the last turn is shown, because it was watched as it arrived."""
        id_ = self.history.ids[-1]
        self._turns.pop(id_, None)
        self._looks[id_] = look

    def remember(self, attachments: Iterable[Attachment]) -> None:
        """Keep what is known of files in addition to their content, for the turns that hold them."""
        self._facts |= {item.measured.digest: item.facts for item in attachments if item.measured is not None}

    def add(self, message: Message, attachments: Iterable[Attachment]) -> None:
        """Put a message at the end, and keep what is known of its files.

        Raises:
            ToolCallError: it is a result of a tool, but no call waits for one.
        """
        if message["role"] == "tool" and not message["tool_call_id"]:
            raise ToolCallError("a tool's turn answers a call, and no call is open. Name the id of the call.")
        self.remember(attachments)
        self.history.add(message)

    def card_of(self, message: Message) -> Card:
        """Return the card of a message that is not a turn yet."""
        return Turn(message, model=self._model, facts=self._facts).card

    def problem(self, model: Any, files: Mapping[str, Part]) -> str:
        """Say what a model does not take of what is shown, or ""; it is asked again only when files have changed.

        Args:
            model: who would be sent it, or None.
            files: those of the message that is not a turn yet, by id.
        """
        turns = [*(turn.media for _, turn in self._shown()), files]
        if model is None or not any(turns):
            return ""
        key = (id(model), *map(tuple, turns))
        if key != self._media_checked[0]:
            self._media_checked = (key, _media_problem(model, [parts.values() for parts in turns]))
        return self._media_checked[1]

    def media_part(self, digest: str) -> Any:
        """Return the part that holds a file, of any version that was ever shown, or None."""
        found = (turn.media[digest] for turn in list(self._turns.values()) if digest in turn.media)
        return next(found, None)

    def files(self) -> dict[str, Any]:
        """Return the parts that hold a file, by its digest, of any version that was ever shown."""
        return {digest: part for turn in list(self._turns.values()) for digest, part in turn.media.items()}

    def tokens(self, values: Mapping[str, str]) -> tuple[int, int]:
        """Return about how many tokens the turns are, and how many of their parts are not counted."""
        counts = [turn.tokens(values) for _, turn in self._shown()]
        return sum(tokens for tokens, _ in counts), sum(unknown for _, unknown in counts)

    def names(self, draft: Message | None) -> list[str]:
        """List the ``{{names}}`` in the texts of people: a model that writes one does not ask for a value."""
        turns = (turn.message for _, turn in self._shown() if turn.message["role"] not in _NOT_THE_USERS)
        messages = itertools.chain(turns, () if draft is None else (draft,))
        return names_in(itertools.chain.from_iterable(map(texts_of, messages)))

    def _shown(self) -> Iterator[tuple[int, Turn]]:
        ids = self.history.ids
        if any(id_ not in self._turns for id_ in ids):
            for id_, message in zip(ids, self.history.messages, strict=True):
                if id_ not in self._turns:
                    look = self._looks.get(id_)
                    self._turns[id_] = Turn(message, model=self._model, facts=self._facts, look=look)
        return ((id_, self._turns[id_]) for id_ in ids)


def checked(messages: Iterable[Message]) -> list[Message]:
    """Return the messages as a list; there may be none, and what a model would refuse in one is shown as it is.

    Raises:
        TypeError: they are not messages, or one of them is not a dict with a role.
        BadRequestError: a role is one letter off.
    """
    if isinstance(messages, str | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(
            f"messages: expected a list of messages, got {type(messages).__name__}; mf.ChatBlock.user(text) builds one."
        )
    found = list(messages)
    for position, message in enumerate(found):
        if not (isinstance(message, dict) and isinstance(message.get("role"), str)):
            raise TypeError(
                f"messages[{position}] is a {type(message).__name__} without a role; "
                'expected dicts such as {"role": "user", "content": "Hello"}. ChatBlock writes them.'
            )
        if message["role"] not in ROLES and meant(message["role"], ROLES):
            check_role(message, f"messages[{position}]")
    return found


def drafted(
    text: str, role: str, call: str, attachments: Iterable[Attachment], before: Iterable[Message]
) -> Message | None:
    """Return the message being written, or None if it has no content.

    Args:
        text: its text.
        role: its role.
        call: the id of the call that it answers, if it is the result of a tool; by default the first that is open.
        attachments: its other parts.
        before: the messages before it.
    """
    parts = [item.part for item in attachments if item.part.get("text") != ""]
    if not (text.strip() or parts):
        return None
    content: Any = text
    if parts:
        content = [*([{"type": "text", "text": text}] if text.strip() else []), *parts]
    if role != "tool":
        return {"role": role, "content": content}
    call = call or next(iter(open_calls(before)), "")
    return {"role": role, "tool_call_id": call, "content": content}


def first_difference(one: list[Any], other: list[Any]) -> int | None:
    """Return where two lists differ first, or None if they are equal."""
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return None if len(one) == len(other) else min(len(one), len(other))


def _media_problem(model: Any, turns: Iterable[Iterable[Part]]) -> str:
    """Return what sending these files would raise, or "": the request builder is asked, so that both say the same.

    Args:
        model: who would be sent them.
        turns: the files of each turn; which turn it is, is in the message.
    """
    messages = [ChatBlock.user("…", media=list(parts)) for parts in turns]
    try:
        model.plan(messages)
    except MediaError as error:
        return str(error)
    except MsgfluxError:  # the call says the rest
        return ""
    return ""
