"""The picker of the type that an answer is decoded to, without a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.models import server_quirks
from msgflux_nb.widgets.schema import schema_picker as module
from msgflux_nb.widgets.schema.schema_picker import SchemaPicker

PLANS = ["ChainOfThoughts", "ReAct", "SelfConsistency", "TreeOfThoughts"]
HOSTILE = "<img src=x onerror=alert(1)>"
CAT = {"name": "Cat", "fields": [{"name": "name", "kind": "str"}, {"name": "lives", "kind": "int", "least": "0"}]}

Open = Callable[..., SchemaPicker]


class Person(msgspec.Struct):
    """A person."""

    name: Annotated[str, Meta(max_length=40, description="the full name")]
    age: int = 0


class Place(msgspec.Struct):
    city: str


class Wordless(msgspec.Struct):
    """A type without a JSON form, whose fields can still be read."""

    part: msgspec.msgpack.Ext


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a notebook."""
    names: dict[str, Any] = {}
    monkeypatch.setattr(server_quirks, "_known", {})
    monkeypatch.setattr(module, "notebook_namespace", lambda: names)
    return names


@pytest.fixture
def open_picker(notebook: dict[str, Any]) -> Iterator[Open]:
    opened: list[SchemaPicker] = []

    def open_(**keywords: Any) -> SchemaPicker:
        picker = SchemaPicker(mf.Model.chat_completion("openai/gpt-4.1", api_key="k"), **keywords)
        picker.told = []
        picker.send = lambda content, buffers=None: picker.told.append(content)
        opened.append(picker)
        return picker

    yield open_
    for picker in opened:
        picker.close()


def receive(picker: SchemaPicker, kind: str, **content: Any) -> None:
    """Deliver a message of the page, as ipywidgets does."""
    picker._receive(picker, {"type": kind, **content}, [])


def names(picker: SchemaPicker, group: str | None = None) -> list[str]:
    return [name for name, of in picker.offered if group in (None, of)]


# Picking


def test_nothing_is_picked_at_first(open_picker: Open) -> None:
    picker = open_picker()
    assert (picker.value, picker.schema, picker.described) == (None, "", {})
    assert names(picker) == PLANS
    assert repr(picker) == "SchemaPicker(text)"


def test_the_name_picks_the_type_and_the_type_the_name(open_picker: Open) -> None:
    picker = open_picker(schemas=[Person, Place])
    seen: list[Any] = []
    picker.observe(lambda change: seen.append(change["new"]), "value")
    picker.schema = "Place"
    assert picker.value is Place
    picker.value = Person
    assert picker.schema == "Person"
    picker.value = None
    assert picker.schema == ""
    picker.schema = "ChainOfThoughts"
    assert seen == [Place, Person, None, ChainOfThoughts]
    assert repr(picker) == "SchemaPicker(ChainOfThoughts)"


def test_an_unknown_name_lists_those_there_are(open_picker: Open) -> None:
    picker = open_picker(schemas={"A number": int})
    with pytest.raises(ValueError, match=r"no schema 'Nope'; there are: A number, ChainOfThoughts, .*; or '' for text"):
        picker.schema = "Nope"
    assert picker.schema == ""


def test_a_type_that_was_not_offered_is_from_then_on(open_picker: Open) -> None:
    picker = open_picker(value=list[int])
    assert (picker.schema, names(picker, "given")) == ("list[int]", ["list[int]"])
    picker.schema = ""
    picker.refresh()
    picker.schema = "list[int]"
    assert picker.value == list[int]


def test_a_value_that_is_offered_keeps_its_name(open_picker: Open, notebook: dict[str, Any]) -> None:
    notebook["Human"] = Person
    assert open_picker(value=Person).schema == "Human"


def test_a_struct_of_the_notebook_is_found_when_somebody_is_about_to_pick(
    open_picker: Open, notebook: dict[str, Any]
) -> None:
    picker = open_picker()
    notebook["Person"] = Person
    assert names(picker, "notebook") == []
    receive(picker, "offers")
    assert names(picker, "notebook") == ["Person"]


def test_a_name_of_the_notebook_can_be_set_without_looking_first(open_picker: Open, notebook: dict[str, Any]) -> None:
    picker = open_picker()
    notebook["Person"] = Person
    picker.schema = "Person"
    assert picker.value is Person


