"""Tests what a notebook shows for an answer."""

from __future__ import annotations

import asyncio
import html
import re
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.display.answer import aggregator_bundle, answer_bundle
from msgflux_nb.display.figures import status
from msgflux_nb.errors import EmptyOutputError, RefusedError, ValidationFailedError
from msgflux_nb.protocol.tool_calls import ToolCallState
from tests.scripted import Reply, chunk, completion, serving, stream

from .test_markdown import Page


class Person(msgspec.Struct):
    name: str
    age: int


HOSTILE = "<img src=x onerror=alert(1)></pre><script>1</script>"


class Answer:
    """An answer with the attributes that a card reads."""

    def __init__(self, text: str = "", *, prefill: str = "", states: list[ToolCallState] | None = None, **given: Any):
        of_metadata = {name: given.pop(name) for name in list(given) if name in NUMBERS}
        self.generation_schema = given.pop("schema", None)
        self._value = given.pop("value", None)
        nothing = {"reasoning": None, "refusal": None, "images": (), "audio": None, "annotations": ()}
        choices = (SimpleNamespace(fields=given.pop("fields", {})),)
        self.snapshot = SimpleNamespace(
            choices=choices, text=prefill + text, continuation=text, **{**nothing, "finish_reason": "stop", **given}
        )
        self.aggregator = None if states is None else SimpleNamespace(states=states, results={})
        self.metadata = SimpleNamespace(**{**NUMBERS, "finish_reason": self.snapshot.finish_reason, **of_metadata})

    def decoded(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value

    def __repr__(self) -> str:
        return "Answer()"


NUMBERS: dict[str, Any] = {
    "usage": SimpleNamespace(prompt_tokens=61, completion_tokens=31_000),
    "cost": 0.0,
    "seconds_to_first_token": 0.21,
    "warnings": (),
    "seconds": 0.74,
    "schema_method": None,
    "cached": False,
    "provider": "openai",
    "model": "gpt-4.1-nano",
    "wire": "chat",
    "id": "answer-1",
    "raw_finish_reason": None,
    "attempts": 2,
}


def state(partial: Any = None, **given: Any) -> ToolCallState:
    plain: dict[str, Any] = {"id": "call_7f", "name": "get_weather", "raw": "", "status": "complete", "repaired": False}
    return ToolCallState(**{**plain, "error": None, "choice": 0, "late_id": False, "partial": partial, **given})


def card(answer: Answer) -> str:
    return answer_bundle(answer)["text/html"]


def words(markup: str) -> str:
    """Return the text that a person reads."""
    seen = re.sub(r"<style>.*?</style>", "", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", seen)).split())


def cells(markup: str) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", markup)


def shown(answer: Any) -> str:
    drawn: str = answer._repr_mimebundle_()["text/html"]
    return drawn


def model_at(url: str) -> mf.ChatCompletion:
    return mf.Model.chat_completion("scripted", base_url=url, profile={"prefill": "continue"})


# Answers of a model


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(), "complete 61"),
        (Answer("{}", schema=Person, value=Person("Ada", 36)), "complete, fits Person 61"),
        (Answer("Hi", finish_reason="length"), "cut at 31,000 tokens 61"),
        (Answer("Hi", finish_reason="length", usage=None), "cut off – tokens"),
        (Answer(states=[state({})], finish_reason="tool_calls"), "asks for 1 call; nothing has run 61"),
        (Answer("Hi", finish_reason=None), "Hi 61"),
        (Answer(value=ValidationFailedError("no"), schema=Person), "failed 61"),
    ],
)
def test_how_an_answer_ended_is_shown_before_its_numbers(answer: Answer, said: str) -> None:
    assert said in words(card(answer))


def test_an_end_that_the_state_does_not_show_follows_the_numbers() -> None:
    assert words(card(Answer("Hi"))).endswith("0.74 s")
    assert words(card(Answer("Hi", finish_reason="content_filter"))).endswith("0.74 s content_filter")


@pytest.mark.parametrize(
    ("text", "given", "kept"),
    [
        ("a **b**", {}, ["a **b**"]),
        ('{"name": "Ada", "age": 36}', {"schema": Person, "value": Person("Ada", 36)}, ['{"name": "Ada", "age": 36}']),
        ("just words &\n\nand more", {}, []),
        ("a **b**", {"prefill": "So "}, ["So a **b**"]),
        ("a **b**", {"prefill": "*So "}, []),
        ("a " * 20_000 + "*b*", {}, [("a " * 10_000)]),
    ],
)
def test_a_text_that_is_drawn_otherwise_opens_as_it_came(text: str, given: dict[str, Any], kept: list[str]) -> None:
    opened = re.findall(r"user-select: all\">(.*?)</pre>", card(Answer(text, **given)), re.DOTALL)
    assert [html.unescape(one) for one in opened] == kept


