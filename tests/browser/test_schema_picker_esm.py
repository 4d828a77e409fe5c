"""The page of the schema picker, in Chromium without a kernel."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta
from playwright.sync_api import Locator, Page, expect

import msgflux_nb as mf
from msgflux_nb.display.structure import rows
from msgflux_nb.generation.plan import ChainOfThoughts, Step
from msgflux_nb.widgets.schema.schema_picker import SchemaPicker

from .test_playground_esm import counting, dangerous
from .test_prefill_editor_esm import state_of
from .widget_page import Hear, WidgetPage, until

pytestmark = pytest.mark.browser

Open = Callable[..., WidgetPage]


class Address(msgspec.Struct):
    """Where somebody lives.

    Attributes:
        city: the town
    """

    city: Annotated[str, Meta(max_length=40)]
    zip_code: str | None = None


class Person(msgspec.Struct):
    """A person that a text speaks of."""

    name: Annotated[str, Meta(description="the full name")]
    age: Annotated[int, Meta(ge=0, le=150)]
    home: Address
    former: list[Address] = []
    by_year: dict[str, Address] = {}
    kind: Literal["friend", "stranger"] = "stranger"


def seen(value: Any = None, **form: Any) -> dict[str, Any]:
    """Return the state of a real picker."""
    model = mf.Model.chat_completion("openai/gpt-4.1", api_key="k")
    with closing(SchemaPicker(model, schemas=[Person, Address, list[int]], value=value)) as picker:
        if form:
            picker.form = form
        return state_of(picker)


@pytest.fixture
def open_picker(page: Page) -> Iterator[Open]:
    """Open a picker; its code must not raise."""
    opened: list[WidgetPage] = []

    def open_(value: Any = None, **form: Any) -> WidgetPage:
        opened.append(WidgetPage(page, SchemaPicker, seen(value, **form)))
        return opened[-1]

    yield open_
    assert opened[-1].errors() == []


MARKED = json.dumps(".mf-type [role=img]")


def table(widget: WidgetPage, kind: str = "values") -> list[list[str]]:
    """Return the cells of a table."""
    widget.settle()
    cells: list[list[str]] = widget.page.locator(f".mf-{kind} tbody tr").evaluate_all(
        f"(all) => all.map((row) => [...row.children].map((cell) => [...cell.querySelectorAll({MARKED})]"
        ".map((mark) => mark.title).concat(cell.innerText.trim()).join(' ')))"
    )
    return cells


def show(widget: WidgetPage, text: str, **more: Any) -> None:
    widget.page.evaluate("(progress) => widgetExports.show(progress)", {"text": text, **more})


# Picking


def picked(page: Page, name: str) -> None:
    """Pick the type that the answer is decoded to, by the menu."""
    page.get_by_role("button", name="answer as").first.click()
    page.get_by_role("menuitemradio", name=name).click()


def pick_kind(build: Locator, number: int, name: str) -> None:
    """Pick the type of a field of the form."""
    build.get_by_role("button", name=f"type, field {number}").click()
    build.get_by_role("menuitemradio", name=name, exact=True).click()


def folded(page: Page, name: str) -> None:
    """Pick an entry of the picker's own menu."""
    page.get_by_role("button", name="more: limits").first.click()
    page.get_by_role("menu").get_by_text(name, exact=True).click()


def test_the_menu_offers_groups_and_picks_by_trait(open_picker: Open) -> None:
    widget = open_picker()
    menu = widget.page.get_by_role("button", name="answer as")
    expect(menu).to_have_text("answer astext")
    menu.click()
    expect(widget.page.locator(".mf-menu .mf-role")).to_have_text(["answer as", "plans"])
    widget.page.get_by_role("menuitemradio", name="Person").click()
    assert widget.page.evaluate("model.saved.schema") == "Person"
    widget.receive(schema="Address")
    expect(menu).to_have_accessible_name("answer as: Address")