def test_a_class_that_is_defined_again_takes_the_place_of_the_old_one(
    open_picker: Open, notebook: dict[str, Any]
) -> None:
    notebook["Person"] = Person
    picker = open_picker()
    picker.schema = "Person"
    notebook["Person"] = newer = msgspec.defstruct("Person", [("nickname", str)])
    picker.refresh()
    assert picker.value is newer
    assert picker.schema == "Person"
    assert [field["path"] for field in picker.described["fields"]] == ["nickname"]


def test_what_is_picked_stays_when_its_name_is_gone(open_picker: Open, notebook: dict[str, Any]) -> None:
    notebook["Person"] = Person
    picker = open_picker()
    picker.schema = "Person"
    del notebook["Person"]
    picker.refresh()
    assert (picker.schema, picker.value) == ("Person", Person)
    picker.schema = ""
    picker.refresh()
    assert "Person" not in names(picker)


def test_the_page_picks_by_its_trait(open_picker: Open) -> None:
    picker = open_picker(schemas=[Person])
    picker.set_state({"schema": "Person"})
    assert picker.value is Person


# What is said of it


def test_the_fields_and_the_way_of_asking_are_sent(open_picker: Open) -> None:
    told = open_picker(value=Person).described
    assert told["doc"] == "A person."
    assert [(field["path"], field["type"]) for field in told["fields"]] == [("name", "str"), ("age", "int")]
    assert told["fields"][0]["unenforced"] == "at most 40 characters"
    assert told["way"].startswith("openai/gpt-4.1 is held to this by its server")
    assert (told["left"], told["wrapped"], "error" in told) == (0, False, False)


def test_another_model_or_further_keywords_change_the_description(open_picker: Open) -> None:
    picker = open_picker(value=Person)
    picker.model = mf.Model.chat_completion("groq/llama-3.3-70b-versatile", api_key="k")
    assert picker.model_name == "groq/llama-3.3-70b-versatile"
    assert "tool call" in picker.described["way"]
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    picker.beside = {"tool_schemas": [tool]}
    assert "is asked for this in words" in picker.described["way"]


def test_a_broken_type_shows_its_error(open_picker: Open) -> None:
    picker = open_picker(value=Wordless)
    name, message = picker.described["error"]
    assert name == "SchemaError"
    assert message.startswith("$.part: ExtType has no JSON form")
    assert [field["path"] for field in picker.described["fields"]] == ["part"]


def test_a_type_that_cannot_be_read_shows_its_error_and_no_fields(open_picker: Open) -> None:
    class Broken(msgspec.Struct):
        part: NotDefined  # type: ignore[name-defined]  # noqa: F821  the mistake that is tested

    picker = open_picker(value=Broken)
    assert picker.described["error"][0] == "SchemaError"
    assert picker.described["fields"] == []


def test_the_texts_that_are_sent_come_when_the_page_asks(open_picker: Open) -> None:
    picker = open_picker(value=Person)
    assert "json_schema" not in json.dumps(picker.described)
    receive(picker, "details")
    [told] = picker.told
    assert (told["type"], told["schema"]) == ("details", "Person")
    sent = json.loads(dict(told["parts"])["response_format"])
    assert sent["json_schema"]["schema"] == wire_schema(Person).schema


def test_of_a_broken_type_the_page_gets_the_error_instead(open_picker: Open) -> None:
    picker = open_picker(value=Wordless)
    receive(picker, "details")
    assert [(told["type"], told["name"]) for told in picker.told] == [("problem", "SchemaError")]


def test_a_text_answer_has_no_details(open_picker: Open) -> None:
    picker = open_picker()
    receive(picker, "details")
    assert picker.told == [{"type": "details", "schema": "", "parts": ()}]


# Building one


def test_a_form_is_written_as_code_or_its_problems_are_listed(open_picker: Open) -> None:
    picker = open_picker()
    assert picker.code == ""
    assert picker.problems[0] == ["name", "Give the Struct a name."]
    picker.form = CAT
    assert picker.code.endswith("    name: str\n    lives: Annotated[int, msgspec.Meta(ge=0)]\n")
    assert (picker.problems, picker.written) == ([], CAT)
    picker.form = {**CAT, "name": "class"}
    assert picker.code == ""
    assert picker.problems[0][0] == "name"