def test_a_text_is_shown_with_its_prefill_marked_and_its_numbers() -> None:
    with serving(completion(" world")) as server:
        answer = model_at(server.url)("Hi", prefilling="Hello")
    assert re.search(r"<mark[^>]*>Hello</mark> world", shown(answer))
    assert re.search(r"Hello world complete \d+ in · \d+ out – cost", words(shown(answer)))
    plain = answer._repr_mimebundle_()["text/plain"]
    assert re.fullmatch(r"Hello world\nModelResponse\(text, stop, \d+ tokens\)", plain)
    assert "\n" not in repr(answer)


def test_a_structure_is_shown_as_a_table() -> None:
    with serving(completion('{"name": "Ada", "age": 36}')) as server:
        answer = model_at(server.url)("Hi", generation_schema=Person)
    assert re.findall(r"<td[^>]*>(?:<code>)?(.*?)(?:</code>)?</td>", shown(answer)) == [
        *("name", "Ada", "str"),
        *("age", "36", "int"),
    ]


def test_a_structure_that_does_not_fit_is_shown_as_text_with_the_reason() -> None:
    with serving(completion('{"name": "Ada"}')) as server:
        answer = model_at(server.url)("Hi", generation_schema=Person)
    assert "{&quot;name&quot;: &quot;Ada&quot;}" in shown(answer)
    assert "The answer does not fit Person" in words(shown(answer))


def test_what_a_model_writes_is_text_and_never_markup() -> None:
    with serving(completion(HOSTILE, reasoning_content=HOSTILE, refusal=None)) as server:
        answer = model_at(server.url)("Hi")
    assert "<img" not in shown(answer)
    assert "<script" not in shown(answer)
    assert shown(answer).count("&lt;img src=x onerror=alert(1)&gt;") == 2  # the reasoning and the words


def test_showing_an_arriving_answer_does_not_advance_it() -> None:
    with serving(stream("one ", "two")) as server:
        answer = model_at(server.url)("Hi", stream=True)
        shown(answer)
        assert server.bodies == []
        assert list(answer) == ["one ", "two"]
        assert "one two" in shown(answer)


def test_an_async_answer_is_shown_too() -> None:
    async def main(url: str) -> str:
        answer = await model_at(url).acall("Hi", stream=True)
        await answer.consume()
        return shown(answer)

    with serving(stream("one")) as server:
        assert '<p dir="auto">one</p>' in asyncio.run(main(server.url))


# Text


def test_what_was_changed_stands_above_the_numbers_and_is_text() -> None:
    drawn = card(Answer("Hi", warnings=("the prompt was <b>cut</b>",)))
    assert "</svg></span> the prompt was &lt;b&gt;cut&lt;/b&gt;" in drawn


def test_a_text_is_read_as_markdown() -> None:
    assert '<p dir="auto">a <strong>b</strong></p>' in card(Answer("a **b**"))


@pytest.mark.parametrize("prefill", ["*a ", "1. ", "a\n", "a | ", "a <b> ", "a & ", "# ", "a\n\n", '{"a": "', "a *b "])
def test_a_text_whose_prefill_is_no_plain_words_is_shown_as_it_is(prefill: str) -> None:
    drawn = card(Answer("b*\n\n* c", prefill=prefill))
    assert re.search(rf"<pre[^>]*><mark[^>]*>{re.escape(html.escape(prefill))}</mark>b\*\n\n\* c</pre>", drawn)


@pytest.mark.parametrize("prefill", ["Because ", "Let's think step by step. ", "Über (Zürich): ", "a"])
def test_a_text_that_begins_with_plain_words_is_read_as_markdown(prefill: str) -> None:
    drawn = card(Answer("it is *so*.\n\n* yes", prefill=prefill))
    assert re.search(rf"<p dir=.auto.><mark[^>]*>{re.escape(html.escape(prefill))}</mark>it is <em>so</em>.</p>", drawn)
    assert "<li>yes</li>" in drawn


def test_a_text_that_makes_a_heading_of_its_prefill_is_shown_as_it_is() -> None:
    assert re.search(r"<pre[^>]*><mark[^>]*>Title</mark>\n===", card(Answer("\n===", prefill="Title")))


def test_a_structure_that_still_arrives_is_shown_as_it_is() -> None:
    assert re.search(r"<pre[^>]*>\{&quot;_a_&quot;</pre>", card(Answer('{"_a_"', schema=Person, finish_reason=None)))


