"""A Struct from a form: the code and the built type agree, and no text of a form becomes other code."""

from __future__ import annotations

import builtins
import inspect
import keyword
import warnings
from typing import Any

import msgspec.inspect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.generation.schema import Dialect, wire_schema
from msgflux_nb.widgets.schema.struct_code import FieldForm, StructForm, built, code_of, problems
from tests.thorough import examples


def form(*fields: FieldForm, name: str = "Person") -> StructForm:
    return StructForm(name=name, fields=list(fields))


def run(code: str, name: str) -> Any:
    """Run code as a cell would; return the names that it defines."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "cell", "exec", dont_inherit=True), space)
    return space[name]


def test_a_form_is_written_as_somebody_would_write_it() -> None:
    made = form(
        FieldForm(name="name", least="1", most="80", description="the full name"),
        FieldForm(name="age", kind="int", least="0"),
        FieldForm(name="born", kind="date", optional=True),
        FieldForm(name="mood", kind="choice", words="good, bad"),
        FieldForm(name="tags", many=True, most="3"),
    )
    assert problems(made) == []
    assert code_of(made) == (
        "import datetime\n"
        "from typing import Annotated, Literal\n"
        "\n"
        "import msgspec\n"
        "\n"
        "\n"
        "class Person(msgspec.Struct, kw_only=True):\n"
        "    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80, description='the full name')]\n"
        "    age: Annotated[int, msgspec.Meta(ge=0)]\n"
        "    born: datetime.date | None = None\n"
        "    mood: Literal['good', 'bad']\n"
        "    tags: Annotated[list[str], msgspec.Meta(max_length=3)]\n"
    )


def test_only_what_is_used_is_imported_and_order_needs_no_keywords() -> None:
    made = form(FieldForm(name="a", kind="int"), FieldForm(name="b", optional=True))
    assert code_of(made) == (
        "import msgspec\n\n\nclass Person(msgspec.Struct):\n    a: int\n    b: str | None = None\n"
    )


def test_a_long_field_is_broken_into_lines() -> None:
    made = form(FieldForm(name="a", description="d" * 90, optional=True))
    assert code_of(made).endswith(
        f"    a: Annotated[\n        str,\n        msgspec.Meta(description='{'d' * 90}'),\n    ] | None = None\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Give the Struct a name."),
        ("class", "class is a keyword of Python; write class_ or another name."),
        ("None", "None is a keyword of Python"),
        ("2nd", "'2nd' is not a Python name"),
        ("a b", "'a b' is not a Python name"),
        ("x: pass\nimport os", "is not a Python name"),
        ("__init__", "begins with __"),
        ("list", "list is a name that the code itself uses"),
        ("msgspec", "msgspec is a name that the code itself uses"),
        ("print", "print is a built-in name of Python"),
    ],
)
def test_a_name_that_python_does_not_take_is_refused_with_a_reason(name: str, reason: str) -> None:
    found = problems(form(FieldForm(name="a"), name=name))
    assert found[0].place == "name"
    assert reason in found[0].reason


@pytest.mark.parametrize(
    ("field", "part", "reason"),
    [
        (FieldForm(name=""), "name", "Give the field a name."),
        (FieldForm(name="for"), "name", "for is a keyword of Python"),
        (FieldForm(name="str"), "name", "str is a name that the code itself uses"),
        (FieldForm(name="a", kind="int", least="1.5"), "least", "'1.5' is not a whole number."),
        (FieldForm(name="a", kind="float", most="many"), "most", "'many' is not a number."),
        (FieldForm(name="a", kind="float", most="inf"), "most", "Expected a finite number as a limit, got 'inf'."),
        (FieldForm(name="a", least="-1"), "least", "Expected a limit of at least 0, got -1."),
        (FieldForm(name="a", least="3", most="2"), "most", "No value is at least 3 and at most 2."),
        (FieldForm(name="a", most="9" * 5_000), "most", "is not a whole number."),
        (FieldForm(name="a", pattern="("), "pattern", "This is not a regular expression: missing )"),
        (FieldForm(name="a", kind="choice", words=" , ,"), "words", "Write the words to choose from"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_at_its_place(field: FieldForm, part: str, reason: str) -> None:
    [problem] = problems(form(field))
    assert problem.place == f"fields.0.{part}"
    assert reason in problem.reason


def test_two_fields_of_one_name_are_refused() -> None:
    [problem] = problems(form(FieldForm(name="ﬁeld"), FieldForm(name="field")))  # the first with a ligature
    assert problem == ("fields.1.name", "There are two fields called field.")


def test_a_form_with_too_many_fields_says_so_and_nothing_else() -> None:
    assert problems(StructForm(name="Made", fields=[FieldForm(name=f"a{n}", kind="str") for n in range(500)])) == []
    [(place, reason)] = problems(StructForm(name="Made", fields=[FieldForm(name="1", kind="str")] * 501))
    assert place == "fields"
    assert reason == "A form has at most 500 fields, got 501. Write this Struct in a cell."


def test_a_struct_without_fields_is_refused() -> None:
    assert problems(form()) == [("fields", "A Struct needs a field.")]


def test_a_type_that_msgspec_refuses_is_reported_in_its_words() -> None:
    [problem] = problems(form(FieldForm(name="a", kind="int", most=str(2**70))))
    assert problem.reason.startswith("msgspec does not take this: Integer bounds")


def test_limits_that_the_type_has_not_are_left_out() -> None:
    made = form(FieldForm(name="a", kind="bool", least="1", pattern="(", words="x"))
    assert problems(made) == []
    assert code_of(made).endswith("    a: bool\n")


def test_a_field_may_be_called_date() -> None:
    made = form(FieldForm(name="date", kind="date", optional=True), FieldForm(name="other", kind="date"))
    assert problems(made) == []
    assert run(code_of(made), "Person").__struct_fields__ == ("date", "other")


def test_texts_cannot_leave_their_quotes() -> None:
    text = "\"\"\"'''\\\n\"); import os; ('"
    made = form(FieldForm(name="a", description=text), FieldForm(name="b", kind="choice", words=text))
    assert problems(made) == []
    info: Any = msgspec.inspect.type_info(run(code_of(made), "Person"))
    assert info.fields[0].type.extra_json_schema == {"description": text.strip()}


GOOD = ["Person", "date", "name", "ﬁ", "_", "µ", "match", "type_", "Über", "self"]
BAD = [*keyword.kwlist, *dir(builtins)[:40], "__a", "Ⅷ", "list", "datetime"]
NAMES = st.sampled_from(GOOD) | st.sampled_from(GOOD) | st.sampled_from(BAD) | st.text(max_size=12)
NUMBERS = st.sampled_from(["", "0", "1", "-1", " 7 ", "1.5", "1e3", "nan", "x", "9" * 25, "１", "1_0"])
FIELDS = st.builds(
    FieldForm,
    name=NAMES,
    kind=st.sampled_from(["str", "int", "float", "bool", "date", "choice"]),
    many=st.booleans(),
    optional=st.booleans(),
    description=st.text(max_size=30),
    least=NUMBERS,
    most=NUMBERS,
    pattern=st.sampled_from(["", "^a$", r"^\d{5}$", "(", "'", '"', "[a", "\\", "é\n"]),
    words=st.text(max_size=20),
)


seen: set[str] = set()


@given(st.builds(StructForm, name=NAMES, fields=st.lists(FIELDS, max_size=4)))
@settings(max_examples=examples(1_000), deadline=None)
def test_code_that_runs_and_the_type_that_is_built_have_the_same_schemas(made: StructForm) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of patterns, for whoever wrote them
        if problems(made):
            return
        type_ = built(made)
        same = run(code_of(made), type_.__name__)
        assert str(inspect.signature(same)) == str(inspect.signature(type_))
        assert msgspec.json.schema(same) == msgspec.json.schema(type_)
        seen.add(type_.__name__)
        for dialect in Dialect:
            ours, theirs = wire_schema(type_, dialect), wire_schema(same, dialect)
            assert (ours.schema, ours.unenforced) == (theirs.schema, theirs.unenforced)


def test_the_forms_that_are_drawn_include_ones_without_problems() -> None:
    assert len(seen) > 3
    good = form(FieldForm(name="µ", kind="choice", words="a,'b',\"c\"\n", many=True, least="1", optional=True))
    assert problems(good) == []
    assert built(good).__struct_fields__ == ("μ",)
