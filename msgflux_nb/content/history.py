"""A conversation as a tree: every version that was ever shown, and which one is shown now.

Each change of a conversation (an edit, another answer, a turn removed) gives a new list of messages. The tree gets a
branch where the new list differs from the earlier ones, so nothing is lost. A model is sent the list that is shown.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import BadRequestError
from .depth import refuse_deep

__all__ = ["History"]

Message = dict[str, Any]

_numbers = itertools.count(1)


class _Node:
    """One turn: its message, and every turn that has followed it."""

    def __init__(self, message: Message | None) -> None:
        self.id = next(_numbers)
        self.message = message
        self.children: list[_Node] = []
        self.chosen: _Node | None = None  # the child that was shown last

    def follow(self, message: Message, *, new: bool, own: bool = False) -> _Node:
        """Choose the child with this message; make one if none has it, or always with ``new=True``.

        Args:
            message: the message; it is copied, unless it is the history's own.
            new: whether to make a new child.
            own: whether it is the history's own.
        """
        same = None if new else next((child for child in self.children if child.message == message), None)
        if same is None:
            same = _Node(message if own else copy.deepcopy(message))
            self.children.append(same)
        self.chosen = same
        return same


class History:
    """A conversation with its branches.

    Args:
        messages: the turns to begin with; they are copied.

    Example:
        >>> history = History([{"role": "user", "content": "Name a colour."}])
        >>> history.add({"role": "assistant", "content": "Red"})
        >>> history.replace(1, {"role": "assistant", "content": "Blue"})
        >>> history.siblings(1)
        (1, 2)
        >>> history.choose(1, 0)
        >>> history.messages[1]["content"]
        'Red'
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._root = _Node(None)
        self._before: list[tuple[_Node, list[_Node]]] = []
        self._show(_checked(messages), new_from=None)

    @property
    def messages(self) -> list[Message]:
        """The conversation as it is shown, as a new list of copies."""
        return copy.deepcopy(self.kept)

    @property
    def kept(self) -> list[Message]:
        """The conversation as it is shown: the history's own messages, to read or to show again, not to change."""
        return [node.message for node in self._path() if node.message is not None]

    @property
    def ids(self) -> list[int]:
        """The id of each shown turn; every version of a turn has a number that no other version has."""
        return [node.id for node in self._path()]

    def __len__(self) -> int:
        return len(self._path())

    def show(self, messages: Sequence[Message]) -> None:
        """Make ``messages`` the conversation; leading turns that it shares with the tree are reused.

        Messages are copied, except those that are in ``kept``.

        Raises:
            BadRequestError: a message is nested too deep; nothing is changed.
        """
        messages = _checked(messages, self.kept)
        self._remember()
        self._show(messages, new_from=None)

    def begin(self) -> None:
        """Start an empty conversation. ``undo`` and ``go_to`` bring the earlier turns back."""
        self._remember()
        self._root = _Node(None)

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether turns with these numbers were ever shown since the last start."""
        return not ids or any(child.id == ids[0] for child in self._root.children)

    def add(self, message: Message) -> None:
        """Append a turn. It is always a new one: the same answer given twice makes two versions.

        Raises:
            BadRequestError: the message is nested too deep; nothing is changed.
        """
        messages = self.kept
        _checked([message], messages)
        self._remember()
        self._show([*messages, message], new_from=len(messages))

    def replace(self, position: int, message: Message) -> None:
        """Replace the turn at a position. The turns after it stay, and the replaced one becomes its sibling."""
        messages = self.kept
        self._check(position)
        self.show([*messages[:position], message, *messages[position + 1 :]])

    def cut(self, position: int) -> None:
        """End the conversation before a position; the turns from there on are kept as a branch."""
        self._remember()
        path = [self._root, *self._path()]
        path[position].chosen = None

    def go_to(self, ids: Iterable[int]) -> None:
        """Show exactly the turns with these ids; what was shown before is kept as a branch.

        Raises:
            LookupError: these turns never followed one another.
        """
        wanted = list(ids)
        roots = [self._root, *(root for root, _ in reversed(self._before))]
        begins = (root for root in roots if any(child.id == wanted[0] for child in root.children)) if wanted else ()
        path = [next(iter(begins), self._root)]
        for id_ in wanted:
            found = next((child for child in path[-1].children if child.id == id_), None)
            if found is None:
                raise LookupError(f"turn {id_} was never at position {len(path) - 1}")
            path.append(found)
        self._remember()
        self._root = path[0]
        for node, child in itertools.pairwise(path):
            node.chosen = child
        path[-1].chosen = None

    def versions(self, position: int) -> list[Message]:
        """Return copies of all versions of the turn at a position; ``siblings`` says which of them is shown."""
        self._check(position)
        return [copy.deepcopy(child.message or {}) for child in [self._root, *self._path()][position].children]

    def add_versions(self, versions: Sequence[Sequence[Message]]) -> None:
        """Append several versions of the next turns, each a list; the first one is shown.

        Raises:
            BadRequestError: a message is nested too deep; nothing is changed.
        """
        for turns in versions:
            _checked(turns)
        self._remember()
        path = self._path()
        end = path[-1] if path else self._root
        begun = []
        for turns in filter(None, versions):
            node = end
            for turn in turns:
                node = node.follow(turn, new=True)
            begun.append(end.chosen)
        if begun:
            end.chosen = begun[0]

    def join_changes(self) -> None:
        """Join the last two changes into one, so that ``undo`` takes both back."""
        if len(self._before) > 1:
            self._before.pop()

    def siblings(self, position: int) -> tuple[int, int]:
        """Return the number of the version shown at a position, counted from 0, and how many versions there are."""
        self._check(position)
        return self.all_siblings()[position]

    def all_siblings(self) -> list[tuple[int, int]]:
        """Return the ``siblings`` of each shown turn, in order."""
        path = [self._root, *self._path()]
        return [(parent.children.index(child), len(parent.children)) for parent, child in itertools.pairwise(path)]

    def choose(self, position: int, sibling: int) -> None:
        """Show another version of the turn at a position, with the turns that followed it when it was last shown.

        Raises:
            IndexError: the turn or version does not exist.
        """
        self._check(position)
        parent = [self._root, *self._path()][position]
        if not 0 <= sibling < len(parent.children):
            raise IndexError(f"turn {position} has no version {sibling}; it has {len(parent.children)}, counted from 0")
        self._remember()
        parent.chosen = parent.children[sibling]

    def undo(self) -> bool:
        """Show the conversation as it was before the last change; False if there was none."""
        if not self._before:
            return False
        self._root, path = self._before.pop()
        node = self._root
        for child in path:
            node.chosen = child
            node = child
        node.chosen = None
        return True

    @property
    def undoable(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._before)

    def _show(self, messages: list[Message], new_from: int | None) -> None:
        own = set(map(id, self.kept))
        node = self._root
        for position, message in enumerate(messages):
            node = node.follow(message, new=position == new_from, own=id(message) in own)
        node.chosen = None

    def _remember(self) -> None:
        self._before.append((self._root, self._path()))

    def _path(self) -> list[_Node]:
        path = []
        node = self._root.chosen
        while node is not None:
            path.append(node)
            node = node.chosen
        return path

    def _check(self, position: int) -> None:
        if not 0 <= position < len(self):
            raise IndexError(f"expected the position of one of {len(self)} turns, the first is 0; got {position}")


def _checked(messages: Iterable[Message], known: Sequence[Message] = ()) -> list[Message]:
    """Return messages as a list; those that are known are not looked into."""
    found, own = list(messages), set(map(id, known))
    for position, message in enumerate(found):
        if id(message) not in own:
            refuse_deep(message, f"messages[{position}]", BadRequestError)
    return found