def test_reasoning_is_open_while_the_answer_runs_and_folded_afterwards() -> None:
    running, ended = (card(Answer(reasoning="a *b*", finish_reason=reason)) for reason in (None, "stop"))
    assert re.search(r"<details open.*thought · 5 characters.*>a \*b\*</pre></div></details>", running)
    assert re.search(r"<details><summary.*>a \*b\*</pre></div></details>", ended)


def test_a_refusal_is_shown_with_its_name() -> None:
    assert "refusal I cannot. complete 61" in words(card(Answer(refusal="I cannot.")))


def test_a_refusal_is_not_shown_twice() -> None:
    answer = Answer(refusal="I cannot.", value=RefusedError("the model declined: I cannot."))
    assert words(card(answer)).count("I cannot.") == 1


def test_an_answer_without_text_has_no_place_for_one() -> None:
    drawn = card(Answer(states=[state({"a": 1})], schema=Person)) + card(Answer(states=[state({"a": 1})]))
    assert "<pre" not in drawn
    assert "msgflux-markdown" not in drawn


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (mf.StreamInterruptedError("cut"), "The answer broke off after 31,000 tokens Cut Try asking again"),
        (
            ValidationFailedError("no_age is missing"),
            "The answer does not fit Person no_age is missing Try asking again",
        ),
        (RefusedError("no"), "The model declined to answer No details"),
        (mf.MsgfluxError("no"), "The answer cannot be used No details"),
    ],
)
def test_a_problem_is_titled_by_what_happened_and_says_what_to_try(problem: mf.MsgfluxError, said: str) -> None:
    assert said in words(card(Answer(schema=Person, value=problem)))


def test_an_empty_answer_says_why() -> None:
    answer = Answer(value=EmptyOutputError("the answer holds no text."))
    said = words(card(answer))
    assert said.startswith("The answer is empty The answer holds no text. details for a report")
    assert "requests: 2 failed 61" in said


def test_an_answer_that_has_not_begun_says_nothing_yet() -> None:
    answer = Answer(finish_reason=None, value=EmptyOutputError("no"), usage=None, cost=None, seconds=None)
    assert words(card(answer)) == "– tokens – cost first word after 0.21 s –"


def test_half_a_surrogate_pair_reaches_the_page() -> None:
    bundle = answer_bundle(Answer("\ud800", prefill="a", reasoning="\ud800"))
    assert "\ufffd" in bundle["text/html"].encode().decode()


def test_no_formula_is_looked_for_in_any_part() -> None:
    opening = re.match("<div[^>]*>", card(Answer("$1 and $2")))
    assert opening is not None
    assert 'class="msgflux-answer mathjax_ignore tex2jax_ignore"' in opening[0]


# Media and sources


def test_images_and_sound_show_themselves() -> None:
    made = [SimpleNamespace(html=lambda: "<b>one</b>"), SimpleNamespace(html=lambda: "<b>two</b>")]
    sound = SimpleNamespace(html=lambda: "<b>three</b>")
    assert re.findall("<b>(.*?)</b>", card(Answer(images=made, audio=sound))) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("annotation", "link", "shown"),
    [
        ({"type": "url_citation", "url_citation": {"url": "https://a.b/c", "title": "T"}}, "https://a.b/c", "T (a.b)"),
        ({"type": "url_citation", "url": "https://a.b/c", "title": " "}, "https://a.b/c", "a.b"),
        ({"url": "https://a.b", "title": 7}, "https://a.b", "a.b"),
        ({"type": "url_citation", "url_citation": {"url": "javascript:x", "title": "T"}}, None, "T (javascript:x)"),
        (
            {"type": "url_citation", "url_citation": {"url": "http://[a", "title": None}},
            None,
            "http://[a (http://%5Ba)",
        ),
        ({"type": "file_citation", "file_id": "<b>"}, None, '{"type": "file_citation", "file_id": "<b>"}'),
        ({"type": ["x"], "url": 7}, None, '{"type": ["x"], "url": 7}'),
        ("text", None, '"text"'),
    ],
)
def test_a_source_is_a_link_with_its_host_or_words(annotation: Any, link: str | None, shown: str) -> None:
    item = card(Answer(annotations=[annotation])).partition("<li>")[2].partition("</li>")[0]
    assert re.findall('href="([^"]*)"', item) == ([] if link is None else [link])
    assert words(item) == shown