def test_types_are_looked_for_when_somebody_is_about_to_pick(open_picker: Open) -> None:
    widget = open_picker()
    menu = widget.page.get_by_role("button", name="answer as")
    menu.focus()
    assert len(widget.sent("offers")) == 1
    menu.press("Enter")
    widget.receive(offered=[["Pet", "notebook"], ["Cat", "built"]])  # it is open by then
    entries = widget.page.locator(".mf-menu [role=menuitemradio]")
    assert entries.evaluate_all("(all) => all.map((one) => one.innerText)") == [
        "text",
        "Pet\nyour notebook",
        "Cat\nbuilt here",
    ]


def test_a_parents_menu_is_in_step_until_it_leaves(open_picker: Open) -> None:
    widget = open_picker()
    widget.page.evaluate(
        """() => {
          window.gone = new AbortController();
          window.menu = widgetExports.select(gone.signal, () => [{ label: "of the parent", pick() {} }]);
          document.querySelector(".msgflux-picker").append(menu);
        }"""
    )
    widget.receive(schema="Person")
    assert widget.page.evaluate("menu.textContent") == "answer asPerson"
    theirs = widget.page.get_by_role("button", name="answer as").last
    theirs.click()
    expect(widget.page.get_by_role("menuitem", name="of the parent")).to_be_visible()
    widget.page.get_by_role("menuitemradio", name="Address").click()
    expect(widget.page.locator(".mf-head > .mf-pick")).to_have_accessible_name("answer as: Address")
    widget.page.evaluate("gone.abort()")
    widget.receive(schema="Person")
    assert widget.page.evaluate("menu.textContent") == "answer asAddress"
    assert widget.page.evaluate("widgetExports.model.get('schema') === model.get('schema')")


def test_before_a_pick_one_line_explains_the_picker(open_picker: Open) -> None:
    widget = open_picker()
    expect(widget.page.locator(".mf-hint")).to_contain_text("Pick what the answer is decoded to")
    expect(widget.page.locator(".mf-table")).to_be_hidden()
    expect(widget.page.locator(".mf-sending")).to_be_hidden()


# Fields, and what is sent

PLAIN = {"path": "a", "name": "a", "key": "a", "depth": 0, "holds": "value", "type": "int"}


def test_fields_are_a_table_nested_by_dotted_path(open_picker: Open) -> None:
    widget = open_picker(Person)
    found = table(widget, "fields")
    assert found[:4] == [
        ["name", "str", "the full name", ""],
        ["age", "int", "0 to 150", ""],
        ["home", "Address", "Where somebody lives.", ""],
        ["city", "str", "at most 40 charactersthe town", "checked after"],
    ]
    assert found[-1] == ["kind", "'friend' | 'stranger'", "= 'stranger'", ""]
    indents = widget.page.locator(".mf-fields tbody th").evaluate_all(
        "(all) => all.map((one) => one.style.paddingInlineStart)"
    )
    assert indents[:4] == ["0px", "0px", "0px", "16px"]
    expect(widget.page.locator(".mf-doc")).to_have_text("A person that a text speaks of.")


def test_no_column_is_empty(open_picker: Open) -> None:
    heads = "(all) => all.map((one) => one.textContent)"
    widget = open_picker(Person)
    columns = widget.page.locator(".mf-fields [role=columnheader]")
    assert columns.evaluate_all(heads) == ["field", "type", "about", "checked"]
    widget.receive(described={"name": "Pair", "fields": [PLAIN, {**PLAIN, "path": "b", "name": "b"}]})
    assert columns.evaluate_all(heads) == ["field", "type"]
    assert table(widget, "fields") == [["a", "int"], ["b", "int"]]


def test_a_mark_says_what_the_server_does_and_a_sentence_follows(open_picker: Open) -> None:
    widget = open_picker(Person)
    expect(widget.page.locator(".mf-held")).to_have_attribute("data-s", "done")
    widget.receive(described={**seen(Person)["described"], "held": False})
    expect(widget.page.locator(".mf-held")).to_have_attribute("data-s", "look")


