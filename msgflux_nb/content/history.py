"""A conversation as a tree: every version of it that was ever shown, and the one that is shown now.

Whatever changes a conversation, be it an edit, another answer or a turn taken out, gives another list of messages.
Where that list leaves the ones before it, the tree gets a branch; nothing is ever lost, and a model is sent a list.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["History"]

Message = dict[str, Any]

_numbers = itertools.count(1)


class _Node:
    """One turn: its message, and the turns that have followed it."""

    def __init__(self, message: Message | None) -> None:
        self.id = next(_numbers)
        self.message = message
        self.children: list[_Node] = []
        self.chosen: _Node | None = None  # the child that was shown last

    def follow(self, message: Message, *, anew: bool) -> _Node:
        """Choose the child with this message; make one if none has it, or always with ``anew=True``."""
        same = None if anew else next((child for child in self.children if child.message == message), None)
        if same is None:
            same = _Node(copy.deepcopy(message))
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
        self._show(list(messages), anew_from=None)

    @property
    def messages(self) -> list[Message]:
        """The conversation as it is shown, as a new list of copies."""
        return [copy.deepcopy(node.message) for node in self._path() if node.message is not None]

    @property
    def ids(self) -> list[int]:
        """What each turn that is shown can be known by: the same number for the same version, and for no other."""
        return [node.id for node in self._path()]

    def __len__(self) -> int:
        return len(self._path())

    def show(self, messages: Sequence[Message]) -> None:
        """Make ``messages`` the conversation; turns at its beginning that are there already are not made again."""
        self._remember()
        self._show(list(messages), anew_from=None)

    def begin(self) -> None:
        """Start over: new turns are not versions of earlier ones; ``undo`` and ``go_to`` bring those back."""
        self._remember()
        self._root = _Node(None)

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether turns with these numbers were ever shown since the last start."""
        return not ids or any(child.id == ids[0] for child in self._root.children)

    def add(self, message: Message) -> None:
        """Put a turn at the end; always a new one, so that the same answer given twice is two."""
        self._remember()
        messages = self.messages
        self._show([*messages, message], anew_from=len(messages))

    def replace(self, position: int, message: Message) -> None:
        """Put another turn in the place of one; what follows it stays, and the one before it becomes its sibling."""
        messages = self.messages
        self._check(position)
        self.show([*messages[:position], message, *messages[position + 1 :]])

    def cut(self, position: int) -> None:
        """Let the conversation end before a position; what followed is kept as a branch."""
        self._remember()
        path = [self._root, *self._path()]
        path[position].chosen = None

    def go_to(self, ids: Iterable[int]) -> None:
        """Show the turns with these numbers, and no others; what was shown in their place is kept as a branch.

        Raises:
            LookupError: they were never shown one after the other.
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
        """Return the turns that stand, or stood, in a place, as copies; ``siblings`` says which of them is shown."""
        self._check(position)
        return [copy.deepcopy(child.message or {}) for child in [self._root, *self._path()][position].children]

    def add_versions(self, versions: Sequence[Sequence[Message]]) -> None:
        """Go on in several ways, each a list of turns that is new; the first of them is shown."""
        self._remember()
        path = self._path()
        end = path[-1] if path else self._root
        begun = []
        for turns in filter(None, versions):
            node = end
            for turn in turns:
                node = node.follow(turn, anew=True)
            begun.append(end.chosen)
        if begun:
            end.chosen = begun[0]

    def join_changes(self) -> None:
        """Make the last two changes one, so that ``undo`` takes both back."""
        if len(self._before) > 1:
            self._before.pop()

    def siblings(self, position: int) -> tuple[int, int]:
        """Return which of its siblings the turn at a position is, counted from 0, and how many there are."""
        self._check(position)
        path = [self._root, *self._path()]
        children = path[position].children
        return children.index(path[position + 1]), len(children)

    def choose(self, position: int, sibling: int) -> None:
        """Show another sibling in a place, with what had followed it when it was shown last.

        Raises:
            IndexError: there is no such turn, or no such sibling.
        """
        self._check(position)
        parent = [self._root, *self._path()][position]
        if not 0 <= sibling < len(parent.children):
            raise IndexError(f"turn {position} has {len(parent.children)} versions; there is no number {sibling}")
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

    def _show(self, messages: list[Message], anew_from: int | None) -> None:
        node = self._root
        for position, message in enumerate(messages):
            node = node.follow(message, anew=position == anew_from)
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
            raise IndexError(f"the conversation has {len(self)} turns; there is no number {position}")