def test_sources_are_numbered_and_those_left_out_are_counted() -> None:
    annotations = [{"url": f"https://a.b/{number}"} for number in range(1_051)]
    drawn = card(Answer(annotations=annotations))
    assert len(re.findall("<ol.*</ol>", drawn)[0].split("<li>")) == 51
    assert "1,001 more sources" in drawn


# Tool calls


@pytest.mark.parametrize(
    ("given", "word", "colour"),
    [
        ({"status": "streaming"}, "streaming", "#2f81f7"),
        ({"repaired": True}, "repaired", "#c07a00"),
        ({"status": "invalid"}, "invalid", "#e5484d"),
    ],
)
def test_the_state_of_a_call_is_a_word_and_a_colour(given: dict[str, Any], word: str, colour: str) -> None:
    drawn = card(Answer(states=[state({"a": 1}, **given)]))
    assert re.search(rf'<span style="color: {colour}[^"]*">(<svg.*</svg>|●)</span> {word}</span>', drawn)


def test_a_call_that_is_whole_needs_no_word() -> None:
    assert "complete" not in card(Answer(states=[state({"a": 1})], finish_reason="tool_calls"))


def test_a_call_shows_name_id_and_plain_arguments_as_a_table() -> None:
    drawn = card(Answer(states=[state({"city": "Pa<ris", "days": 3, "hourly": False, "note": None})]))
    assert words(drawn).startswith("get_weather city")
    assert 'title="call_7f"' in drawn
    assert cells(drawn) == [
        *("city", "Pa&lt;ris", "str"),
        *("days", "3", "int"),
        *("hourly", "no", "bool"),
        *("note", "–", "None"),
    ]


@pytest.mark.parametrize("partial", [{"a": {"b": [1]}}, {str(n): n for n in range(13)}, [1]])
def test_other_arguments_are_json(partial: Any) -> None:
    drawn = card(Answer(states=[state(partial)]))
    assert msgspec.json.decode(html.unescape(re.findall("<pre[^>]*>(.*?)</pre>", drawn, re.DOTALL)[0])) == partial


