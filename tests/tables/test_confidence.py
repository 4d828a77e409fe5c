"""The confidence of each field: from the tokens of its value, or by agreement; missing if unknown; and its errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.judging.measure import FieldMeter
from msgflux_nb.tables.judging.places import places_of
from msgflux_nb.tables.outcome import Outcome, together
from tests.scripted import Reply, completion, error, model_at, serving

Mood = Literal["happy", "sad", "sadder"]


class Person(msgspec.Struct, rename="camel"):
    first_name: str
    age: int | None
    mood: Mood
    is_adult: bool
    tags: list[str] = []


Token = tuple[str, float] | tuple[str, float, dict[str, float]]


def answer(*tokens: Token, content: str | None = None) -> Reply:
    """Return an answer with the probabilities of its tokens and of their alternatives."""
    listed = [
        {
            "token": token,
            "logprob": math.log(sure),
            "bytes": list(token.encode()),
            "top_logprobs": [{"token": text, "logprob": math.log(p)} for text, p in (rest[0] if rest else {}).items()],
        }
        for token, sure, *rest in tokens
    ]
    text = "".join(token for token, *_ in tokens) if content is None else content
    message = {"index": 0, "message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": listed}}
    body = {"model": "scripted", "choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


ANSWER: list[Token] = [
    ('{"', 0.1),
    ("firstName", 0.1),
    ('": "', 0.1),
    ("Zoë", 0.9),
    (' Li"', 0.8),
    (', "age": ', 0.1),
    ("3", 0.5),
    ("4", 0.5),
    (', "mood":', 0.1),
    (' "', 0.9),
    ("sad", 0.3, {"sad": 0.3, "happy": 0.1, "angry": 0.5, "hap": 0.1}),
    ('",', 0.2, {'",': 0.2, "der": 0.2, "ness": 0.6}),
    (' "isAdult": ', 0.1),
    ("true", 0.6, {"true": 0.6, "false": 0.2, "null": 0.0001}),
    (', "tags": ["', 0.1),
    ("a", 0.7),
    ('", "', 0.1),
    ("b", 0.4),
    ('"]}', 0.1),
]
EXPECTED = {
    "first_name": 0.9 * 0.8,
    "age": 0.25,
    "mood": (0.3 / 0.5) * (0.2 / 0.4),
    "is_adult": 0.6 / 0.8,
    "tags": 0.4,
}


def extracted(*replies: Reply, data: Any = ("text",), schema: Any = Person, **options: Any) -> pd.DataFrame:
    with serving(*replies) as server:
        model = options.pop("model", None) or model_at(server.url)
        return mf.extract(list(data), schema, model=model, progress=False, **{"store": False, **options})


def test_a_field_is_as_sure_as_the_tokens_of_its_value_and_a_choice_as_it_is_beside_the_others() -> None:
    result = extracted(answer(*ANSWER), confidence=True)
    sure = result.mf.confidence().iloc[0].to_dict()
    assert sure == pytest.approx(EXPECTED)
    assert result["_confidence"].tolist() == pytest.approx([0.25])
    assert str(result["_confidence"].dtype) == "Float64"


def test_the_request_asks_for_probabilities_only_where_confidence_does() -> None:
    with serving(answer(*ANSWER)) as server:
        model = model_at(server.url)
        mf.extract(["a"], Person, model=model, store=False, progress=False)
        mf.extract(["a"], Person, model=model, store=False, progress=False, confidence=True)
        few = model_at(server.url, top_logprobs=5, logprobs=True)
        mf.extract(["a"], Person, model=few, store=False, progress=False, confidence=True)
        assert [body.get("logprobs") for body in server.bodies] == [None, True, True]
        assert [body.get("top_logprobs") for body in server.bodies] == [None, 20, 5]


@pytest.mark.parametrize(
    ("before", "behind"),
    [("Let me see: 34. ```json\n", "\n```"), ("```\n", "\n```"), ("Here [it] is: ", " Done."), ('{"a": 1} or ', "")],
)
def test_the_structure_is_found_in_the_tokens_of_an_answer_with_words_around_it(before: str, behind: str) -> None:
    result = extracted(answer((before, 0.9), *ANSWER, *([(behind, 0.9)] if behind else [])), confidence=True)
    assert result["_status"].tolist() == ["ok"]
    assert result.mf.confidence().iloc[0].to_dict() == pytest.approx(EXPECTED)


def test_a_value_other_than_a_record_is_measured_too() -> None:
    result = extracted(answer(('{"value": ', 0.1), ("7", 0.6), ("}", 0.1)), schema=int, confidence=True)
    assert result.mf.confidence()["value"].tolist() == pytest.approx([0.6])


def on_responses(text: str, sure: float) -> Reply:
    part = {"type": "output_text", "text": text, "annotations": []}
    part["logprobs"] = [{"token": text, "logprob": math.log(sure), "bytes": list(text.encode()), "top_logprobs": []}]
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    body = {"id": "r", "model": "scripted", "status": "completed", "output": [message]}
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def test_confidence_works_on_the_responses_wire() -> None:
    with serving(on_responses('{"value": 7}', 0.6)) as server:
        model = model_at(server.url, wire="responses")
        result = mf.extract(["a"], int, model=model, store=False, progress=False, confidence=True)
        assert "message.output_text.logprobs" in server.bodies[0]["include"]
    assert result["_confidence"].tolist() == pytest.approx([0.6])


def test_a_row_without_probabilities_is_missing_and_never_sure() -> None:
    other = completion('{"firstName": "B", "age": 1, "mood": "sad", "isAdult": true, "tags": []}')
    result = extracted(answer(*ANSWER), other, data=["a", "b", ""], confidence=True, max_concurrency=1)
    assert result["_confidence"].isna().tolist() == [False, True, True]
    assert result.mf.confidence().isna().all(axis=1).tolist() == [False, True, True]


def test_tokens_that_are_not_the_text_say_nothing() -> None:
    result = extracted(
        answer(*ANSWER, content='{"firstName": "B", "age": 1, "mood": "sad", "isAdult": true}'), confidence=True
    )
    assert result["_status"].tolist() == ["ok"]
    assert result["_confidence"].isna().all()


def test_a_provider_that_sends_none_is_an_error_that_says_what_works() -> None:
    plain = completion('{"value": 7}')
    with pytest.raises(mf.MsgfluxError, match="confidence=3 asks each row three times") as caught:
        extracted(plain, data=["a", "b", "c", "d"] * 5, schema=int, confidence=True, max_concurrency=1)
    assert caught.value.result["_status"].tolist().count("ok") == 1  # type: ignore[attr-defined]  # evidence


@pytest.mark.parametrize("name", ["anthropic/claude-x", "groq/llama", "mistral/small"])
def test_a_provider_without_probabilities_is_refused_before_anything_is_sent(name: str) -> None:
    model = mf.Model.chat_completion(name, api_key="k")
    with pytest.raises(ValueError, match="confidence=3"):
        mf.extract(["a"], int, model=model, confidence=True, progress=False)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Unsupported parameter: 'logprobs' is not supported with this model.", "confidence=3"),
        ("top_logprobs: extra inputs are not permitted", "confidence=3"),
        ("temperature is too high", None),
    ],
)
def test_a_model_that_refuses_to_give_them_is_an_error_that_says_what_works(said: str, expected: str | None) -> None:
    with serving(error(400, said)) as server:
        options: dict[str, Any] = {"model": model_at(server.url), "store": False, "progress": False}
        if expected is None:
            assert mf.extract(["a", "b"], int, confidence=True, **options)["_status"].tolist() == ["failed", "failed"]
        else:
            with pytest.raises(mf.MsgfluxError, match=expected):
                mf.extract(["a", "b"], int, confidence=True, **options)


def test_a_provider_whose_logprobs_is_a_number_is_asked_by_one() -> None:
    old = {"tokens": ['{"value": ', "7", "}"], "token_logprobs": [-9.0, math.log(0.6), -9.0]}
    choice = {"index": 0, "message": {"content": '{"value": 7}'}, "finish_reason": "stop", "logprobs": old}
    reply = Reply([json.dumps({"choices": [choice]}).encode()], headers={"Content-Type": "application/json"})
    with serving(reply) as server:
        model = mf.Model.chat_completion("together/some", api_key="k", base_url=server.url)
        result = mf.extract(["a"], int, model=model, store=False, progress=False, confidence=True)
        assert (server.bodies[0]["logprobs"], "top_logprobs" in server.bodies[0]) == (5, False)
    assert result["_confidence"].tolist() == pytest.approx([0.6])


@pytest.mark.parametrize("given", [1, 0, -1, 65, "yes", 2.5])
def test_a_confidence_that_is_not_a_number_of_answers_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="confidence"):
        extracted(completion("{}"), confidence=given)


def test_without_confidence_there_is_no_column_and_asking_for_it_is_an_error() -> None:
    result = extracted(completion('{"value": 7}'), schema=int)
    assert "_confidence" not in result
    with pytest.raises(ValueError, match="confidence=True"):
        result.mf.confidence()


# -- agreement -----------------------------------------------------------------------------------------------------


def said(name: str, age: int) -> Reply:
    return completion(json.dumps({"name": name, "age": age}))


class Named(msgspec.Struct):
    name: str
    age: int


def test_agreement_is_counted_by_value_and_field(tmp_path: Path) -> None:
    store = tmp_path / "a.sqlite"
    with serving(said("Bo", 1), said("  Bo", 2), said("Bo", 1)) as server:
        model = model_at(server.url)
        options: dict[str, Any] = {"model": model, "store": store, "progress": False}
        result = mf.extract(["a"], Named, confidence=3, **options)
        assert result[["name", "age"]].iloc[0].tolist() == ["Bo", 1]
        assert result.mf.confidence().iloc[0].tolist() == pytest.approx([1.0, 2 / 3])
        assert result["_confidence"].tolist() == pytest.approx([2 / 3])
        assert result["_attempts"].tolist() == [3]
        assert result["_prompt_tokens"].tolist() == [12]
        assert len(server.bodies) == 3
        again = mf.extract(["a"], Named, confidence=3, **options)
        assert len(server.bodies) == 3  # each answer is kept by its number
        assert again["_status"].tolist() == ["cached"]
        assert again["_confidence"].tolist() == pytest.approx([2 / 3])
        more = mf.extract(["a"], Named, confidence=4, **options)
        assert len(server.bodies) == 4
        assert more["_confidence"].tolist() == pytest.approx([3 / 4])
        alone = mf.extract(["a"], Named, **options)
        assert (len(server.bodies), alone["age"].tolist()) == (4, [1])


def test_an_answer_that_did_not_fit_agrees_with_no_other() -> None:
    bad = completion("no JSON at all")
    result = extracted(said("Bo", 1), bad, bad, said("Bo", 1), schema=Named, confidence=3)
    assert result["_confidence"].tolist() == pytest.approx([2 / 3])


def test_answers_that_cannot_differ_are_refused() -> None:
    for option in ({"temperature": 0}, {"seed": 1}):
        with serving(said("Bo", 1)) as server, pytest.raises(ValueError, match="needs answers that vary"):
            mf.extract(["a"], Named, model=model_at(server.url, **option), confidence=3, progress=False)


def test_what_was_paid_for_is_measured_again_from_the_store(tmp_path: Path) -> None:
    with serving(answer(*ANSWER)) as server:
        options: dict[str, Any] = {"model": model_at(server.url), "store": tmp_path / "a.sqlite", "progress": False}
        first = mf.extract(["a", "a"], Person, confidence=True, **options)
        again = mf.extract(["b", "a"], Person, confidence=True, **options)
        assert len(server.bodies) == 2
    assert first["_confidence"].tolist() == pytest.approx([0.25, 0.25])
    assert again["_status"].tolist() == ["ok", "cached"]
    assert again.mf.confidence().iloc[1].to_dict() == pytest.approx(EXPECTED)
    assert again.mf.confidence().loc[[1]].equals(again.loc[[1]].mf.confidence())


def test_an_exploded_result_repeats_the_confidence_of_its_row() -> None:
    result = extracted(answer(*ANSWER), confidence=True, explode="tags")
    assert result["_confidence"].tolist() == pytest.approx([0.25, 0.25])
    assert result.mf.confidence()["age"].tolist() == pytest.approx([0.25, 0.25])


# -- calibration ---------------------------------------------------------------------------------------------------


def test_calibration_tells_how_often_cells_are_right_by_how_sure_they_are() -> None:
    replies = [answer(('{"value": ', 0.1), (str(place), 0.96 if place < 8 else 0.3), ("}", 0.1)) for place in range(10)]
    result = extracted(*replies, data=range(10), schema=int, confidence=True, max_concurrency=1)
    truth = pd.DataFrame({"value": [*range(7), 99, 8, 99]})
    scored = result.mf.score(truth)
    assert scored.accuracy == pytest.approx(0.8)
    found = scored.calibration
    assert found is not None
    assert found.bands.index.tolist() == ["0 to 0.5", "0.95 to 0.99"]
    assert found.bands["right"].tolist() == [1, 7]
    assert found.bands["cells"].tolist() == [2, 8]
    assert found.bands["confidence"].tolist() == pytest.approx([0.3, 0.96])
    assert found.bands["low"].tolist() == pytest.approx([0.0945, 0.5291], abs=1e-3)
    assert found.error == pytest.approx((0.2 * 2 + abs(0.96 - 7 / 8) * 8) / 10)
    html = found._repr_mimebundle_()["text/html"]
    assert html.count("position: relative") == 2
    assert "8 cells" not in html
    assert "10 cells" in scored._repr_mimebundle_()["text/html"]


def test_without_confidence_there_is_no_calibration() -> None:
    result = extracted(completion('{"value": 7}'), schema=int)
    assert mf.score(result, pd.DataFrame({"value": [7]})).calibration is None


# -- the parts -----------------------------------------------------------------------------------------------------


def test_values_are_found_where_they_stand() -> None:
    text = ' {"a": {"b": [1, -2.5e3, "x\\"}"]}, "c": null, "d": {}, "e": [] } '
    found = {one.path: text[one.start : one.end] for one in places_of(text)}
    assert found == {("a", "b", 0): "1", ("a", "b", 1): "-2.5e3", ("a", "b", 2): '"x\\"}"', ("c",): "null"}
    for broken in ('{"a": 1', "{'a': 1}", '{"a" 1}', "", "{}x", "[1,]"):
        assert places_of(broken) == []


def one_token(text: str, sure: float, at: str, others: dict[str, float]) -> bytes:
    before, _, behind = text.partition(at)
    return bytes(answer((before, 0.5), (at, sure, others), (behind, 0.5)).pieces[0])  # type: ignore[arg-type]  # bytes


def test_null_is_one_of_the_values_that_a_choice_may_have() -> None:
    class Maybe(msgspec.Struct):
        mood: Mood | None

    reply = one_token('{"mood": null}', 0.5, " null", {" null": 0.5, ' "': 0.25, " happy": 0.25})
    assert FieldMeter(Maybe).measured(reply, '{"mood": null}') == pytest.approx({"mood": 2 / 3})


def test_a_choice_of_numbers_is_told_apart_by_its_digits() -> None:
    class Grade(msgspec.Struct):
        grade: Literal[1, 2, 30]

    reply = one_token('{"grade": 30}', 0.2, "30", {"30": 0.2, "1": 0.1, "3": 0.1, "5": 0.6})
    assert FieldMeter(Grade).measured(reply, '{"grade": 30}') == pytest.approx({"grade": 0.3 / 0.5})


def test_a_value_that_no_given_token_goes_on_to_weighs_as_the_least_likely_of_them() -> None:
    class Maybe(msgspec.Struct):
        mood: Mood

    tops = {'"happy': 0.01, "```": 0.9, "So": 0.005}  # before a grammar's mask: the two others are unknown
    reply = one_token('{"mood": "happy"}', 0.01, '"happy', tops)
    assert FieldMeter(Maybe).measured(reply, '{"mood": "happy"}') == pytest.approx({"mood": 0.01 / 0.02})


def test_a_choice_without_the_probabilities_of_the_others_counts_alone() -> None:
    class Maybe(msgspec.Struct):
        sure: bool

    reply = one_token('{"sure": true}', 0.5, "true", {})
    assert FieldMeter(Maybe).measured(reply, '{"sure": true}') == pytest.approx({"sure": 0.5})


def test_each_value_of_a_choice_has_its_chance() -> None:
    class Felt(msgspec.Struct):
        mood: Mood
        grade: Literal[1, 2, 30] = 1

    text = '{"mood": "happy"}'
    reply = one_token(text, 0.5, '"happy', {'"happy': 0.5, '"sad"': 0.2, '"sadd': 0.1, "So": 0.2})
    chances = FieldMeter(Felt).chances(reply, text)
    assert chances == {"mood": pytest.approx({'"happy"': 0.625, '"sad"': 0.25, '"sadder"': 0.125})}
    assert chances["mood"]['"happy"'] == pytest.approx(FieldMeter(Felt).measured(reply, text)["mood"])
    for others in ({'"sa': 0.4}, {'"sa': 0.3, '"sad"': 0.1}):  # sad or sadder: unknown
        unclear = one_token(text, 0.6, '"happy', {'"happy': 0.6, **others})
        assert FieldMeter(Felt).chances(unclear, text) == {"mood": pytest.approx({'"happy"': 0.6})}
    later = one_token('{"mood": "sadder"}', 0.9, "der", {"der": 0.9, '"': 0.1})
    assert FieldMeter(Felt).chances(later, '{"mood": "sadder"}') == {}  # the token before lists no others
    assert FieldMeter(Felt).chances(one_token(text, 0.5, '"happy', {}), text) == {}
    assert FieldMeter(Felt).chances(None, None) == {}


def test_a_review_shows_the_chance_of_each_choice() -> None:
    result = extracted(answer(*ANSWER), confidence=True, store=None)
    fields = {field["name"]: field for field in mf.ReviewView(result).row["fields"]}
    assert fields["mood"]["choices"] == ["happy", "sad", "sadder"]
    assert fields["mood"]["chances"] == pytest.approx([0.4, 0.3, 0.3])
    assert fields["is_adult"]["choices"] == ["true", "false"]
    assert fields["is_adult"]["chances"] == pytest.approx([0.75, 0.25], abs=0.01)
    assert fields["tags"]["chances"] == []
    counted = extracted(answer(*ANSWER), answer(*ANSWER), confidence=2, store=None)
    assert mf.ReviewView(counted).row["fields"][2]["chances"] == [None, None, None]


def test_what_was_read_from_the_cache_is_counted_for_every_sample() -> None:
    one = Outcome("ok", 1, prompt_tokens=1_000, completion_tokens=5, cached_tokens=900)
    several = together([one, one, one], {})
    assert (several.prompt_tokens, several.cached_tokens) == (3_000, 2_700)
