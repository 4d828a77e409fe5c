"""A conversation's turns as cards: draws each version once, finds files, adds up tokens."""

from __future__ import annotations

import itertools
import re
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
        history: the conversation; after a change of it, read ``cards`` again.

    Attributes:
        model: the name of the model whose rule counts tokens.
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
        """The name of the model whose rule counts tokens; another model makes new cards of turns with files."""
        return self._model

    @model.setter
    def model(self, name: str) -> None:
        if name != self._model:
            self._turns = {id_: turn for id_, turn in self._turns.items() if not turn.media}
        self._model = name

    def cards(self) -> list[Card]:
        """Return the cards of the shown turns, in order."""
        return [
            {"id": str(id_), **turn.card, "siblings": list(versions)}
            for (id_, turn), versions in zip(self._shown(), self.history.all_siblings(), strict=True)
        ]

    def find(self, id_: str) -> tuple[int, Turn]:
        """Return the position of the turn with this card id, and the turn.

        Raises:
            LookupError: the turn is not shown.
        """
        for position, (number, turn) in enumerate(self._shown()):
            if str(number) == id_:
                return position, turn
        raise LookupError("that turn is not shown any more; nothing was changed")

    def look_at_last(self, look: Look) -> None:
        """Set the look of the last turn, which was watched as it arrived."""
        id_ = self.history.ids[-1]
        self._turns.pop(id_, None)
        self._looks[id_] = look

    def remember(self, attachments: Iterable[Attachment]) -> None:
        """Keep facts about files besides their content, for the turns that hold them."""
        self._facts |= {item.measured.digest: item.facts for item in attachments if item.measured is not None}

    def add(self, message: Message, attachments: Iterable[Attachment]) -> None:
        """Append a message, and keep the facts about its files.

        Raises:
            ToolCallError: it is a tool's result, but no call waits for one.
        """
        if message["role"] == "tool" and not message["tool_call_id"]:
            raise ToolCallError("a tool turn answers a call, and no call waits for an answer. Name the id of the call.")
        self.remember(attachments)
        self.history.add(message)

    def card_of(self, message: Message) -> Card:
        """Return the card of the message being written."""
        return Turn(message, model=self._model, facts=self._facts).card

    def problem(self, model: Any, files: Mapping[str, Part]) -> str:
        """Return why a model does not accept the shown files, or ""; computed again only when files have changed.

        Args:
            model: the model that would get them, or None.
            files: the files of the message being written, by id.
        """
        turns = [*(turn.media for _, turn in self._shown()), files]
        if model is None or not any(turns):
            return ""
        key = (id(model), *map(tuple, turns))
        if key != self._media_checked[0]:
            self._media_checked = (key, _media_problem(model, [parts.values() for parts in turns]))
        return self._media_checked[1]

    def media_part(self, digest: str) -> Any:
        """Return the part with a file, from any version of a turn, or None."""
        found = (turn.media[digest] for turn in list(self._turns.values()) if digest in turn.media)
        return next(found, None)

    def files(self) -> dict[str, Any]:
        """Return the parts with files, by digest, from all versions of turns."""
        return {digest: part for turn in list(self._turns.values()) for digest, part in turn.media.items()}

    def tokens(self, values: Mapping[str, str]) -> tuple[int, int]:
        """Return the estimated tokens of the turns, and the number of parts without an estimate."""
        counts = [turn.tokens(values) for _, turn in self._shown()]
        return sum(tokens for tokens, _ in counts), sum(unknown for _, unknown in counts)

    def names(self, draft: Message | None) -> list[str]:
        """List the ``{{names}}`` in people's texts; one that a model writes needs no value."""
        turns = (turn.message for _, turn in self._shown() if turn.message["role"] not in _NOT_THE_USERS)
        messages = itertools.chain(turns, () if draft is None else (draft,))
        return names_in(itertools.chain.from_iterable(map(texts_of, messages)))

    def _shown(self) -> Iterator[tuple[int, Turn]]:
        ids = self.history.ids
        if any(id_ not in self._turns for id_ in ids):
            drawn = {id(turn.message): turn for turn in self._turns.values()}  # a turn that was moved has a new number
            for id_, message in zip(ids, self.history.kept, strict=True):
                if id_ not in self._turns:
                    look = self._looks.get(id_)
                    made = None if look else drawn.get(id(message))
                    self._turns[id_] = made or Turn(message, model=self._model, facts=self._facts, look=look)
        return ((id_, self._turns[id_]) for id_ in ids)


def checked(messages: Iterable[Message]) -> list[Message]:
    """Return the messages as a list, which may be empty; content that a model would refuse is allowed and shown.

    Raises:
        TypeError: they are not messages, or one of them is not a dict with a role.
        BadRequestError: a role is misspelt.
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
        call: the id of the call that it answers, if it is a tool's result; by default the first open call.
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
    """Return the first index at which two lists differ, or None if they are equal."""
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return None if len(one) == len(other) else min(len(one), len(other))


def _media_problem(model: Any, turns: Iterable[Iterable[Part]]) -> str:
    """Return the error that sending these files would raise, or ""; asks the request builder itself.

    Args:
        model: the model that would get them.
        turns: the files of each turn, the message being written last; the error names the turn.
    """
    messages = [ChatBlock.user("…", media=list(parts)) for parts in turns]
    try:
        model.plan(messages)
    except MediaError as error:
        last = len(messages) - 1

        def turn(found: re.Match[str]) -> str:
            return "this message" if int(found[1]) == last else f"turn {int(found[1]) + 1}"

        return re.sub(r"messages\[(\d+)\]", turn, str(error)).removesuffix(" Nothing was sent.")
    except MsgfluxError:  # other errors are raised by the call itself
        return ""
    return ""
