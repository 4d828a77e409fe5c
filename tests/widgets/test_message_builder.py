"""The message builder without a page: messages both ways, edits, files, variables, and its interface for a parent."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import msgflux_nb as mf
from msgflux_nb.content.generated import Image
from msgflux_nb.widgets.conversation import turn_cards
from msgflux_nb.widgets.conversation.attachments import attachment
from msgflux_nb.widgets.conversation.message_builder import MessageBuilder
from tests.content.pictures import to_bytes, two_halves
from tests.content.sounds import tone

from .conversations import CALL, EVERYTHING, messages

DRAFT = {"text": "", "role": "user", "call": "", "ids": [], "texts": {}}


class Desk:
    """A builder without a page; its messages to the page are recorded."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.builder = MessageBuilder(*args, **options)
        self.sent: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        self.builder.send = self._record

    def _record(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.sent.append(content)
        self.buffers.append(buffers or [])

    def receive(self, kind: str, buffers: list[bytes] | None = None, **content: Any) -> None:
        self.builder._receive(self.builder, {"type": kind, **content}, [memoryview(b) for b in buffers or []])

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]

    def id_at(self, position: int) -> str:
        return str(self.builder.turns[position]["id"])

    def texts(self) -> list[Any]:
        return [message.get("content") for message in self.builder.messages]

    def upload(
        self, data: bytes, name: str = "a.png", *, id_: str = "p1", pieces: int = 1, loose: bool = False
    ) -> None:
        size = -(-len(data) // pieces)
        for index in range(pieces):
            piece = data[index * size : (index + 1) * size]
            self.receive("piece", [piece], id=id_, index=index, count=pieces, name=name, loose=loose)

    def until(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + 5
        while not (found := condition()):
            assert time.monotonic() < end, self.sent
            time.sleep(0.005)
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk([{"role": "user", "content": text} for text in ("a", "b", "c")])
    yield desk
    assert desk.of("problem") == []
    desk.builder.close()


# Messages both ways


@settings(deadline=None)  # the machine may be busy
@given(messages)
def test_any_messages_come_back_equal(found: list[dict[str, Any]]) -> None:
    assert MessageBuilder(found).messages == found
    builder = MessageBuilder([{"role": "user", "content": "before"}])
    builder.messages = found
    assert builder.messages == builder.value == found
    json.dumps(builder.get_state(), default=str, ensure_ascii=False).encode()
    builder.close()


def test_messages_of_every_kind_come_back_equal_also_by_value() -> None:
    builder = MessageBuilder()
    builder.value = EVERYTHING
    assert builder.messages == EVERYTHING
    assert [turn["role"] for turn in builder.turns] == [message["role"] for message in EVERYTHING]


def test_what_is_read_is_not_shared() -> None:
    builder = MessageBuilder([{"role": "user", "content": [{"type": "text", "text": "a"}]}])
    builder.messages[0]["content"][0]["text"] = "changed"
    assert builder.messages[0]["content"][0]["text"] == "a"


@pytest.mark.parametrize("wrong", [["hello"], [{"content": "no role"}], [{"role": 7}]])
def test_a_value_that_is_not_a_message_is_refused_with_an_example(wrong: list[Any]) -> None:
    with pytest.raises(TypeError, match=r'messages\[0\] .* expected dicts such as \{"role": "user"'):
        MessageBuilder(wrong)


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="imges"):
        MessageBuilder(imges=[])


def test_a_value_set_within_an_observer_counts() -> None:
    builder = MessageBuilder()
    seen: list[int] = []

    def keep_two(change: Any) -> None:
        seen.append(len(change.new))
        if len(change.new) > 2:
            builder.value = change.new[-2:]

    builder.observe(keep_two, "value")
    for text in "abc":
        builder.add(text)
    assert [message["content"] for message in builder.messages] == ["b", "c"]
    assert seen == [1, 2, 3, 2]


def test_the_value_is_observed_once_for_each_change(desk: Desk) -> None:
    seen: list[list[Any]] = []
    desk.builder.observe(lambda change: seen.append([message["content"] for message in change.new]), "value")
    desk.receive("draft", draft={**DRAFT, "text": "d", "role": "system"}, left=False)
    desk.receive("add", draft={**DRAFT, "text": "de"})
    desk.receive("delete", id=desk.id_at(0))
    assert seen == [["a", "b", "c", "d"], ["a", "b", "c", "de"], ["b", "c", "de"]]


# The draft


def test_the_draft_is_the_last_message_while_it_has_content(desk: Desk) -> None:
    assert desk.texts() == ["a", "b", "c"]
    desk.receive("draft", draft={**DRAFT, "text": "d", "role": "developer"}, left=True)
    assert desk.builder.messages[-1] == {"role": "developer", "content": "d"}
    desk.builder.draft = "  "
    assert desk.texts() == ["a", "b", "c"]


def test_a_draft_becomes_a_turn_and_its_fields_are_emptied(desk: Desk) -> None:
    desk.builder.attach(two_halves(), name="two.png")
    [card] = desk.builder.attachments
    desk.receive("add", draft={**DRAFT, "text": "What is this?", "ids": [card["id"]]})
    assert [part["type"] for part in desk.builder.messages[-1]["content"]] == ["text", "image_url"]
    assert (desk.builder.draft, desk.builder.attachments, len(desk.builder.turns)) == ("", [], 4)
    assert desk.builder.turns[-1]["parts"][1]["name"] == "two.png"


def test_an_empty_draft_does_not_become_a_turn(desk: Desk) -> None:
    assert not desk.builder.take_draft()
    assert desk.builder.take_draft({**DRAFT, "text": "d"})
    assert desk.texts() == ["a", "b", "c", "d"]


def test_parts_of_a_draft_stand_in_the_order_of_the_page(desk: Desk) -> None:
    desk.builder.attach(two_halves())
    [image] = desk.builder.attachments
    draft = {**DRAFT, "text": "first", "ids": ["t1", image["id"], "t2"], "texts": {"t1": "second", "t2": ""}}
    desk.receive("draft", draft=draft, left=False)
    kinds = [part.get("text", part["type"]) for part in desk.builder.messages[-1]["content"]]
    assert kinds == ["first", "second", "image_url"]


def test_a_file_that_the_page_does_not_know_yet_stays_in_the_draft(desk: Desk) -> None:
    desk.builder.attach(two_halves(), name="one.png")
    desk.builder.attach(two_halves(), name="two.png")
    one, two = (card["id"] for card in desk.builder.attachments)
    desk.receive("draft", draft={**DRAFT, "text": "typed meanwhile", "ids": [one]}, left=False)
    assert [card["id"] for card in desk.builder.attachments] == [one, two]
    desk.receive("draft", draft={**DRAFT, "ids": [two]}, left=False)
    assert [card["id"] for card in desk.builder.attachments] == [two, one]
    desk.receive("remove", ids=[two])
    desk.receive("add", draft={**DRAFT, "ids": []})
    assert [part["name"] for part in desk.builder.turns[-1]["parts"]] == ["one.png"]


def test_a_file_that_is_read_while_the_draft_becomes_a_turn_is_of_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder, add = desk.builder, desk.builder._deck.add
    builder.draft = "hi"
    builder.tray.keep_place("late")

    def added(*args: Any) -> None:
        assert builder.tray.put(attachment("late", {"type": "text", "text": "later"}))
        add(*args)

    monkeypatch.setattr(builder._deck, "add", added)
    assert builder.take_draft()
    builder._took()
    assert desk.texts()[3:] == ["hi", [{"type": "text", "text": "later"}]]
    assert [card["id"] for card in builder.attachments] == ["late"]


def test_a_page_is_told_the_files_only_if_it_has_others(desk: Desk) -> None:
    for name in ("one.png", "two.png"):
        desk.builder.attach(two_halves(), name=name)
    one, two = (card["id"] for card in desk.builder.attachments)
    told: list[Any] = []
    desk.builder.send_state = lambda key=None: told.append(key)
    desk.receive("draft", draft={**DRAFT, "ids": [two, one]}, left=False)
    assert "attachments" not in told
    desk.receive("draft", draft={**DRAFT, "ids": [one]}, left=False)
    assert "attachments" in told
    assert [card["id"] for card in desk.builder.attachments] == [one, two]


def test_setting_messages_replaces_the_draft_too() -> None:
    builder = MessageBuilder()
    builder.draft = "half a"
    builder.attach(two_halves())
    builder.messages = [{"role": "user", "content": "a"}]
    assert builder.messages == [{"role": "user", "content": "a"}]
    assert (builder.draft, builder.attachments) == ("", [])


def test_a_result_of_a_tool_answers_the_first_open_call() -> None:
    desk = Desk([{"role": "assistant", "content": None, "tool_calls": [CALL]}])
    desk.receive("add", draft={**DRAFT, "text": "21", "role": "tool"})
    assert desk.builder.messages[-1] == {"role": "tool", "tool_call_id": "call_1", "content": "21"}
    desk.receive("add", draft={**DRAFT, "text": "22", "role": "tool"})
    assert desk.of("problem")[0]["name"] == "ToolCallError"
    desk.receive("add", draft={**DRAFT, "text": "22", "role": "tool", "call": "call_x"})
    assert desk.builder.messages[-1]["tool_call_id"] == "call_x"


# Hands


def test_turns_are_edited_moved_doubled_and_taken_out(desk: Desk) -> None:
    desk.receive("edit", id=desk.id_at(1), role="assistant", parts=[{"key": "content", "text": "B"}])
    assert desk.builder.messages[1] == {"role": "assistant", "content": "B"}
    desk.receive("move", id=desk.id_at(0), to=2)
    assert desk.texts() == ["B", "c", "a"]
    desk.receive("duplicate", id=desk.id_at(0))
    assert desk.texts() == ["B", "B", "c", "a"]
    desk.receive("delete", id=desk.id_at(2))
    assert desk.texts() == ["B", "B", "a"]
    for before in (["B", "B", "c", "a"], ["B", "c", "a"], ["a", "B", "c"], ["a", "b", "c"]):
        desk.receive("undo")
        assert desk.texts() == before
    assert not desk.builder.undoable


def test_an_edit_is_a_version_and_the_one_before_can_be_chosen(desk: Desk) -> None:
    desk.receive("edit", id=desk.id_at(1), role="user", parts=[{"key": "content", "text": "B"}])
    assert desk.builder.turns[1]["siblings"] == [1, 2]
    desk.receive("choose", id=desk.id_at(1), sibling=0)
    assert desk.texts() == ["a", "b", "c"]
    assert desk.builder.turns[1]["siblings"] == [0, 2]


def test_an_edit_that_changes_nothing_makes_no_version(desk: Desk) -> None:
    desk.receive("edit", id=desk.id_at(1), role="user", parts=[{"key": "content", "text": "b"}])
    assert desk.builder.turns[1]["siblings"] == [0, 1]
    assert not desk.builder.undoable


def test_a_new_conversation_can_be_taken_back(desk: Desk) -> None:
    desk.receive("clear")
    assert desk.texts() == []
    desk.receive("undo")
    assert desk.texts() == ["a", "b", "c"]


def test_a_turn_that_is_gone_is_an_error_that_is_shown() -> None:
    desk = Desk([{"role": "user", "content": "a"}])
    desk.receive("delete", id="0")
    assert desk.of("problem")[0]["message"] == "that turn is not shown any more; nothing was changed"


# Messages to the page


def test_only_the_turns_from_the_first_change_on_are_sent(desk: Desk) -> None:
    desk.builder.add("d")
    desk.receive("edit", id=desk.id_at(2), role="user", parts=[{"key": "content", "text": "C"}])
    told = desk.of("turns")
    assert [(message["number"], message["from"], len(message["turns"])) for message in told] == [(1, 3, 1), (2, 2, 2)]
    assert desk.builder.told == 2


def test_a_turn_that_the_page_has_is_sent_by_its_id_only(desk: Desk) -> None:
    first, second, third = before = [desk.id_at(position) for position in range(3)]
    desk.receive("move", id=first, to=2)
    desk.receive("undo")
    desk.receive("duplicate", id=third)
    moved, undone, doubled = (message["turns"] for message in desk.of("turns"))
    assert [turn["as"] for turn in moved] == [second, third, first]
    assert [turn["as"] for turn in undone] == [turn["id"] for turn in (moved[2], moved[0], moved[1])]
    assert [turn["id"] for turn in undone] == before
    assert [turn["as"] for turn in doubled] == [third]
    assert desk.texts() == ["a", "b", "c", "c"]
    desk.receive("edit", id=doubled[0]["id"], role="user", parts=[{"text": "C"}])
    assert "as" not in desk.of("turns")[-1]["turns"][0]


def test_a_turn_is_drawn_and_counted_once_wherever_it_goes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    work: list[str] = []
    for name in ("markdown_html", "formatted_html", "text_tokens"):
        done = getattr(turn_cards, name)
        monkeypatch.setattr(turn_cards, name, lambda *given, done=done: work.append(given[0]) or done(*given))
    desk.builder.messages = [{"role": "assistant", "content": "**Hello** {{who}}"}, {"role": "user", "content": "Hi"}]
    assert sorted(work) == ["**Hello** {{who}}", "Hi"]
    work.clear()
    desk.receive("draft", draft={**DRAFT, "text": "Well"}, left=True)
    desk.receive("move", id=desk.id_at(0), to=1)
    desk.receive("duplicate", id=desk.id_at(0))
    desk.receive("undo")
    assert work == []
    desk.receive("variable", name="who", value="Ada")
    desk.receive("variable", name="other", value="Bob")
    desk.receive("draft", draft={**DRAFT, "text": "Well?"}, left=True)
    assert work == ["**Hello** Ada"]


def test_another_model_draws_only_turns_with_files_again(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{base64.b64encode(to_bytes(two_halves())).decode()}"},
    }
    builder = MessageBuilder([{"role": "user", "content": "a"}, {"role": "user", "content": [picture]}])
    made: list[Any] = []
    for name in ("part_card", "markdown_html"):
        done = getattr(turn_cards, name)
        monkeypatch.setattr(
            turn_cards, name, lambda *given, done=done, **more: made.append(given[0]) or done(*given, **more)
        )
    builder.model = "openai/gpt-4o"
    assert made == [picture]
    assert builder.turns[1]["parts"][0]["tokens"] == 255
    made.clear()
    model = mf.Model.chat_completion("openai/gpt-4o", temperature=0.5)
    builder.model = model
    assert made == []


def test_a_page_gets_the_beginning_of_a_text_that_it_could_not_send_and_everything_else_is_kept() -> None:
    text = "a *b* " * 50_000
    desk = Desk([{"role": role, "content": text} for role in ("user", "assistant")])
    for card in desk.builder.turns:
        [part] = card["parts"]
        assert part["text"] == f"{text[:200_000]}… 100,000 more characters"
        assert (part["left"], part["tokens"]) == (100_000, 75_000)
        assert len("".join(part.get("html", ""))) < 1_000_000
    desk.receive("edit", id=desk.id_at(0), role="system", parts=[{"key": "content"}, {"text": "more"}])
    assert [part["text"] for part in desk.builder.messages[0]["content"]] == [text, "more"]


def test_the_saved_notebook_keeps_the_last_turns_and_the_beginning_of_each_text() -> None:
    text = "a b " * 75_000
    builder = MessageBuilder([{"role": ("user", "assistant")[number % 2], "content": text} for number in range(20)])
    for drawn in builder._drawn():
        assert "the first 15 of 20 turns are not kept here" in drawn
        assert drawn.count("… 250,000 more characters") == 5
        assert len(drawn) < 400_000
    blocks = "A *word*.\n\n" * 20_000
    html, plain = MessageBuilder([{"role": "assistant", "content": blocks}])._drawn()
    assert "<em>word</em>" in html
    assert "the rest of 220,000 characters is not kept here" in html
    assert "… 170,000 more characters" in plain
    short = MessageBuilder([{"role": "user", "content": "a"}, {"role": "assistant", "content": "*b*"}])
    assert "kept here" not in "".join(short._drawn())


def test_a_page_that_missed_something_gets_everything(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(desk.builder, "send_state", told.append)
    desk.receive("resync")
    assert told == [["turns", "told"]]


def test_the_page_that_wrote_a_draft_gets_what_an_observer_made_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder, told = desk.builder, []
    monkeypatch.setattr(builder, "send_state", lambda key=None: told.append((key, builder.draft)))
    builder.observe(lambda change: builder.set_trait("draft", change.new.upper()), "draft")
    desk.receive("draft", draft={**DRAFT, "text": "hi"}, left=False)
    assert [draft for key, draft in told if key == "draft"] == ["HI"]


def test_turns_are_never_sent_as_a_trait(desk: Desk) -> None:
    sent: list[str] = []
    desk.builder._send = lambda message, **_: sent.append(json.dumps(message))  # what goes over the comm
    desk.builder.add("a very long text")
    assert "a very long text" not in "".join(sent)


def test_an_answer_that_was_watched_is_not_sent_again(desk: Desk) -> None:
    answer = {"role": "assistant", "content": "Well, yes.", "_msgflux": {"provider": "p", "model": "m"}}
    card = desk.builder.settle(answer, prefill="Well, ")
    assert desk.sent == []
    assert "yes" not in json.dumps(card)
    assert (card["position"], card["number"], card["note"]) == (3, 1, "p/m")
    assert card["parts"] == [{"key": "content", "kind": "text", "text": None, "tokens": 3, "prefill": 6, "code": False}]
    assert desk.builder.turns[3]["parts"][0]["text"] == "Well, yes."
    assert desk.builder.messages[-1] == answer


def test_after_an_answer_the_next_change_is_sent_from_the_turn_after_it(desk: Desk) -> None:
    desk.builder.settle({"role": "assistant", "content": "x"})
    desk.builder.add("d")
    assert [(message["number"], message["from"]) for message in desk.of("turns")] == [(2, 4)]


def test_a_parent_may_change_the_history_itself(desk: Desk) -> None:
    desk.builder.history.cut(1)
    desk.builder.changed()
    assert desk.of("turns") == [{"type": "turns", "number": 1, "from": 1, "turns": []}]
    assert [message["content"] for message in desk.builder.value] == ["a"]


# Files


def test_a_file_arrives_in_pieces_and_is_a_part_of_the_draft(desk: Desk) -> None:
    data = to_bytes(two_halves((400, 300)))
    desk.upload(data, "two halves.png", pieces=3)
    [card] = desk.until(lambda: desk.builder.attachments)
    assert (card["id"], card["kind"], card["name"]) == ("p1", "image", "two halves.png")
    assert desk.builder.messages[-1]["content"] == [mf.ChatBlock.image(data)]


def test_files_keep_the_order_in_which_they_came(desk: Desk) -> None:
    large = to_bytes(two_halves((3000, 2000)))
    desk.upload(large, "large.png", id_="p1")
    desk.upload(to_bytes(two_halves()), "small.png", id_="p2")
    desk.upload(tone(0.1), "tone.wav", id_="p3")
    desk.until(lambda: len(desk.builder.attachments) == 3)
    assert [card["name"] for card in desk.builder.attachments] == ["large.png", "small.png", "tone.wav"]
    assert desk.builder.attachments[0]["before"].startswith("3,000 × 2,000 px, ")


def test_a_refused_file_says_why_by_its_name(desk: Desk) -> None:
    desk.upload(b"<svg/>", "<b>drawing</b>.png")
    [refused] = desk.until(lambda: desk.of("refused"))
    assert refused["id"] == "p1"
    assert refused["message"].startswith("<b>drawing</b>.png is SVG")
    assert desk.builder.attachments == []


def test_a_file_for_a_turn_that_is_edited_is_sent_to_the_page_only(desk: Desk) -> None:
    desk.upload(to_bytes(two_halves()), "two.png", loose=True)
    [attached] = desk.until(lambda: desk.of("attached"))
    assert attached["card"]["name"] == "two.png"
    assert desk.builder.attachments == []
    edit = [{"key": "content"}, {"attachment": "p1"}]
    desk.receive("edit", id=desk.id_at(0), role="user", parts=edit)
    assert [part["type"] for part in desk.builder.messages[0]["content"]] == ["text", "image_url"]
    assert desk.builder.turns[0]["parts"][1]["name"] == "two.png"
    assert desk.builder.tray.loose == {}


def test_an_address_is_passed_on_and_an_address_of_a_private_place_refused(desk: Desk) -> None:
    desk.receive("address", id="u1", url=" https://example.com/a.png ", loose=False)
    [card] = desk.until(lambda: desk.builder.attachments)
    assert (card["kind"], card["text"]) == ("address", "https://example.com/a.png")
    assert desk.builder.messages[-1]["content"] == [mf.ChatBlock.image("https://example.com/a.png")]
    for number, url in enumerate(["http://10.0.0.1/x", "file:///etc/passwd", "/etc/passwd", "photo.png"]):
        desk.receive("address", id=f"w{number}", url=url, loose=False)
    assert len(desk.until(lambda: len(desk.of("refused")) == 4 and desk.of("refused"))) == 4


def test_variables_of_the_notebook_are_listed_and_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = {"photo": two_halves(), "grid": np.zeros((16, 16, 3), np.uint8), "_hidden": two_halves(), "n": 3}
    namespace["made"] = Image("https://example.com/a.png")
    monkeypatch.setattr("msgflux_nb.widgets.conversation.intake.notebook_namespace", lambda: namespace)
    desk.receive("pictures")
    [listed] = desk.of("pictures")
    assert listed["items"] == [
        {"name": "made", "kind": "image", "detail": "made by a model"},
        {"name": "grid", "kind": "array", "detail": "16 × 16 px, uint8"},
        {"name": "photo", "kind": "image", "detail": "40 × 20 px, RGB"},
    ]
    desk.receive("pick", id="v1", name="photo", loose=False)
    [card] = desk.until(lambda: desk.builder.attachments)
    assert (card["name"], card["kind"]) == ("photo", "image")
    desk.receive("pick", id="v2", name="gone", loose=False)
    assert "no variable 'gone'" in desk.until(lambda: desk.of("refused"))[0]["message"]


def test_no_pixels_are_in_the_widgets_state_and_thumbnails_come_when_asked(desk: Desk) -> None:
    desk.builder.attach(to_bytes(two_halves((800, 400))), name="a.png")
    desk.builder.take_draft()
    desk.builder.attach(to_bytes(two_halves((80, 40))), name="b.png")
    state = {name: value for name, value in desk.builder.get_state().items() if name not in ("_esm", "_css")}
    assert len(json.dumps(state, default=str)) < 4_000
    digests = [desk.builder.turns[3]["parts"][0]["media"], desk.builder.attachments[0]["media"]]
    desk.receive("thumbnails", media=[*digests, "unknown"])
    desk.until(lambda: len(desk.of("thumbnail")) == 3)
    assert [message["media"] for message in desk.of("thumbnail")] == [*digests, "unknown"]
    pixels = [
        buffers for message, buffers in zip(desk.sent, desk.buffers, strict=True) if message["type"] == "thumbnail"
    ]
    assert [bool(found) and found[0][:4] == b"\x89PNG" for found in pixels] == [True, True, False]


def test_a_sound_is_sent_to_who_wants_to_listen(desk: Desk) -> None:
    data = tone(0.1)
    desk.builder.attach(data, name="a.wav")
    desk.receive("sound", media=desk.builder.attachments[0]["media"])
    assert desk.buffers[-1] == [data]


def test_removed_files_are_gone(desk: Desk) -> None:
    desk.builder.attach(two_halves())
    desk.receive("remove", ids=[desk.builder.attachments[0]["id"]])
    assert desk.builder.attachments == []
    assert desk.texts() == ["a", "b", "c"]


# The model


def blind() -> Any:
    return mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1", profile={"modalities": ["text"]})


def test_a_warning_says_that_a_text_model_takes_no_image_in_the_draft_or_a_turn(desk: Desk) -> None:
    desk.builder.model = blind()
    desk.builder.attach(two_halves())
    assert "takes text only, and this message holds an image" in desk.builder.warning
    assert "sent" not in desk.builder.warning  # nothing was asked for yet
    desk.builder.take_draft()
    desk.receive("move", id=desk.id_at(3), to=1)
    assert "takes text only, and turn 2 holds an image" in desk.builder.warning
    desk.builder.undo()
    desk.builder.undo()
    assert desk.builder.warning == ""
    desk.builder.undo()


def test_a_model_counts_tokens_by_its_own_rule(desk: Desk) -> None:
    desk.builder.attach(two_halves((1024, 1024)))
    assert desk.builder.estimate == {"tokens": 3, "draft": 0, "unknown": 1, "rule": ""}
    desk.builder.model = "openai/gpt-4o"
    assert desk.builder.estimate == {"tokens": 768, "draft": 765, "unknown": 0, "rule": "tiles of 512 × 512 px"}
    assert desk.builder.attachments[0]["tokens"] == 765
    desk.builder.model = None
    assert desk.builder.attachments[0]["tokens"] is None


def test_a_value_that_is_not_a_model_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a model or its name"):
        MessageBuilder(model=7)


# Variables


def test_names_are_filled_in_any_text_and_stay_without_a_value() -> None:
    turns = [
        {"role": "system", "content": "You are {{role}}."},
        {"role": "user", "content": [{"type": "text", "text": "Hi {{ name }} and {{name}}, {{other}}"}]},
    ]
    builder = MessageBuilder(turns, variables={"role": "a bard", "name": "{{role}}"})
    assert builder.messages[0]["content"] == "You are a bard."
    assert builder.messages[1]["content"][0]["text"] == "Hi {{role}} and {{role}}, {{other}}"
    assert builder.unfilled == ["other"]
    assert builder.history.messages == turns
    builder.variables = {"role": 7}
    assert builder.messages[0]["content"] == "You are 7."
    assert builder.unfilled == ["name", "other"]


def test_a_field_of_the_form_fills_the_draft_too(desk: Desk) -> None:
    desk.receive("draft", draft={**DRAFT, "text": "Hello {{who}}"}, left=False)
    assert desk.builder.unfilled == ["who"]
    desk.receive("variable", name="who", value="Ada")
    assert desk.texts()[-1] == "Hello Ada"
    desk.builder.take_draft()
    desk.receive("variable", name="who", value="Bob")
    assert desk.texts()[-1] == "Hello Bob"
    desk.receive("variable", name="who", value="")
    assert (desk.texts()[-1], desk.builder.variables) == ("Hello {{who}}", {})


def test_a_name_that_a_model_wrote_asks_for_no_value() -> None:
    builder = MessageBuilder([{"role": "assistant", "content": "Use {{ user }} in a template."}])
    assert builder.unfilled == []
    builder.variables = {"user": "Ada"}  # but who fills it has it filled, in an example for instance
    assert builder.messages[0]["content"] == "Use Ada in a template."


# What a saved notebook keeps


def test_the_twin_escapes_and_says_the_same_for_the_same() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    turns = [
        *EVERYTHING,
        {"role": hostile, "content": hostile, "name": hostile},
        {"role": "assistant", "content": hostile},
    ]
    one, other = (MessageBuilder(turns)._drawn() for _ in range(2))
    assert one == other
    assert "<img" not in one[0]
    assert "&lt;img" in one[0]
    assert "get_weather" in one[0]
    assert f"{hostile}: {hostile}" in one[1]


def test_the_twin_of_nothing_says_so() -> None:
    assert MessageBuilder()._drawn()[1] == "MessageBuilder: no messages yet"


def test_a_widget_prints_as_one_line(desk: Desk) -> None:
    assert repr(desk.builder) == "MessageBuilder(3 turns)"
    assert repr(MessageBuilder()) == "MessageBuilder(0 turns)"


def test_values_that_make_a_text_too_long_are_refused_before_it_is_made() -> None:
    builder = mf.MessageBuilder()
    builder.variables = {"a": "b" * 100_000}
    builder.draft = "{{a}}" * 99
    assert len(builder.messages[0]["content"]) == 9_900_000
    with pytest.raises(
        ValueError, match=r"a text has 20,001,000 characters, and at most 10,000,000 can be sent\. Shorten a"
    ):
        builder.draft = "{{a}}" * 200
    with pytest.raises(ValueError, match="can be sent"):
        _ = builder.messages
    builder.variables = {"a": "b"}
    assert builder.messages == [{"role": "user", "content": "b" * 200}]
