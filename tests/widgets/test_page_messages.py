"""Messages of a page: a message of the right shape is handled; any other is refused, shown on the view and logged."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from msgflux_nb.widgets.base.messages import Buffers, PageMessage
from msgflux_nb.widgets.base.view import View
from scripts.check_pages import views


class Move(PageMessage, frozen=True):
    """A message for the test alone."""

    id: str
    to: int = 0


class Small(View):
    """A widget for the test alone."""

    stem = "prefill/prefill_editor"

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[Any] = []
        self.told: list[Any] = []
        self.send = lambda content, buffers=None: self.told.append(content)  # type: ignore[method-assign]

    def _on_move(self, message: Move, buffers: Buffers) -> None:
        self.handled.append((message, buffers))

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.handled.append("stop")


def test_a_message_comes_as_the_type_that_its_handler_takes() -> None:
    view = Small()
    view._receive(view, {"type": "move", "id": "a", "to": 2, "of a later version": 1}, [memoryview(b"x")])
    view._receive(view, {"type": "move", "id": "b"}, [])
    view._receive(view, {"type": "stop"}, [])
    assert view.handled == [(Move("a", 2), [memoryview(b"x")]), (Move("b"), []), "stop"]
    assert view.told == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "move"}, "`id`"),
        ({"type": "move", "id": 1}, "$.id"),
        ({"type": "move", "id": "a", "to": "2"}, "$.to"),
        ({"type": "move", "id": "a", "to": None}, "$.to"),
        ({"type": "moved"}, "nobody handles a message of type 'moved'"),
        ({"type": "Move.__init__"}, "nobody handles"),
        ({"type": ["move"]}, "nobody handles"),
        ({}, "nobody handles"),
    ],
)
def test_a_message_of_another_shape_is_refused_and_logged(
    content: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    view = Small()
    with caplog.at_level(logging.WARNING, "msgflux_nb"):
        view._receive(view, content, [])
    assert view.handled == []
    [record] = caplog.records
    assert said in record.getMessage()
    [problem] = view.told
    assert problem["name"] == "PageMessageError"
    assert said in problem["message"]


def test_what_a_refused_message_holds_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    view = Small()
    with caplog.at_level(logging.WARNING, "msgflux_nb"):
        view._receive(view, {"type": "move", "id": ["a secret"], "to": "another"}, [])
    assert "secret" not in caplog.text + str(view.told)


def test_every_handler_names_the_type_of_its_message() -> None:
    from msgflux_nb.widgets.base import messages

    for kind in views().values():
        names = [name for name in dir(kind) if name.startswith("_on_") and name != "_on_msg"]
        for name in names:
            found = messages.message_type(getattr(kind, name))
            assert issubclass(found, PageMessage), f"{kind.__name__}.{name}"
            assert found.__doc__
            msgspec.json.schema(found)