def test_a_form_of_a_wrong_shape_is_a_problem(open_picker: Open) -> None:
    picker = open_picker()
    picker.form = {"name": 3, "fields": [{"kind": "code"}]}
    assert picker.code == ""
    assert picker.problems[0][0] == "fields"


def test_using_a_form_builds_offers_and_picks_its_struct(open_picker: Open) -> None:
    picker = open_picker(schemas=[Person])
    receive(picker, "use", form=CAT)
    assert (picker.schema, names(picker, "built")) == ("Cat", ["Cat"])
    assert picker.value("Tom", 9).lives == 9
    assert msgspec.json.decode(b'{"name": "Tom", "lives": 9}', type=picker.value).name == "Tom"


def test_what_is_built_is_what_the_code_says(open_picker: Open) -> None:
    picker = open_picker()
    picker.form = CAT
    type_ = picker.build()
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(picker.code, "cell", "exec", dont_inherit=True), space)
    assert wire_schema(space["Cat"]).schema == wire_schema(type_).schema


def test_a_form_that_does_not_make_a_struct_builds_nothing_and_says_why(open_picker: Open) -> None:
    picker = open_picker()
    receive(picker, "use", form={**CAT, "name": "import"})
    assert picker.told[-1]["type"] == "problem"
    assert "import is a keyword of Python" in picker.told[-1]["message"]
    assert (picker.schema, names(picker, "built")) == ("", [])
    with pytest.raises(ValueError, match="import is a keyword"):
        picker.build()


def test_the_notebooks_own_class_follows_the_built_one(open_picker: Open, notebook: dict[str, Any]) -> None:
    picker = open_picker()
    receive(picker, "use", form=CAT)
    exec(compile(picker.code, "cell", "exec", dont_inherit=True), notebook)  # the code was run in a cell
    picker.refresh()
    assert picker.value is notebook["Cat"]
    assert (names(picker, "built"), names(picker, "notebook")) == ([], ["Cat"])


def test_a_built_one_may_have_a_name_of_the_notebooks(open_picker: Open, notebook: dict[str, Any]) -> None:
    notebook["Cat"] = Place
    picker = open_picker()
    receive(picker, "use", form=CAT)
    assert picker.value.__struct_fields__ == ("name", "lives")
    picker.refresh()
    assert (picker.value.__struct_fields__, names(picker, "built")) == (("name", "lives"), ["Cat"])


def test_built_again_under_one_name_the_newest_counts(open_picker: Open) -> None:
    picker = open_picker()
    receive(picker, "use", form=CAT)
    receive(picker, "use", form={**CAT, "fields": CAT["fields"][:1]})
    assert picker.value.__struct_fields__ == ("name",)
    assert names(picker, "built") == ["Cat"]


# The twin, and the rest


def test_the_twin_lists_fields_and_is_the_same_for_the_same(open_picker: Open) -> None:
    drawn, text = open_picker(value=Person)._drawn()
    assert text.splitlines()[:4] == [
        "schema · Person",
        "name · str · at most 40 characters; checked after: at most 40 characters · required · the full name",
        "age · int · 0",
        "A person.",
    ]
    assert "<table>" in drawn
    assert open_picker(value=Person)._drawn() == (drawn, text)


def test_the_twin_of_text_is_one_line(open_picker: Open) -> None:
    assert open_picker()._drawn()[1] == "schema · text"


def test_the_twin_escapes_whatever_it_is_told(open_picker: Open) -> None:
    bad = msgspec.defstruct(
        "Bad",
        [("a", Annotated[str, Meta(description=HOSTILE, pattern=HOSTILE)], HOSTILE)],
        namespace={"__doc__": HOSTILE},
    )
    picker = open_picker(schemas={HOSTILE: bad})
    picker.schema = HOSTILE
    drawn, text = picker._drawn()
    assert "<img" not in drawn
    assert text.count(HOSTILE) >= 4


def test_the_model_is_the_embedded_one_unless_it_is_given(notebook: dict[str, Any]) -> None:
    picker = SchemaPicker()
    assert picker.model_name.startswith("local/")
    picker.close()
    with pytest.raises(TypeError, match="SchemaPicker: expected a model or its name, got int"):
        SchemaPicker(3)


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="schema"):
        SchemaPicker(schema="x")  # type: ignore[call-arg]
