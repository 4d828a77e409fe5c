from __future__ import annotations

import pytest

from msgflux_nb.tables.template import parse_template

HOSTILE = "{title} {0} {title.__class__} {{x}} }{"


def filled(prompt: str, **cells: str) -> str:
    return parse_template(prompt, cells).fill(cells)


def test_a_name_in_braces_is_replaced_by_its_text() -> None:
    assert filled("A {title}\n{body}{title}", title="x", body="y") == "A x\nyx"


def test_double_braces_stand_for_braces() -> None:
    assert filled('{{"t": {{{t}}}}}', t="x") == '{"t": {x}}'


def test_what_a_row_holds_is_never_read_as_a_template() -> None:
    assert filled("{title}", title=HOSTILE) == HOSTILE


@pytest.mark.parametrize("name", ["first name", "a.b", "a[0]", "x!r", "x:>10", "", "0", "ä"])
def test_any_column_name_is_taken_as_it_is(name: str) -> None:
    assert filled(f"<{{{name}}}>", **{name: "v"}) == "<v>"


@pytest.mark.parametrize(
    "prompt", ["{titel}", "{title.upper}", "{title[0]}", "{title!r}", "{title:>10}", "{}", "{ title }"]
)
def test_an_unknown_column_is_refused_with_the_known_ones(prompt: str) -> None:
    with pytest.raises(ValueError, match=r"there is no column .*Known columns: \{title\}, \{body\}"):
        parse_template(prompt, ["title", "body"])


@pytest.mark.parametrize(("prompt", "position"), [("a } {title}", 2), ("{title} {", 8), ('{"a": {title}}', 0)])
def test_a_single_brace_is_refused_with_its_place(prompt: str, position: int) -> None:
    with pytest.raises(ValueError, match=f"a single .* at character {position}.*braces that are meant as text"):
        parse_template(prompt, ["title"])


def test_a_prompt_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="every row would be sent the same text"):
        parse_template("Extract it, {{text}}", ["text"])


@pytest.mark.parametrize("prompt", ["{nope}", "{", "{{none}}"])
def test_an_error_shows_names_of_columns_without_controls(prompt: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_template(prompt, ["a\x1b[31m\x9b2J\u202e\u2028"])
    assert "a\\x1b[31m\\x9b2J\\u202e\\u2028" in str(caught.value)
    assert str(caught.value).isprintable()
