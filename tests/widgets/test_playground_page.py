"""The messages between a playground and its page, and what a saved notebook keeps."""

from __future__ import annotations

import json
import math
import threading
from html.parser import HTMLParser
from typing import Any

import ipywidgets
import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.content.tokens import text_tokens
from msgflux_nb.widgets.playground.model_choice import Models
from tests.moments import LONG, quickly
from tests.scripted import chunk, error, serving, stream

from .bench import Bench, Person, answers, eventually, model_of, slow
from .test_open_block import Told

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":61,"completion_tokens":31,"total_tokens":92}}\n\n'
HELLO = stream("Hel", "lo", chunk(reason="stop"), USAGE)
HOSTILE = "<img src=x onerror=alert(1)>\n\"'&<script>alert(2)</script> ![a](http://127.0.0.1:1/q)"


# The messages of a run


@answers(stream(*(f"{n} " for n in range(500))))
def test_batches_are_numbered_and_each_word_is_sent_once(bench: Bench) -> None:
    bench.ask("Count")
    bench.wait()
    [start], [end] = bench.of("start"), bench.of("end")
    about = {"side": 0, "number": 1, "prefill": "", "schema": "", "model": "scripted/one", "phase": ""}
    assert start == {"type": "start", **about}
    batches = bench.of("batch")
    assert [batch["seq"] for batch in batches] == list(range(1, end["seq"] + 1))
    assert bench.text_told() == bench.playground.value
    assert (end["state"], end["number"], end["error"], end["rows"]) == ("complete", 1, None, [])
    assert bench.playground.value not in json.dumps(end)
    kinds = [message["type"] for message in bench.sent]
    assert kinds == ["start", *["batch"] * len(batches), "settled", "end", "settled"]