def test_long_arguments_are_cut_and_what_is_left_is_counted() -> None:
    drawn = card(Answer(states=[state({"a": "x" * 3_000}), state(raw="y" * 4_000, status="invalid")]))
    assert [len(run) for run in re.findall("x{9,}|y{9,}", drawn)] == [1_990, 2_000]  # 10 are {, "a": and white space
    assert re.findall(r"… ([\d,]+) more", drawn) == ["1,013", "2,000"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_arguments_that_python_cannot_write_are_shown_as_they_came(wrapped: bool) -> None:
    number = 10**5_000
    partial = {"a": [number] if wrapped else number}
    assert "as it came" in card(Answer(states=[state(partial, raw="as it came")]))


def test_a_broken_call_shows_its_text_and_what_is_wrong() -> None:
    broken = state({"x": 1}, raw='{"x": 1', status="invalid", error="the arguments end <in> the middle")
    assert 'invalid {"x": 1 the arguments end <in> the middle' in words(card(Answer(states=[broken])))


def test_a_call_without_arguments_says_so_once_it_is_complete() -> None:
    assert "no arguments" in card(Answer(states=[state({})]))
    assert "no arguments" not in card(Answer(states=[state({}, status="streaming")]))


def test_calls_that_are_left_out_are_counted() -> None:
    drawn = card(Answer(states=[state({"a": 1})] * 1_050))
    assert drawn.count("get_weather") == 40
    assert "1,010 more calls" in drawn


def test_an_answer_of_tool_calls_is_not_reported_as_lacking_a_structure() -> None:
    answer = Answer(states=[state({})], schema=Person, value=EmptyOutputError("the answer holds no text."))
    assert "EmptyOutputError" not in card(answer)


def test_an_aggregator_alone_shows_its_calls() -> None:
    aggregator = mf.ToolCallAggregator()
    aggregator.process(0, "call_7", "add", '{"a": 17}')
    bundle = aggregator_bundle(aggregator)
    assert words(bundle["text/html"]) == "add a 17 int"
    assert bundle["text/plain"] == "add(a=17)\nToolCallAggregator(add complete)"


def test_an_aggregator_without_calls_says_so() -> None:
    assert words(aggregator_bundle(mf.ToolCallAggregator())["text/html"]) == "no tool calls yet"


# Whatever comes


def test_nothing_that_a_model_writes_is_markup_anywhere() -> None:
    hostile = state({HOSTILE: HOSTILE}, id=HOSTILE, name=HOSTILE, raw=HOSTILE, error=HOSTILE)
    deep = state({HOSTILE: [HOSTILE]}, status="invalid", raw=HOSTILE)
    answer = Answer(
        *(HOSTILE,),
        prefill=HOSTILE,
        reasoning=HOSTILE,
        refusal=HOSTILE,
        finish_reason=HOSTILE,
        schema_method=HOSTILE,
        states=[hostile, deep, state({"a": [HOSTILE]})],
        annotations=[{HOSTILE: HOSTILE}, {"url": HOSTILE, "title": HOSTILE}, {"url": "https://a.b/" + HOSTILE}],
    )
    tags = {tag for tag, _ in Page(card(answer)).tags}
    assert tags & {"img", "script"} == set()
    assert not any(name.startswith("on") for _, attributes in Page(card(answer)).tags for name in attributes)


def test_what_is_wrong_is_text_too() -> None:
    drawn = card(Answer("{}", schema=Person, value=ValidationFailedError(HOSTILE)))
    assert f">{html.escape(HOSTILE)}</p>" in drawn
    assert f">ValidationFailedError: {html.escape(HOSTILE)}\n" in drawn


def test_details_for_a_report_are_folded_below_a_failure() -> None:
    drawn = card(Answer("{}", schema=Person, value=ValidationFailedError("no age")))
    [report] = re.findall(
        r"<details><summary[^>]*><svg.*?</svg>details for a report</summary><pre[^>]*>([^<]*)</pre>", drawn
    )
    assert report == (
        "ValidationFailedError: no age\nprovider: openai\nmodel: gpt-4.1-nano\nwire: chat\nanswer: answer-1\n"
        "ended: stop\nrequests: 2"
    )
    assert "details for a report" not in card(Answer("fine"))


# The line of numbers


def test_the_status_has_units_and_thousands() -> None:
    answer = Answer(cost=1_234.5, schema_method="json_schema", seconds=1_000.0)
    assert " · ".join(status(answer)) == (
        "61 in · 31,000 out · $1,234.5000 · first word after 0.21 s · 1,000.00 s · stop · json_schema"
    )


def test_what_is_unknown_is_a_dash_in_the_status() -> None:
    usage = SimpleNamespace(prompt_tokens=None, completion_tokens=None)
    answer = Answer(usage=usage, cost=None, seconds_to_first_token=None, seconds=None, finish_reason=None)
    assert " · ".join(status(answer)) == "– in · – out · – cost · –"


def test_a_cost_below_the_last_digit_is_not_shown_as_nothing() -> None:
    assert status(Answer(cost=0.00002))[1] == "< $0.0001"
    assert status(Answer(cost=0.0))[1] == "free"


def test_an_answer_from_the_cache_says_so() -> None:
    assert status(Answer(cached=True), times=False) == ("61 in · 31,000 out", "free", "stop", "cached")


def test_a_stream_that_broke_off_shows_its_error_below_its_words() -> None:
    with serving(
        Reply([chunk("The meeting began at nine. ")], headers={"Content-Type": "text/event-stream"})
    ) as server:
        answer = mf.Model.chat_completion("scripted", base_url=server.url, max_retries=0)(
            "Write the minutes.", stream=True
        )
        with pytest.raises(mf.StreamInterruptedError):
            answer.consume()
        seen = words(shown(answer))
    begin, end = "The meeting began at nine. The answer broke off", "closed the connection in the middle of the answer."
    assert seen.startswith(begin)
    assert end in seen
    assert "failed" in seen
    assert "StreamInterruptedError" in answer_bundle(answer)["text/plain"]


def test_thought_has_its_seconds_when_they_are_known() -> None:
    pieces = [
        chunk(reasoning_content="Why dark"),
        0.2,
        chunk("It is young."),
        chunk(reason="stop"),
        b"data: [DONE]\n\n",
    ]
    with serving(Reply(pieces, headers={"Content-Type": "text/event-stream"})) as server:
        answer = model_at(server.url)("Why?", stream=True)
        answer.consume()
        assert answer.metadata.seconds_of_thought is not None
        assert answer.metadata.seconds_of_thought >= 0.15
        assert re.search(r"thought for 0\.[1-9] s, 8 characters", words(shown(answer)))
    whole = Answer("It is young.", reasoning="Why dark")
    assert "thought · 8 characters" in words(card(whole))


def test_the_way_of_asking_is_shown_with_the_raw_text_of_a_structure() -> None:
    markup = card(Answer('{"name": "Ada", "age": 36}', schema=Person, value=Person("Ada", 36), schema_method="tool"))
    line, _, below = markup.partition("</summary>")
    assert "tool" not in words(line).replace("tools", "")
    assert "asked for by tool" in words(below)