def test_the_way_of_asking_and_what_happens_to_a_misfit_are_shown(open_picker: Open) -> None:
    widget = open_picker(Person)
    expect(widget.page.locator(".mf-way")).to_contain_text("if it refuses, it is asked by a tool call, then as JSON.")
    expect(widget.page.locator(".mf-notes")).to_contain_text("goes back with its error, once")
    expect(widget.page.get_by_role("img", name="not enforced by the server").first).to_have_attribute(
        "title", "not enforced by the server, but checked after the answer: at most 40 characters"
    )


def test_texts_are_asked_for_when_somebody_opens_them(open_picker: Open) -> None:
    widget = open_picker(Person)
    assert widget.sent("details") == []
    folded(widget.page, "What is sent")
    until(lambda: len(widget.sent("details")) == 1, what="the question")
    widget.deliver({"type": "details", "schema": "Address", "parts": [["old", "of another"]]})
    widget.deliver({"type": "details", "schema": "Person", "parts": [["response_format", '{"a": 1}']]})
    expect(widget.page.locator(".mf-parts .mf-code")).to_have_text('{"a": 1}')
    widget.receive(described=seen(Address)["described"], schema="Address")
    assert len(widget.sent("details")) == 2


def test_what_is_sent_can_be_copied(open_picker: Open) -> None:
    widget = open_picker(Person)
    folded(widget.page, "What is sent")
    widget.deliver({"type": "details", "schema": "Person", "parts": [["response_format", '{"a": 1}']]})
    widget.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (t) => { copy = t; } } })"
    )
    copy = widget.page.get_by_role("button", name="copy: response_format")
    copy.click()
    expect(widget.page.locator(".mf-copy").first).to_have_text("copied")
    assert widget.page.evaluate("copy") == '{"a": 1}'
    expect(widget.page.locator(".mf-copy").first).to_have_text("copy")


def test_without_a_clipboard_the_text_is_selected_for_copying(open_picker: Open) -> None:
    widget = open_picker(Person)
    folded(widget.page, "What is sent")
    widget.deliver({"type": "details", "schema": "Person", "parts": [["response_format", "by hand"]]})
    widget.page.evaluate(
        """() => {
          Object.defineProperty(navigator, "clipboard", { value: undefined });
          document.addEventListener("copy", () => { window.copy = document.activeElement.value; });
        }"""
    )
    widget.page.get_by_role("button", name="copy: response_format").click()
    expect(widget.page.locator(".mf-copy").first).to_have_text("copied")
    assert widget.page.evaluate("copy") == "by hand"
    expect(widget.page.locator("textarea")).to_have_count(0)


def test_a_broken_type_shows_its_error(open_picker: Open) -> None:
    widget = open_picker(Person)
    widget.receive(described={"name": "Bad", "fields": [], "error": ["SchemaError", "$.a has no form"]})
    expect(widget.page.get_by_role("alert")).to_have_text("SchemaError $.a has no form")
    expect(widget.page.locator(".mf-fields")).to_be_hidden()
    expect(widget.page.locator(".mf-sending")).to_be_hidden()


# Values while an answer arrives


def test_values_fill_while_the_text_grows(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, "")
    assert table(widget)[0] == ["name", "", "not there yet str"]
    show(widget, '{"name": "Mar')
    assert table(widget)[:2] == [["name", "Mar", "arriving str"], ["age", "", "not there yet int"]]
    show(widget, '{"name": "Maria", "age": 34, "home": {"city": "Lis')
    assert table(widget) == [
        ["name", "Maria", "there str"],
        ["age", "34", "there int"],
        ["home.city", "Lis", "arriving str"],
        ["home.zip_code", "", "not there yet str | None"],
        ["former", "", "not there yet list[Address]"],
        ["by_year", "", "not there yet dict[str, Address]"],
        ["kind", "", "not there yet 'friend' | 'stranger'"],
    ]
    expect(widget.page.get_by_role("img", name="arriving")).to_have_count(1)