@answers(HELLO)
def test_the_answers_card_has_no_words_and_the_last_settled_says_the_end(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    first, last = bench.of("settled")
    assert (first["side"], first["number"], first["card"]["position"]) == (0, 1, 1)
    assert "Hello" not in json.dumps(first)
    assert last == {"type": "settled", "side": None}


@answers(HELLO)
def test_the_status_line_has_tokens_cost_times_and_the_reason(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    tokens, cost, first, seconds, reason = bench.of("end")[0]["status"]
    assert (tokens, cost, reason) == ("61 in · 31 out", "– cost", "stop")
    assert first.startswith("first word after 0.")
    assert seconds.endswith(" s")


@answers(stream("Hello", chunk(reason="length"), b"data: [DONE]\n\n", done=False))
def test_an_answer_that_was_cut_at_an_unknown_number_of_tokens_says_so(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    assert bench.of("end")[0]["cut"] is True


@answers(stream("Hello"))
def test_unknown_usage_is_a_dash(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    assert bench.of("end")[0]["status"][0] == "– tokens"


@answers(stream('"Maria","age":34}'))
def test_the_page_runs_with_the_fields_that_it_shows(bench: Bench) -> None:
    bench.ask("Who?", prefill='{"name":', schema="Person")
    bench.wait()
    playground = bench.playground
    assert bench.of("problem") == []
    assert bench.server.bodies[0]["messages"][0] == {"role": "user", "content": "Who?"}
    assert (playground.value, playground.prefilling, playground.schema) == (Person("Maria", 34), '{"name":', "Person")
    assert (bench.of("start")[0]["prefill"], bench.of("start")[0]["schema"]) == ('{"name":', "Person")


@answers(slow())
def test_the_callback_returns_while_the_answer_streams(bench: Bench) -> None:
    with quickly():
        bench.ask()
    assert bench.playground.running
    bench.receive("stop")
    bench.wait()
    assert bench.of("end")[0]["state"] == "stopped"


@answers(HELLO)
def test_what_goes_wrong_in_a_callback_is_shown_on_the_widget(bench: Bench) -> None:
    bench.ask(schema="Gone")
    [problem] = bench.of("problem")
    assert problem["name"] == "ValueError"
    assert "no schema 'Gone'; there are: Person, ChainOfThoughts" in problem["message"]
    assert bench.roles == []


# A page that comes late, or has missed something


@answers(slow())
def test_a_page_that_loads_in_mid_stream_gets_everything_so_far(bench: Bench) -> None:
    bench.ask(prefill="So ")
    eventually(lambda: len(bench.of("batch")) >= 3, "three batches")
    bench.receive("hello")
    [progress] = bench.of("progress")
    at = bench.sent.index(progress)
    before = [message for message in bench.sent[:at] if message["type"] == "batch"]
    assert {"type": "running"} in bench.sent[:at]
    assert progress["seq"] == before[-1]["seq"]
    assert progress["text"] == "".join(message["text"] for message in before)
    assert (progress["number"], progress["prefill"]) == (1, "So ")
    eventually(lambda: len(bench.of("batch")) > len(before), "the next batch")
    assert bench.of("batch")[len(before)]["seq"] == progress["seq"] + 1
    bench.receive("stop")
    bench.wait()


@answers(HELLO)
def test_a_page_that_loads_while_nothing_runs_is_told_so(bench: Bench) -> None:
    bench.receive("hello")
    assert bench.sent == [{"type": "idle"}]


@answers(HELLO)
def test_a_page_that_loads_after_the_run_has_the_end_in_its_state(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    [end] = bench.of("end")
    assert bench.playground.get_state("ends")["ends"] == [{name: end[name] for name in end if name != "type"}]


# What it costs


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all messages of all widgets."""
    sizes: list[int] = []

    def send(_widget: Any, message: Any, buffers: Any = None) -> None:
        sizes.append(len(json.dumps(message, default=str)) + sum(len(buffer) for buffer in buffers or ()))

    monkeypatch.setattr(ipywidgets.Widget, "_send", send)
    return sizes


@pytest.mark.parametrize("schema", ["", "Text"])
def test_an_answer_costs_little_more_than_its_own_bytes(wired: list[int], schema: str) -> None:
    class Text(msgspec.Struct):
        text: str

    words = [f"word{n} " for n in range(2500)]
    pieces = ['{"text":"', *words, '"}'] if schema else words
    spread = [piece for n, word in enumerate(pieces) for piece in ((word, 0.002) if n % 10 == 0 else (word,))]
    with serving(stream(*spread)) as server:
        playground = mf.Playground(model_of(server), prompt="Hi", schemas=[Text])
        playground.schema = schema
        wired.clear()
        playground.run(wait=True)
        length = len("".join(pieces))
        assert length > 20_000
        assert sum(wired) <= 2.2 * length + 1000 * len(wired)
        assert len(wired) < 60
        playground.close()


# Models, code, what was sent


def test_models_of_the_notebook_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    first = mf.Model.chat_completion("openai/gpt-4.1-nano")
    same, other = (mf.Model.chat_completion(name) for name in ("openai/gpt-4.1-nano", "openai/gpt-4.1-mini"))
    playground = mf.Playground(first, models=["openai/gpt-4o"])
    assert playground.offered == ["openai/gpt-4.1-nano", "openai/gpt-4o", "local/smollm2-135m"]
    assert playground.chosen == ["openai/gpt-4.1-nano", ""]
    monkeypatch.setattr("__main__.same", same, raising=False)
    monkeypatch.setattr("__main__._private", other, raising=False)
    playground._receive(playground, {"type": "models"}, [])
    assert playground.offered[2] == "openai/gpt-4.1-nano (2)"
    assert "openai/gpt-4.1-mini" not in playground.offered
    playground._receive(playground, {"type": "pick", "side": 1, "name": "openai/gpt-4.1-nano (2)"}, [])
    assert playground.compare is same
    playground._receive(playground, {"type": "pick", "side": 0, "name": "openai/gpt-4o"}, [])
    assert playground.model.name == "openai/gpt-4o"
    assert playground.chosen == ["openai/gpt-4o", "openai/gpt-4.1-nano (2)"]
    playground._receive(playground, {"type": "pick", "side": 1, "name": ""}, [])
    assert (playground.compare, playground.chosen[1]) == (None, "")


def test_the_embedded_model_is_one_offer_once_it_was_picked_too() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano")
    for side in (0, 1):
        playground._receive(playground, {"type": "pick", "side": side, "name": "local/smollm2-135m"}, [])
    assert playground.offered == ["openai/gpt-4.1-nano", "local/smollm2-135m"]
    assert playground.chosen == ["local/smollm2-135m", "local/smollm2-135m"]
    assert playground.compare is playground.model


def test_a_model_that_was_not_offered_is_from_then_on() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano")
    playground.model = mf.Model.chat_completion("openai/gpt-4o", temperature=0.5)
    assert playground.chosen == ["openai/gpt-4o", ""]
    assert "openai/gpt-4o" in playground.offered
    assert playground.model_options == "temperature 0.5"
    mine = playground.model
    playground.model = "openai/gpt-4.1-mini"
    playground._receive(playground, {"type": "pick", "side": 1, "name": "openai/gpt-4o"}, [])
    assert playground.compare is mine


@answers(HELLO)
def test_the_request_and_the_answer_can_be_looked_at(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    bench.receive("raw")
    [raw] = bench.of("raw")
    (asked, request), (answered, answer) = raw["parts"]
    assert (asked, answered) == ("scripted/one: request", "scripted/one: answer")
    assert json.loads(request)["messages"] == bench.server.bodies[0]["messages"]
    assert "Hello" in answer


@answers(HELLO)
def test_the_page_is_given_the_code(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    bench.receive("code")
    assert bench.of("code") == [{"type": "code", "text": bench.playground.code}]


# Schemas of the notebook


@answers(HELLO)
def test_a_struct_that_the_notebook_defines_later_can_be_picked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(msgspec.Struct):
        x: int

    monkeypatch.setattr("__main__.Later", Later, raising=False)
    bench.playground.schema = "Later"
    assert bench.playground.picker.value is Later
    assert bench.playground.prefill.schema is Later


@answers(HELLO)
def test_a_broken_struct_in_the_notebook_does_not_break_the_playground(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(msgspec.Struct):
        part: NotDefined  # type: ignore[name-defined]  # noqa: F821  the mistake that is tested

    monkeypatch.setattr("__main__.Broken", Broken, raising=False)
    bench.playground.prompt, bench.playground.schema = "Hi", "Broken"
    with pytest.raises(mf.SchemaError):
        bench.playground.run(wait=True)
    assert bench.of("end")[0]["error"][0] == "SchemaError"


# What a saved notebook keeps


class Reader(HTMLParser):
    """Collects tags and attributes outside the style sheet."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.addresses: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attributes}
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]


def test_before_the_first_run_it_says_what_it_is() -> None:
    bundle, _ = mf.Playground("openai/gpt-4.1-nano")._repr_mimebundle_()
    assert sorted(bundle) == ["application/vnd.jupyter.widget-view+json", "text/html", "text/plain"]
    assert bundle["text/plain"] == "Playground · openai/gpt-4.1-nano · idle"
    assert 'class="msgflux-twin mathjax_ignore tex2jax_ignore"' in bundle["text/html"]


def test_the_twin_has_the_conversation_and_is_the_same_for_the_same_content() -> None:
    texts = []
    for pause in (0.0, 0.05):
        with serving(stream('{"name":"Ada",', pause, '"age":36}')) as server:
            playground = mf.Playground(model_of(server), prompt="Who?", system_prompt="Be brief.", schemas=[Person])
            playground.schema = "Person"
            playground.run(wait=True)
            drawn, text = playground._drawn()
            texts.append(text)
            playground.close()
    assert texts[0] == texts[1]
    assert texts[0].splitlines() == [
        "Playground · scripted/one · Person · complete",
        "system: Be brief.",
        "user: Who?",
        'assistant: {"name":"Ada","age":36}',
        "name: Ada  (str)",
        "age: 36  (int)",
        "– tokens · – cost · stop · json_schema",
    ]
    for word in ("Be brief.", "Who?", "Ada", "scripted/one"):
        assert word in drawn


@answers(error(400, HOSTILE))
def test_the_twin_has_the_error(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    drawn, text = bench.playground._drawn()
    assert "BadRequestError: " in text
    assert Reader(drawn).tags <= {"small", "div", "pre"}


def test_no_name_and_no_text_becomes_markup() -> None:
    kind = msgspec.defstruct("Kind", [("name", str)])
    with serving(stream(json.dumps({"name": HOSTILE}))) as server:
        playground = mf.Playground(
            model_of(server, f"scripted/{HOSTILE}"),
            prompt=HOSTILE,
            system_prompt=HOSTILE,
            schemas={HOSTILE: kind},
        )
        playground.schema = HOSTILE
        playground.run(wait=True)
        page = Reader(playground._twin()["text/html"])
        playground.close()
    assert playground.value.name == HOSTILE
    assert page.tags <= {"div", "style", "small", "pre", "mark", "table", "tbody", "tr", "td"}
    assert page.names == {"class", "data-kept", "dir", "style"}
    assert page.addresses == []


@answers(stream(HOSTILE))
def test_markdown_of_an_answer_comes_from_the_sanitiser(bench: Bench) -> None:
    bench.ask()
    bench.wait()
    told = Told()
    drawn = []
    for batch in bench.of("batch"):
        told.take(batch)
        drawn.append("".join(told.blocks) + told.open)
    assert told.blocks
    for page in (*map(Reader, drawn), Reader(bench.playground._drawn()[0])):
        assert page.tags.isdisjoint({"script", "img", "iframe"})
        assert not any(name.startswith("on") for name in page.names)
        assert page.addresses == []


@answers(stream("Red"), stream("Blue"))
def test_the_twin_follows_what_is_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    playground = bench.playground
    monkeypatch.setattr(playground, "_displayed", True)
    monkeypatch.setattr(playground, "_publish", lambda data, update: kept.append(data["text/plain"]))
    playground.prompt = "Name a colour."
    playground.run(wait=True)
    playground.rerun(wait=True)
    assert "assistant: Blue" in kept[-1]
    playground.undo()
    assert "assistant: Red" in kept[-1]


# What is offered


def test_a_menu_of_models_says_what_each_costs() -> None:
    models = Models(
        [
            mf.Model.chat_completion("openai/gpt-4.1-nano", api_key="x"),
            mf.Model.chat_completion("openai/a-name-that-no-list-has", api_key="x"),
            mf.Model.chat_completion("vllm/some", base_url="http://127.0.0.1:9/v1"),
        ]
    )
    assert models.prices.pop("openai/gpt-4.1-nano") == "$0.10 / $0.40"
    assert "openai/a-name-that-no-list-has" not in models.prices
    assert models.prices["vllm/some"] == models.prices["local/smollm2-135m"] == "free"


def test_the_menu_does_not_wait_for_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = threading.Event()
    found = Models.prices.fget
    assert found is not None
    monkeypatch.setattr(Models, "prices", property(lambda self: (loaded.wait(LONG), found(self))[1]))
    playground = mf.Playground(mf.Model.chat_completion("openai/gpt-4.1-nano", api_key="x"))
    playground._receive(playground, {"type": "models"}, [])
    assert playground.prices == {}
    loaded.set()
    assert eventually(lambda: playground.prices, "the prices")["openai/gpt-4.1-nano"] == "$0.10 / $0.40"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("four letters", 3), ("\u03bb\u03cc\u03b3\u03bf\u03c2", 2.5), ("日本語", 3), ("a 🐱", 2.5), ("", 0)],
)
def test_the_page_estimates_tokens_as_the_kernel_does(text: str, tokens: float) -> None:
    assert text_tokens(text) == math.ceil(tokens)  # tests/pages/words.test.js has the page's
