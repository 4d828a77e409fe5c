"""Tests the conversion of Python functions to tools, and of a model's arguments to the function's types."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from msgflux_nb.errors import SchemaError, ToolCallError
from msgflux_nb.generation.schema import Dialect
from msgflux_nb.generation.tool_schema import Tool, tool_schemas, tools_by_name
from tests.thorough import examples

from .wires import to_wire, types, values_of


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(msgspec.Struct):
    """Where."""

    city: str
    country: str = "NL"


class Folder(msgspec.Struct):
    name: str
    folders: list[Folder] = []


def get_weather(place: Place, day: dt.date, unit: Unit = Unit.CELSIUS, hours: list[int] | None = None) -> str:
    """Tell the weather,
    as it will be.

    It is never wrong.

    Args:
        place: where, with its country
            if it is abroad.
        day (date): which day.
        unit: of the temperature. Defaults to Celsius.
    """
    return f"{place.city} {day.year} {unit.name} {hours}"


def parameters_of(function: Callable[..., Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = Tool.of(function).schema["function"]["parameters"]
    return parameters


def test_a_function_becomes_this_schema() -> None:
    assert tool_schemas([get_weather]) == [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Tell the weather, as it will be.\n\nIt is never wrong.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "place": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                            "required": ["city"],
                            "additionalProperties": False,
                            "description": "where, with its country if it is abroad. Where.",
                        },
                        "day": {"type": "string", "format": "date", "description": "which day."},
                        "unit": {
                            "type": "string",
                            "enum": ["celsius", "kelvin"],
                            "description": "of the temperature. Defaults to Celsius.",
                        },
                        "hours": {"type": "array", "items": {"type": "integer"}},
                    },
                    "required": ["place", "day"],
                    "additionalProperties": False,
                },
            },
        }
    ]


# Descriptions


def google(city: str, days: int = 1) -> None:
    """Forecast.

    Args:
        city (str): its name
        days: how many
    """


def numpy(city: str, days: int = 1) -> None:
    """Forecast.

    Parameters
    ----------
    city : str
        its name
    days : int, optional
        how many
    """


def sphinx(city: str, days: int = 1) -> None:
    """Forecast.

    :param city: its name
    :param int days: how many
    """


def annotated(city: Annotated[str, "its name"], days: Annotated[int, Meta(description="how many")] = 1) -> None:
    """Forecast."""


@pytest.mark.parametrize("function", [google, numpy, sphinx, annotated], ids=lambda function: function.__name__)
def test_parameters_are_described_in_every_style(function: Callable[..., Any]) -> None:
    fields = parameters_of(function)["properties"]
    assert [field["description"] for field in fields.values()] == ["its name", "how many"]
    assert Tool.of(function).schema["function"]["description"] == "Forecast."


def test_what_stands_at_a_parameter_wins_over_the_docstring() -> None:
    def forecast(
        city: Annotated[str, "annotated"],
        days: Annotated[int, Meta(ge=1, description="of Meta")],
        both: Annotated[int, Meta(description="of Meta"), "annotated"],
    ) -> None:
        """Forecast.

        Args:
            city: docstring
            days: docstring
            both: docstring
        """

    fields = parameters_of(forecast)["properties"]
    assert fields["city"]["description"] == "annotated"
    assert fields["days"] == {"type": "integer", "minimum": 1, "description": "of Meta"}
    assert fields["both"]["description"] == "annotated; of Meta"


def test_several_parameters_may_share_a_description() -> None:
    def move(x: int, y: int) -> None:
        """Move.

        Parameters
        ----------
        x, y : int
            in metres
        """

    assert {field["description"] for field in parameters_of(move)["properties"].values()} == {"in metres"}


def test_a_type_that_holds_itself_keeps_its_description() -> None:
    def count(folder: Annotated[Folder, "the outermost"]) -> int:
        return len(folder.folders)

    assert parameters_of(count)["properties"]["folder"]["description"] == "the outermost"


@pytest.mark.parametrize("doc", [None, "", "   "])
def test_a_function_without_a_docstring_has_no_description(doc: str | None) -> None:
    def silent() -> None: ...

    silent.__doc__ = doc
    assert Tool.of(silent).schema["function"] == {
        "name": "silent",
        "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    }


def test_a_docstring_that_cannot_be_parsed_still_describes_the_tool() -> None:
    def odd(x: int) -> None:
        """Read
        it.

        : :
        """

    assert Tool.of(odd).schema["function"]["description"] == "Read it.\n\n: :"


PIECES = [
    "Args:",
    ":param x:",
    ":param",
    "Parameters",
    "---",
    "x",
    ":",
    " : int",
    "\n",
    "\n\n",
    "    ",
    "Raises:",
    "`",
    "@param",
]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_docstring_breaks_the_reader(text: str) -> None:
    def odd(x: int) -> None: ...

    odd.__doc__ = text
    assert parameters_of(odd)["required"] == ["x"]


# What can be a tool


class Thermometer:
    """A thermometer."""

    def read(self, room: str, samples: int = 1) -> str:
        """Read the temperature."""
        return f"{room} {samples}"

    @classmethod
    def made_by(cls, year: int) -> str:
        return f"{cls.__name__} {year}"

    @staticmethod
    def scale(unit: Unit) -> str:
        return unit.value

    def __call__(self, room: str) -> str:
        return f"called {room}"


class AsyncThermometer:
    async def __call__(self, room: str) -> str:
        """Read it in a while."""
        return f"awaited {room}"


async def read_later(room: str) -> str:
    return f"later {room}"


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@remembered
def decorated(unit: Unit) -> str:
    """Decorated."""
    return unit.value


@functools.cache
def cached(unit: Unit) -> str:
    return unit.value


@pytest.mark.parametrize(
    ("function", "name", "arguments", "result"),
    [
        (Thermometer().read, "read", {"room": "a", "samples": 2}, "a 2"),
        (Thermometer.made_by, "made_by", {"year": 1}, "Thermometer 1"),
        (Thermometer.scale, "scale", {"unit": "kelvin"}, "kelvin"),
        (Thermometer(), "Thermometer", {"room": "a"}, "called a"),
        (functools.partial(Thermometer().read, samples=3), "read", {"room": "a"}, "a 3"),
        (functools.partial(Thermometer().read, "b"), "read", {"samples": 3}, "b 3"),
        (functools.partial(functools.partial(Thermometer().read, "b"), samples=4), "read", {}, "b 4"),
        (decorated, "decorated", {"unit": "kelvin"}, "kelvin"),
        (cached, "cached", {"unit": "kelvin"}, "kelvin"),
        (len, "len", {"obj": [1, 2]}, 2),
    ],
)
def test_what_can_be_called_can_be_a_tool(
    function: Callable[..., Any], name: str, arguments: dict[str, Any], result: object
) -> None:
    tool = Tool.of(function)
    assert tool.name == name
    assert list(tool.schema["function"]["parameters"]["properties"]) == [p.name for p in tool.parameters]
    assert tool.call(arguments) == result


def test_what_a_partial_fixes_is_hidden_from_the_model() -> None:
    tool = Tool.of(functools.partial(Thermometer().read, samples=3))
    assert list(tool.schema["function"]["parameters"]["properties"]) == ["room"]
    with pytest.raises(ToolCallError, match="no parameter is named 'samples'"):
        tool.call({"room": "a", "samples": 1})


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (read_later, "later a"),
        (functools.partial(read_later), "later a"),
        (AsyncThermometer(), "awaited a"),
        (functools.partial(AsyncThermometer()), "awaited a"),
    ],
)
def test_an_async_function_is_known_as_one_and_gives_a_coroutine(function: Callable[..., Any], result: str) -> None:
    tool = Tool.of(function)
    assert tool.is_async
    assert asyncio.run(tool.call({"room": "a"})) == result


@pytest.mark.parametrize("function", [get_weather, Thermometer(), functools.partial(get_weather)])
def test_a_plain_function_is_not_async(function: Callable[..., Any]) -> None:
    assert not Tool.of(function).is_async


@pytest.mark.parametrize(
    ("function", "description"),
    [(Thermometer(), "A thermometer."), (AsyncThermometer(), "Read it in a while."), (decorated, "Decorated.")],
)
def test_an_object_is_described_by_its_call_or_its_class(function: Callable[..., Any], description: str) -> None:
    assert Tool.of(function).schema["function"]["description"] == description


def test_a_parameter_without_a_hint_may_be_anything() -> None:
    def echo(value):  # type: ignore[no-untyped-def]
        return value

    assert Tool.of(echo).call({"value": {"a": [1, "x", None]}}) == {"a": [1, "x", None]}
    assert all("type" in branch for branch in parameters_of(echo)["properties"]["value"]["anyOf"])


@pytest.mark.parametrize("name", ["_hidden", "__mangled", "self", "cls", "type", "class_"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def echo({name}: int, other: int = 1): return {name} + other", space)
    assert Tool.of(space["echo"]).call({name: 2}) == 3


def positional(first: int, second: int = 2, third: int = 3, /, fourth: int = 4, *, fifth: int = 5) -> list[int]:
    return [first, second, third, fourth, fifth]


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ({"first": 9}, [9, 2, 3, 4, 5]),
        ({"first": 9, "third": 8}, [9, 2, 8, 4, 5]),
        ({"first": 9, "fifth": 8, "second": 7}, [9, 7, 3, 4, 8]),
    ],
)
def test_what_is_left_out_is_left_to_its_default_at_every_position(
    arguments: dict[str, int], result: list[int]
) -> None:
    assert Tool.of(positional).call(arguments) == result


def test_a_default_is_the_functions_own_and_never_sent() -> None:
    secret = object()

    def search(text: str, key: Any = secret) -> Any:
        return key

    assert Tool.of(search).call({"text": "a"}) is secret
    assert "default" not in parameters_of(search)["properties"]["key"]


# What cannot


def starred(*numbers: int) -> None: ...
def double_starred(**options: int) -> None: ...
def framed(frame: complex) -> None: ...
def lost(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def mixed(x: list[dict[str, int] | Place]) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (starred, r"^starred: \*numbers: int|^starred: \*numbers"),
        (double_starred, r"^double_starred: \*\*options"),
        (framed, r"^framed: \$\.frame: .*complex"),
        (lost, r"^lost: a hint cannot be read: name 'Nowhere'"),
        (mixed, r"^mixed: \$\.x\[\]: "),
        (lambda x: x, r"<lambda>: a tool's name is .* not '<lambda>'"),
        (Place, "expected a function as a tool, got .*Place.*generation_schema"),
        (3, r"tools\[0\]: expected .*function.*got 3"),
        (type, "expected a function"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_reason(function: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        tool_schemas([function])


@pytest.mark.parametrize(
    ("name", "fits"), [("a" * 64, True), ("a" * 65, False), ("größe", False), ("a-b_9", True), ("", False)]
)
def test_a_name_is_checked(name: str, fits: bool) -> None:
    schema = {"type": "function", "function": {"name": name}}
    if fits:
        assert tool_schemas([schema]) == [schema]
        return
    with pytest.raises(SchemaError, match="1 to 64"):
        tool_schemas([schema])


def test_a_schema_is_sent_unchanged_next_to_functions() -> None:
    schema = {"type": "function", "function": {"name": "x", "parameters": {"odd": True}}, "strict": True}
    custom = {"type": "custom", "custom": {"name": "sql"}}
    assert tool_schemas([schema, read_later, custom, Tool.of(get_weather)])[0] is schema
    assert [tool["type"] for tool in tool_schemas([schema, read_later, custom])] == ["function", "function", "custom"]


@pytest.mark.parametrize(
    "schema", [{}, {"name": "x"}, {"type": "function", "name": 3}, {"type": "function", "function": {"name": 3}}]
)
def test_a_schema_without_a_name_is_refused_with_its_place(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"tools\[1\]: expected .*\"function\""):
        tool_schemas([get_weather, schema])


@pytest.mark.parametrize("tools", [tool_schemas, tools_by_name])
def test_two_tools_of_one_name_are_refused(tools: Callable[..., Any]) -> None:
    with pytest.raises(SchemaError, match="two tools are named 'read'"):
        tools([Thermometer().read, Thermometer().read])


@pytest.mark.parametrize("tool", [get_weather, Tool.of(get_weather), tool_schemas(get_weather)[0]])
def test_a_single_tool_need_not_be_a_list(tool: Any) -> None:
    assert tool_schemas(tool) == tool_schemas([get_weather])


def test_tools_are_found_by_name() -> None:
    tool = Tool.of(get_weather)
    found = tools_by_name([tool, read_later])
    assert found["get_weather"] is tool
    assert found["read_later"].function is read_later
    assert tools_by_name(get_weather).keys() == {"get_weather"}


# Arguments


def test_a_function_gets_instances_of_its_types() -> None:
    def collect(place: Place, day: dt.date, pair: tuple[int, str], tags: set[str], by: dict[int, Unit]) -> Any:
        return [place, day, pair, tags, by]

    assert Tool.of(collect).call(
        {
            "place": {"city": "Ede"},
            "day": "2024-05-06",
            "pair": {"item_0": 1, "item_1": "a"},
            "tags": ["a", "a"],
            "by": {"1": "celsius"},
        }
    ) == [Place("Ede"), dt.date(2024, 5, 6), (1, "a"), {"a"}, {1: Unit.CELSIUS}]


def test_what_fits_as_it_is_is_not_converted() -> None:
    def keep(value: Literal["1", 1], by: dict[int, Literal["2", 2]]) -> list[object]:
        return [value, by]

    assert Tool.of(keep).call({"value": "1", "by": {"1": "2"}}) == ["1", {1: "2"}]


def test_what_is_left_out_is_not_bound_by_name() -> None:
    assert Tool.of(positional).bind({"first": 9}) == ((9, 2, 3), {})


def test_what_only_fits_after_conversion_is_converted() -> None:
    def add(a: int, b: float, c: bool) -> list[object]:
        return [a, b, c]

    assert Tool.of(add).call({"a": "1", "b": "2.5", "c": "true"}) == [1, 2.5, True]
    assert Tool.of(add).call({"a": 1.0, "b": 2, "c": True}) == [1, 2.0, True]


def test_null_for_a_default_that_takes_none_is_none_and_for_another_the_default() -> None:
    def search(limit: int = 5, before: dt.date | None = None, either: int | None = 3) -> list[object]:
        return [limit, before, either]

    assert Tool.of(search).call({"limit": None, "before": None, "either": None}) == [5, None, None]


def limited(days: Annotated[int, Meta(ge=1, le=7)], place: Place, day: dt.date = dt.date.min) -> None: ...


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"days": "three"}, 'days: expected integer (from 1 to 7), got "three" (Expected `int`, got `str`)'),
        ({"days": 9}, "days: expected integer (from 1 to 7), got 9 (Expected `int` <= 7)"),
        (
            {"place": {"city": 5}},
            'place: expected {"city": string, "country": string} (Where.), got {"city":5} '
            "(Expected `str`, got `int` - at `place.city`)",
        ),
        ({"day": "tomorrow"}, 'day: expected string as date, got "tomorrow" (Invalid RFC3339 encoded date)'),
        ({"days": msgspec.UNSET}, "days is missing: expected integer (from 1 to 7)"),
        ({"hours": 1}, "no parameter is named 'hours' (the parameters are: days, place, day)"),
        ({"hours": 1, "mins": 1}, "no parameter is named 'hours' or 'mins' (the parameters are: days, place, day)"),
    ],
)
def test_a_fault_tells_the_model_what_was_expected_and_what_came(changes: dict[str, Any], fault: str) -> None:
    arguments = {"days": 1, "place": {"city": "Ede"}, **changes}
    with pytest.raises(ToolCallError) as caught:
        Tool.of(limited).bind({name: value for name, value in arguments.items() if value is not msgspec.UNSET})
    assert str(caught.value) == f"limited: {fault}. Call it again with this put right."


@pytest.mark.parametrize(("arguments", "shown"), [([1], "[1]"), (None, "null"), ("{}", '"{}"')])
def test_arguments_other_than_an_object_are_refused(arguments: object, shown: str) -> None:
    with pytest.raises(ToolCallError) as caught:
        Tool.of(limited).bind(arguments)
    assert str(caught.value) == f"limited: expected its arguments as a JSON object, got {shown}."


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ToolCallError) as caught:
        Tool.of(limited).bind({"days": "x", "hours": 1})
    assert all(words in str(caught.value) for words in ("days: expected", "place is missing", "named 'hours'"))


@pytest.mark.parametrize("arguments", [{"unit": "x" * 100_000}, {"x" * 100_000: 1}, {"unit": {"x": ["y"] * 100_000}}])
def test_a_long_argument_is_cut_in_the_message(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolCallError) as caught:
        Tool.of(get_weather).bind({"place": {"city": "Ede"}, "day": "2024-05-06", **arguments})
    assert len(str(caught.value)) < 800


def test_a_tool_without_parameters_says_so() -> None:
    def now() -> int:
        return 0

    assert Tool.of(now).call({}) == 0
    with pytest.raises(ToolCallError, match="the parameters are: none"):
        Tool.of(now).call({"zone": "UTC"})


def test_what_the_function_raises_passes_through() -> None:
    def fail() -> None:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        Tool.of(fail).call({})


def test_arguments_are_read_and_never_changed() -> None:
    arguments = {"place": {"city": "Ede"}, "day": "2024-05-06", "hours": [1]}
    Tool.of(get_weather).call(arguments)
    assert arguments == {"place": {"city": "Ede"}, "day": "2024-05-06", "hours": [1]}


def test_a_tool_is_shown_by_its_signature() -> None:
    assert repr(Tool.of(get_weather)) == "Tool(get_weather(place, day, unit, hours))"


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_any_value_of_any_type_reaches_the_function(data: st.DataObject) -> None:
    def keep(value: Any) -> Any:
        return value

    keep.__annotations__["value"] = type_ = data.draw(types(Dialect.PLAIN))
    arguments = msgspec.defstruct("Arguments", [("value", type_)])
    value = data.draw(values_of(type_))
    assert Tool.of(keep).call(to_wire(arguments(value), arguments, Dialect.PLAIN)) == value


def test_parameters_are_valid_json_schema() -> None:
    for function in (get_weather, positional, limited, Thermometer().read):
        jsonschema.Draft202012Validator.check_schema(parameters_of(function))
