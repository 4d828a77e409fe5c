"""Tests that the code of a playground, run in a notebook, sends the same request and ends with the same messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts
from msgflux_nb.generation.tool_schema import Tool
from tests.content.pictures import to_bytes, two_halves
from tests.models.test_wire_turns import message, message_stream, response, said, sse, whole
from tests.reasoning.test_tools import calling as whole_call
from tests.scripted import Reply, Server, completion, serving, stream

from .bench import PROFILE as STREAMED
from .bench import Person
from .test_playground_tools import SUM, calling

PROFILE = {**STREAMED, "echo": False}  # the code asks for the whole answer at once
PERSON = '{"name":"Maria Silva","age":34}'
KEY = "sk-live-0123456789abcdef"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Notebook:
    """The names of a notebook, with a playground."""

    def __init__(self, server: Server, names: dict[str, Any]) -> None:
        self.server = server
        self.names = names

    def model(self, **options: Any) -> mf.ChatCompletion:
        given = {"base_url": self.server.url, "profile": PROFILE, "max_retries": 0, "api_key": KEY, **options}
        return mf.Model.chat_completion("scripted/one", **given)

    def playground(self, model: Any = None, **keywords: Any) -> mf.Playground:
        found = self.names["playground"] = mf.Playground(model or self.model(), **keywords)
        return found

    def run(self, code: str) -> dict[str, Any]:
        """Run code as the next cell."""
        exec(compile(code, "cell", "exec"), self.names)
        return self.names

    def same(self, playground: mf.Playground) -> str:
        """Run the playground, then its code; check that request and result are the same; return the code."""
        playground.run(wait=True)
        asked, code, messages = len(self.server.bodies), playground.code, playground.messages
        names = self.run(code)
        assert self.server.bodies[asked:] == [unstreamed(body) for body in self.server.bodies[:asked]]
        assert names["messages"] == messages
        assert msgspec.to_builtins(names["response"].consume()) == msgspec.to_builtins(playground.value)
        assert KEY not in code
        return code


def unstreamed(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("stream", "stream_options")}


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Notebook]]:
    """Make a notebook with a server that sends each reply twice: to the playground, and to its code."""
    contexts = []

    def make(*replies: Reply, **names: Any) -> Notebook:
        contexts.append(serving(*replies))
        made = Notebook(contexts[-1].__enter__(), names)
        for module in ("playground.playground", "playground.page", "schema.schema_picker"):
            monkeypatch.setattr(f"msgflux_nb.widgets.{module}.notebook_namespace", lambda: made.names)
        return made

    yield make
    for context in contexts:
        context.__exit__(None, None, None)


Make = Callable[..., Notebook]


def test_code_of_a_text_asks_the_same(notebook: Make) -> None:
    book = notebook(stream("Hel", "lo"), completion("Hello"))
    book.names["mine"] = book.model()
    code = book.same(book.playground(book.names["mine"], prompt="Say 'hi'\nin \"two\" lines.", system_prompt="Brief."))
    assert "response = mine(messages)" in code
    assert code.splitlines()[-1] == "response"


def test_code_of_several_turns_and_variables_asks_the_same(notebook: Make) -> None:
    book = notebook(stream("Hi"), completion("Hi"))
    turns = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B" * 200}]
    playground = book.playground(messages=turns, prompt="Greet {{who}}.")
    playground.builder.variables = {"who": "Ada"}
    assert "Greet Ada." in book.same(playground)


def test_code_with_a_start_asks_the_same(notebook: Make) -> None:
    book = notebook(stream("three."), completion("three."))
    code = book.same(book.playground(prompt="How many?", prefilling="There are "))
    assert "prefilling='There are '" in code


def test_code_that_goes_on_from_an_answer_asks_the_same(notebook: Make) -> None:
    book = notebook(stream("Once"), stream(" more."), completion(" more."))
    playground = book.playground(prompt="A tale.")
    playground.run(wait=True)
    playground.continue_from(wait=True)
    names = book.run(playground.code)
    assert names["messages"] == playground.messages


WIRES: dict[str, tuple[Reply, Reply]] = {
    "chat": (stream("Hi"), completion("Hi")),
    "responses": (
        sse({"type": "response.completed", "response": response(said("Hi"))}),
        whole(response(said("Hi"))),
    ),
    "messages": (message_stream({"type": "text", "text": "Hi"}), whole(message({"type": "text", "text": "Hi"}))),
}


@pytest.mark.parametrize("wire", WIRES)
def test_a_model_on_any_wire_is_written_so_that_it_asks_the_same(notebook: Make, wire: str) -> None:
    book = notebook(*WIRES[wire])
    model = book.model(wire=wire, cache_prompt=wire == "messages", reasoning_effort="low", max_tokens=90)
    turns = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    code = book.same(book.playground(model, messages=turns, prompt="Hi", system_prompt="Brief."))
    assert f"wire={wire!r}" in code
    assert [name in book.server.bodies[-1] for name in ("input", "system")] == [wire == "responses", wire == "messages"]
    assert ("cache_control" in str(book.server.bodies[-1])) is (wire == "messages")


@pytest.mark.parametrize(("wire", "asked"), [("responses", True), ("messages", False)])
def test_probabilities_are_asked_for_where_a_wire_gives_them(notebook: Make, wire: str, asked: bool) -> None:
    tokens = [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Hi", "logprob": -0.5}]}]
    replies = {
        **WIRES,
        "responses": (sse({"type": "response.completed", "response": response(said("Hi", logprobs=tokens))}),),
    }
    book = notebook(*replies[wire])
    playground = book.playground(book.model(wire=wire), prompt="Hi")
    playground.logprobs = True
    playground.run(wait=True)
    assert playground.value == "Hi"
    assert ("message.output_text.logprobs" in str(book.server.bodies[-1])) is asked
    assert [token.token for token in playground.response.logprobs] == (["Hi"] if asked else [])


def test_texts_that_are_too_long_to_be_wrapped_are_written_on_one_line(notebook: Make) -> None:
    book = notebook(stream("Hi"), completion("Hi"))
    turns = [{"role": "user", "content": "x\n'\"" * 30_000}, {"role": "assistant", "content": "short\n" * 3}]
    code = book.same(book.playground(book.model(), messages=turns, prompt="Hi"))
    assert len(code.splitlines()) < 30


def test_the_lens_asks_no_provider_for_probabilities_that_it_does_not_give(notebook: Make) -> None:
    book = notebook(stream("Hi"), stream("Hi"))
    for without in ({"top_logprobs": 0}, {"top_logprobs": 3}):
        playground = book.playground(book.model(profile=without), prompt="Hi")
        playground.logprobs = True
        playground.run(wait=True)
    assert [body.get("top_logprobs") for body in book.server.bodies] == [None, 3]


def test_the_model_is_written_where_it_has_no_name(notebook: Make) -> None:
    book = notebook(stream("Hi"), completion("Hi"))
    patience = mf.Timeout(first=30, total=float("inf"))
    model = book.model(temperature=0.0, max_tokens=7, extra_body={"top_k": 3}, timeout=patience, max_retries=5)
    code = book.same(book.playground(model, prompt="Hi"))
    assert 'timeout=mf.Timeout(first=30, total=float("inf")), max_retries=5)' in code
    assert "model = mf.Model.chat_completion('scripted/one', " in code
    assert book.server.bodies[-1]["temperature"] == 0.0
    assert book.server.bodies[-1]["top_k"] == 3


def test_code_names_a_schema_as_the_notebook_does(notebook: Make) -> None:
    book = notebook(stream(PERSON), completion(PERSON), Human=Person)
    playground = book.playground(prompt="Who?")
    playground.schema = "Human"
    assert "generation_schema=Human" in book.same(playground)


def test_code_imports_a_schema_of_a_module(notebook: Make) -> None:
    book = notebook(stream(PERSON), completion(PERSON))
    playground = book.playground(prompt="Who?", schemas=[Person])
    playground.schema = "Person"
    assert "from tests.widgets.bench import Person\n" in book.same(playground)


@pytest.mark.parametrize("type_", [ChainOfThoughts, ChainOfThoughts[int], ChainOfThoughts[Person]], ids=str)
def test_code_of_a_plan_asks_the_same(notebook: Make, type_: Any) -> None:
    final = {"ChainOfThoughts": '"42"', "int": "42", "Person": PERSON}
    answer = next(text for name, text in reversed(final.items()) if name in str(type_))
    text = f'{{"steps":[{{"explanation":"add","output":"42"}}],"final_answer":{answer}}}'
    book = notebook(stream(text), completion(text))
    playground = book.playground(prompt="17 + 25?", schemas={"plan": type_})
    playground.schema = "plan"
    assert "generation_schema=ChainOfThoughts" in book.same(playground)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (list[Person], f"[{PERSON}]"),
        (dict[str, Person | None], f'{{"a": {PERSON}, "b": null}}'),
        (Literal["red", "blue"], '"red"'),
        (list[Annotated[int, msgspec.Meta(ge=0)]], "[1, 2]"),
        (tuple[int, ...], "[1, 2]"),
    ],
    ids=str,
)
def test_code_of_a_type_other_than_a_class_asks_the_same(notebook: Make, type_: Any, text: str) -> None:
    book = notebook(stream(text))
    playground = book.playground(prompt="Who?", schemas={"it": type_})
    playground.schema = "it"
    before, _, call = playground.code.partition("response = ")
    book.run(before)
    assert eval(call.partition("generation_schema=")[2].partition(")\n")[0], book.names) == type_


def test_code_holds_a_schema_that_was_built_by_form(notebook: Make) -> None:
    book = notebook(stream('{"dish": "soup"}'), completion('{"dish": "soup"}'))
    playground = book.playground(prompt="What is for lunch?")
    playground.picker.form = {"name": "Meal", "fields": [{"name": "dish", "kind": "str"}]}
    playground.picker.build()
    assert "class Meal(" in book.same(playground)
    assert book.names["response"].consume().dish == "soup"


@pytest.mark.parametrize(
    "name", ["X\nimport os; os._exit(3)\nclass Y", "X) or exit(", "class", "a b", "", "1x"], ids=repr
)
def test_the_name_of_a_type_does_not_become_code(notebook: Make, name: str) -> None:
    book = notebook(stream(PERSON))
    hostile = type("Kept", (msgspec.Struct,), {"__annotations__": {"x": int}})
    hostile.__name__ = name
    for module in ("__main__", "builtins", "os; import sys"):
        hostile.__module__ = module
        playground = book.playground(prompt="Who?", schemas={"it": hostile})
        playground.schema = "it"
        lines = playground.code.splitlines()
        assert "generation_schema=Unnamed" in playground.code
        assert [line for line in lines if "import" in line and not line.startswith("#")] == ["import msgflux_nb as mf"]
        assert (
            sum(name.split("\n")[0] in line for line in lines if not line.startswith("#") and name.strip("1xa b")) < 2
        )
        compile(playground.code, "cell", "exec")


def test_code_says_that_a_schema_has_no_name(notebook: Make) -> None:
    book = notebook(stream(PERSON))

    class Hidden(msgspec.Struct):
        x: int

    playground = book.playground(prompt="Who?", schemas=[Hidden])
    playground.schema = "Hidden"
    assert "# Hidden has no name in this notebook: define it before this cell\n" in playground.code


@pytest.mark.parametrize("named", [True, False], ids=["in a variable", "imported"])
def test_code_with_tools_asks_the_same(notebook: Make, named: bool) -> None:
    plain = whole_call(("call_1", "add", SUM), text="")
    book = notebook(
        calling(("call_1", SUM)), stream("42."), plain, completion("42."), **({"plus": add} if named else {})
    )
    playground = book.playground(prompt="17 + 25?", tools=[add], approve="auto")
    playground.run(wait=True)
    code = playground.code
    assert f"mf.run_tools(model, messages, tools=[{'plus' if named else 'add'}])" in code
    names = book.run(code)
    assert [message["role"] for message in names["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert names["messages"] == playground.messages
    assert [len(body["messages"]) for body in book.server.bodies] == [1, 3, 1, 3]


def test_code_with_tools_gives_the_start_to_the_first_answer_only(notebook: Make) -> None:
    plain = whole_call(("call_1", "add", SUM), text=" see.")
    streamed = calling(("call_1", SUM), text=" see.")
    book = notebook(streamed, stream("42."), plain, completion("42."))
    playground = book.playground(prompt="17 + 25?", tools=[add], approve="auto", prefilling="Let me")
    playground.run(wait=True)
    names = book.run(playground.code)
    assert names["messages"] == playground.messages
    starts = [body["messages"][-1]["content"] for body in book.server.bodies]
    assert starts == ["Let me", "42", "Let me", "42"]


def test_a_tool_object_is_named_by_its_function(notebook: Make) -> None:
    book = notebook(stream("42."))
    playground = book.playground(prompt="17 + 25?", tools=[Tool.of(add)])
    assert "tools=[add]" in playground.code
    assert "import add\n" in playground.code


def test_files_are_taken_from_the_playground(notebook: Make) -> None:
    book = notebook(stream("Red and blue."), completion("Red and blue."))
    model = book.model(profile={**PROFILE, "modalities": ["text", "image"]})
    playground = book.playground(model, prompt="What is this?")
    playground.attach(to_bytes(two_halves()), name="two.png")
    [digest] = playground.media
    assert f"playground.media['{digest}']" in playground.code
    code = book.same(playground)
    assert f"playground.media['{digest}']" in code
    assert "base64" not in code


def test_files_are_in_the_code_where_the_playground_has_no_name(notebook: Make) -> None:
    book = notebook(stream("Red and blue."), completion("Red and blue."))
    playground = book.playground(book.model(profile={**PROFILE, "modalities": ["text", "image"]}), prompt="What?")
    del book.names["playground"]
    playground.attach(to_bytes(two_halves()), name="two.png")
    assert "data:image/png;base64," in book.same(playground)


def test_it_is_the_question_of_the_answer_that_is_shown(notebook: Make) -> None:
    book = notebook(stream("One."), stream("Two."))
    playground = book.playground(prompt="first")
    playground.run(wait=True)
    playground.model, playground.prefilling = "openai/gpt-4.1-nano", "So"
    assert "scripted/one" in playground.code
    assert "prefilling" not in playground.code
    playground.prompt = "second"
    assert "openai/gpt-4.1-nano" in playground.code
    assert "prefilling='So'" in playground.code
    assert "'content': 'One.'" in playground.code


@pytest.mark.parametrize("text", ['"""', "'''\\", "\\N{DASH} {x}", "a\r\nb\t\x00\ud83d", "); import os; (", "é€😀"])
def test_no_text_breaks_out_of_its_quotes(notebook: Make, text: str) -> None:
    book = notebook(stream("ok"))
    playground = book.playground(prompt=text, prefilling=text)
    before, _, call = playground.code.rpartition("response = ")
    assert book.run(before)["messages"] == playground.messages
    assert eval(call.partition("prefilling=")[2].partition(")\n")[0]) == text


# A grid of what stands here


def test_a_grid_has_the_conversation_as_its_prompt_and_the_names_as_its_input(notebook: Make) -> None:
    book = notebook(completion("said"))
    playground = book.playground(system_prompt="Be {brief}.", prompt="Where is {{city}}? {}")
    playground.builder.variables = {"city": "Ghent"}
    book.run(playground.grid_code)
    frame = book.names["result"]
    assert frame.columns.tolist() == [("first", "scripted/one")]
    sent = book.server.bodies[-1]["messages"]
    assert sent[0] == {"role": "system", "content": "Be {brief}."}
    assert sent[1]["content"] == "Where is Ghent? {}"
    assert KEY not in playground.grid_code


def test_without_names_the_last_message_is_the_input_of_a_grid(notebook: Make) -> None:
    book = notebook(completion("said"))
    playground = book.playground(
        messages=[{"role": "user", "content": "Hello {you}"}, {"role": "assistant", "content": "Hi"}]
    )
    code = playground.grid_code
    assert "inputs = pd.DataFrame([{'text': 'Hello {you}'}])" in code
    book.run(code)
    assert "Hello {you}" in book.server.bodies[-1]["messages"][-1]["content"]


def test_a_grid_asks_both_models_for_the_structure_that_is_picked(notebook: Make) -> None:
    book = notebook(completion("said"))
    playground = book.playground(prompt="Who?", compare=book.model(temperature=0.5), schemas=[Person])
    playground.schema = "Person"
    code = playground.grid_code
    assert code.count("mf.Model.chat_completion(") == 2
    assert "schema=Person" in code