def test_items_of_lists_and_dicts_have_lines_of_their_own(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(
        widget,
        '{"former": [{"city": "A", "zip_code": null}, {"city": "B"}], "by_year": [{"key": "1990", "value": {"city": "C',
    )
    found = [row for row in table(widget) if row[0].startswith(("former", "by_year"))]
    assert found == [
        ["former[0].city", "A", "there str"],
        ["former[0].zip_code", "–", "there str | None"],
        ["former[1].city", "B", "there str"],
        ["former[1].zip_code", "", "not there yet str | None"],
        ['by_year["1990"].city', "C", "arriving str"],
        ['by_year["1990"].zip_code', "", "not there yet str | None"],
    ]
    show(widget, '{"by_year": {"1990": {"city": "C"}}}')
    assert ['by_year["1990"].city', "C", "there str"] in table(widget)


def test_a_root_that_is_wrapped_is_shown_without(open_picker: Open) -> None:
    widget = open_picker(list[int])
    show(widget, '{"value": [1, 22, ')
    assert table(widget) == [["value", "1, 22", "arriving list[int]"]]


class Sitting(msgspec.Struct):
    at: datetime.time
    until: datetime.datetime
    title: str
    open: bool
    days: list[str]


def test_values_are_written_for_people_while_they_arrive(open_picker: Open) -> None:
    """As ``readable`` writes them once all have come."""
    widget = open_picker(Sitting)
    rest = '"title": "19:30:00", "open": true, "days": ["Mo", "Tu, We"]}'
    whole = '{"at": "19:30:00", "until": "2026-03-14T21:00:00Z", ' + rest
    final = rows(Sitting, msgspec.json.decode(whole, type=Sitting))
    words = ["19:30", "2026-03-14 21:00 UTC", "19:30:00", "yes", "Mo, “Tu, We”"]
    assert [row.value for row in final] == words
    for part, seen in (("19:30:", "19:30"), ('19:30:00"', "19:30"), ('19:30:00", "until": "2026-03-14T21', "19:30")):
        show(widget, '{"at": "' + part)
        assert table(widget)[0][1] == seen
    show(widget, whole)
    assert [row[1] for row in table(widget)] == words
    show(widget, '{"days": [')
    assert table(widget)[4][1] == ""


@pytest.mark.parametrize("text", ['Sure! ```json\n{"name": "Al"', '\n {"name": "Al"'])
def test_words_in_front_are_passed_over(open_picker: Open, text: str) -> None:
    widget = open_picker(Person)
    for end in range(len(text) + 1):
        show(widget, text[:end])
    assert table(widget)[0] == ["name", "Al", "there str"]


def test_the_kernels_rows_replace_those_of_the_page(open_picker: Open) -> None:
    widget = open_picker(ChainOfThoughts[int])
    value = ChainOfThoughts[int](steps=[Step(explanation="add", output="42")], final_answer=42)
    final = [msgspec.to_builtins(row) for row in rows(ChainOfThoughts[int], value)]
    show(widget, '{"steps": [{"explanation": "ad')
    show(widget, '{"steps": [{"explanation": "add"}', done=True, rows=final)
    assert table(widget) == [
        ["steps[0].explanation", "add", "there str"],
        ["steps[0].output", "42", "there str"],
        ["final_answer", "42", "there int"],
    ]


def test_an_answer_that_ended_within_a_value_says_so(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "Al", "home": {"city": "Lis', done=True, rows=[])
    assert table(widget)[2] == ["home.city", "Lis", "cut off str"]


def test_a_new_answer_replaces_the_values_of_the_last_one(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "Al", "age": 3', done=True)
    show(widget, '{"name": "B')
    assert table(widget)[:2] == [["name", "B", "arriving str"], ["age", "", "not there yet int"]]
    expect(widget.page.get_by_role("alert")).to_have_count(0)
    show(widget, '{"age": 1, "name": "C')  # longer than what was read, and another text
    assert table(widget)[:2] == [["name", "C", "arriving str"], ["age", "1", "there int"]]


def test_limits_and_values_are_one_click_apart(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "Al')
    folded(widget.page, "Show limits")
    expect(widget.page.locator(".mf-fields")).to_be_visible()
    expect(widget.page.locator(".mf-values")).to_be_hidden()
    folded(widget.page, "Show values")
    expect(widget.page.locator(".mf-values")).to_be_visible()


def test_another_schema_or_no_answer_shows_the_fields_again(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "Al')
    widget.page.evaluate("widgetExports.show(null)")
    expect(widget.page.locator(".mf-fields")).to_be_visible()
    show(widget, '{"name": "Al')
    widget.receive(schema="Address", described=seen(Address)["described"])
    widget.settle()
    expect(widget.page.locator(".mf-fields")).to_be_visible()
    assert len(table(widget, "fields")) == 2


def test_lines_that_are_shown_already_are_not_drawn_again(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "Al')
    widget.settle()
    widget.page.evaluate("document.querySelector('.mf-values tr').marked = true")
    show(widget, '{"name": "Al", "age": 3, "former": [{"city": "X"')
    widget.settle()
    assert widget.page.evaluate("document.querySelector('.mf-values tr').marked") is True


def test_all_views_show_the_values_and_one_may_leave(open_picker: Open) -> None:
    widget = open_picker(Address)
    widget.page.evaluate("addView()")
    show(widget, '{"city": "Rome"')
    assert [row[1] for row in table(widget)] == ["Rome", "", "Rome", ""]
    widget.page.evaluate("leave[0]()")
    show(widget, '{"city": "Rome", "zip_code": "1"')
    assert [row[1] for row in table(widget)] == ["Rome", "", "Rome", "1"]


def test_whole_numbers_keep_all_their_digits(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"age": 12345678901234567890, "name": 1.50, ')
    assert [row[1] for row in table(widget)[:2]] == ["1.5", "12345678901234567890"]


def test_a_long_text_is_cut_and_can_be_shown_whole(open_picker: Open) -> None:
    widget = open_picker(Person)
    show(widget, '{"name": "' + "ab" * 5_000)
    cell = widget.page.locator(".mf-value").first
    expect(cell).to_contain_text("… 8,000 more characters")
    widget.page.get_by_role("button", name="show all of it").click()
    assert len(cell.inner_text()) == 10_000
    show(widget, '{"name": "' + "ab" * 5_001)
    widget.settle()
    assert len(cell.inner_text()) == 10_002


def test_hundreds_of_kilobytes_stay_smooth(open_picker: Open) -> None:
    """The page reads only the new part: 400 kB in 4,000 pieces, and at most 200 lines are drawn."""
    widget = open_picker(Person)
    former = ", ".join(json.dumps({"city": f"city {n}", "zip_code": "x" * 60}) for n in range(2_000))
    text = json.dumps({"name": "n" * 200_000})[:-1] + f', "former": [{former}]' + "}"
    spent = widget.page.evaluate(
        """async (text) => {
          let busy = 0;
          for (let end = 0; end < text.length; end += 100) {
            const began = performance.now();
            widgetExports.show({ text: text.slice(0, end) });
            busy += performance.now() - began;
            if (end % 20000 === 0) await new Promise((done) => requestAnimationFrame(done));
          }
          widgetExports.show({ text, done: true });
          return busy;
        }""",
        text,
    )
    widget.settle()
    assert len(table(widget)) == 201
    assert spent < 2_000, f"{spent:.0f} ms for {len(text) // 1000} kB"


# The form


CAT = {"name": "Cat", "fields": [{"name": "lives", "kind": "int", "least": "0"}, {"name": "mood", "kind": "str"}]}


def form_of(widget: WidgetPage) -> Locator:
    build = widget.page.locator(".mf-build")
    if build.is_hidden():
        widget.page.get_by_role("button", name="Build one by form").click()
    return build


def more(widget: WidgetPage, number: int) -> None:
    """Show the settings of a field besides its name and type."""
    button = widget.page.get_by_role("button", name=f"more about field {number}")
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def saved(widget: WidgetPage) -> Any:
    return widget.page.evaluate("model.saved.form")


def test_a_form_is_filled_in_and_reaches_the_kernel_after_a_pause(open_picker: Open) -> None:
    widget = open_picker()
    build = form_of(widget)
    build.get_by_label("name of the Struct").fill("Cat")
    build.get_by_label("name, field 1", exact=True).fill("lives")
    pick_kind(build, 1, "whole number int")
    more(widget, 1)
    build.get_by_label("at least, field 1").fill("0")
    build.get_by_role("button", name="field", exact=True).click()
    build.get_by_label("name, field 2", exact=True).fill("mood")
    pick_kind(build, 2, "a choice of words Literal")
    build.get_by_label("words to choose from, separated by commas, field 2").fill("good, bad")
    build.locator("li").nth(1).get_by_role("checkbox").check()
    build.get_by_label("description, field 2").fill("how it feels")
    until(lambda: (saved(widget) or {}).get("fields", [{}])[-1].get("description"), what="the form")
    assert saved(widget) == {
        "name": "Cat",
        "fields": [
            {"name": "lives", "kind": "int", "many": False, "least": "0"},
            {
                "name": "mood",
                "kind": "choice",
                "many": False,
                "words": "good, bad",
                "optional": True,
                "description": "how it feels",
            },
        ],
    }


def test_typing_keeps_the_caret_where_it_is(open_picker: Open) -> None:
    widget = open_picker(**CAT)
    name = form_of(widget).get_by_label("name, field 1", exact=True)
    name.press("Home")
    name.press_sequentially("nine_")
    expect(name).to_have_value("nine_lives")


def test_fields_are_moved_and_removed(open_picker: Open) -> None:
    widget = open_picker(**CAT)
    build = form_of(widget)
    more(widget, 2)
    build.get_by_role("button", name="move field 2 up").click()
    expect(build.get_by_label("name, field 1", exact=True)).to_have_value("mood")
    more(widget, 1)
    build.get_by_role("button", name="remove field 1").click()
    expect(build.locator("li")).to_have_count(1)
    expect(build.get_by_label("name, field 1", exact=True)).to_have_value("lives")


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("text str", ["least", "most", "pattern"]),
        ("whole number int", ["least", "most"]),
        ("yes or no bool", []),
        ("date date", []),
        ("a choice of words Literal", ["words"]),
        ("list of texts list[str]", ["least", "most"]),
        ("list of choices list[…]", ["words", "least", "most"]),
    ],
)
def test_a_type_has_its_own_limits(open_picker: Open, kind: str, limits: list[str]) -> None:
    widget = open_picker(name="Cat", fields=[{"name": "a", "kind": "float"}])
    pick_kind(form_of(widget), 1, kind)
    places = widget.page.locator(".mf-form-fields li input[type=text]").evaluate_all(
        "(all) => all.map((one) => one.dataset.place)"
    )
    assert places == ["fields.0.name", "fields.0.description", *(f"fields.0.{limit}" for limit in limits)]


def test_the_code_of_the_kernel_is_shown_and_used(open_picker: Open) -> None:
    widget = open_picker(**CAT)
    build = form_of(widget)
    expect(build.locator(".mf-code")).to_contain_text("class Cat(msgspec.Struct):")
    widget.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (t) => { copy = t; } } })"
    )
    build.get_by_role("button", name="copy the code for a cell").click()
    expect(build.locator(".mf-copy")).to_have_text("copied")
    assert widget.page.evaluate("copy") == seen(**CAT)["code"]
    build.get_by_role("button", name="Use it").click()
    assert [message["form"] for message in widget.sent("use")] == [CAT]
    widget.receive(schema="Cat", described={"name": "Cat", "fields": [PLAIN]})
    expect(build.get_by_role("status").filter(has_text="Cat is picked")).to_be_visible()
    expect(widget.page.locator(".mf-fields")).to_be_in_viewport()


def test_until_the_kernel_has_written_it_the_code_cannot_be_used(open_picker: Open) -> None:
    widget = open_picker(**CAT)
    build = form_of(widget)
    build.get_by_label("name of the Struct").fill("Dog")
    expect(build.get_by_role("button", name="Use it")).to_be_disabled()
    expect(build.get_by_role("button", name="copy the code for a cell")).to_be_disabled()
    expect(build.locator(".mf-code")).to_have_class("mf-code mf-old")
    dog = seen(**{**CAT, "name": "Dog"})
    widget.receive(code=dog["code"], problems=dog["problems"], written=dog["written"])
    expect(build.get_by_role("button", name="Use it")).to_be_enabled()
    expect(build.locator(".mf-code")).to_contain_text("class Dog")


def test_a_problem_is_shown_and_its_place_marked(open_picker: Open) -> None:
    widget = open_picker(name="Cat", fields=[{"name": "class", "kind": "str"}])
    build = form_of(widget)
    expect(build.locator(".mf-notice")).to_contain_text("class is a keyword of Python")
    expect(build.get_by_label("name, field 1", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(build.get_by_label("name of the Struct")).to_have_attribute("aria-invalid", "false")
    expect(build.get_by_role("button", name="Use it")).to_be_disabled()


def test_an_empty_form_complains_of_nothing(open_picker: Open) -> None:
    widget = open_picker()
    expect(form_of(widget).locator(".mf-notice")).to_be_hidden()


def test_all_views_show_the_same_form(open_picker: Open) -> None:
    widget = open_picker()
    widget.page.evaluate("addView()")
    forms = widget.page.locator(".mf-build")
    widget.page.get_by_role("button", name="Build one by form").first.click()
    forms.nth(1).get_by_label("name of the Struct").fill("Both")
    expect(forms.nth(0).get_by_label("name of the Struct")).to_have_value("Both")


def test_a_problem_of_the_kernel_is_an_alert_until_something_changes(open_picker: Open) -> None:
    widget = open_picker(Person)
    widget.deliver({"type": "problem", "name": "ValueError", "message": "no"})
    expect(widget.page.get_by_role("alert")).to_have_text("ValueError no")
    widget.receive(schema="Address")
    expect(widget.page.get_by_role("alert")).to_have_count(0)


# The rest


def test_every_control_has_a_name(open_picker: Open) -> None:
    widget = open_picker(Person, **CAT)
    form_of(widget)
    show(widget, '{"name": "' + "x" * 3000)
    widget.settle()
    nameless = widget.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
          .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


def test_a_narrow_picker_keeps_everything_inside(open_picker: Open) -> None:
    widget = open_picker(Person, **CAT)
    form_of(widget)
    widget.page.set_viewport_size({"width": 360, "height": 900})
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 360
    show(widget, '{"name": "' + "x" * 300)
    widget.settle()
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dangerous_text_is_text_everywhere(page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        bad = "\n".join(dangerous(port))
        field = {
            **dict.fromkeys(("path", "name", "key", "type", "default", "description", "unenforced"), bad),
            "limits": [bad],
            "depth": 0,
            "holds": "value",
            "required": False,
        }
        described = {
            "name": bad,
            "doc": bad,
            "fields": [field],
            "left": 0,
            "way": bad,
            "notes": [bad],
            "error": [bad, bad],
        }
        state = {
            "schema": bad,
            "offered": [[bad, "notebook"]],
            "described": described,
            "model_name": bad,
            "form": {"name": bad, "fields": [{"name": bad, "kind": "str", "description": bad, "pattern": bad}]},
            "written": {},
            "code": bad,
            "problems": [["fields.0.name", bad]],
        }
        widget = WidgetPage(page, SchemaPicker, state, url=f"http://127.0.0.1:{port}/page")
        form_of(widget)
        folded(page, "What is sent")
        widget.deliver({"type": "details", "schema": bad, "parts": [[bad, bad]]})
        widget.deliver({"type": "problem", "name": bad, "message": bad})
        show(widget, json.dumps({bad: bad}))
        widget.settle()
        show(widget, "x", done=True, rows=[{"field": bad, "value": bad, "type": bad}])
        widget.settle()
        page.wait_for_timeout(300)  # time for whatever should not be asked for
        assert (paths, dialogs, widget.errors()) == ([], [], [])
    inside = (
        "document.querySelectorAll('.msgflux-live :is(script, style, img, a, [onerror], [data-commandlinker-command])')"
    )
    assert page.evaluate(f"{inside}.length") == 0
