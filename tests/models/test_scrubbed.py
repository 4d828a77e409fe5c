"""Keys are removed from what a server adds to an answer; what is too large to be searched is left out, and said."""

from __future__ import annotations

import msgspec
import pytest

from msgflux_nb.models.keys import Key, hide, scrub
from msgflux_nb.models.scrubbed import Masked, without_keys
from msgflux_nb.protocol.snapshot import Choice, Snapshot

KEY = Key("sk-canary/\"'0123456789")
EMPTY = Choice(
    index=0,
    text="",
    continuation="",
    reasoning=None,
    refusal=None,
    tool_calls=(),
    audio=None,
    images=(),
    annotations=(),
    logprobs=(),
    finish_reason=None,
    raw_finish_reason=None,
    fields={},
)


def snapshot(fields: dict[str, object]) -> Snapshot:
    return Snapshot(
        choices=(msgspec.structs.replace(EMPTY, fields=fields),), usage=None, id=None, model=None, fields={}
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"note": f"your key is {KEY.reveal()}"},
        {f"x {KEY.reveal()}": 1},
        {"deep": [{"in": ["a", KEY.reveal().encode().hex(), f"<{KEY.reveal()}>"]}]},
    ],
)
def test_a_key_is_masked_wherever_it_is_in_a_field(fields: dict[str, object]) -> None:
    masked = Masked(lambda text: hide(text, [KEY])).snapshot(snapshot(fields))
    assert KEY.reveal() not in str(masked.choices[0].fields)
    assert "[key]" in str(masked.choices[0].fields)


def test_fields_without_a_key_stay_the_same_objects() -> None:
    fields: dict[str, object] = {"note": "nothing", "list": [1, {"a": "b"}]}
    assert Masked(lambda text: hide(text, [KEY])).snapshot(snapshot(fields)).choices[0].fields is fields


def test_fields_of_a_failed_answer_that_are_too_large_are_left_out_with_a_warning() -> None:
    kept = without_keys(snapshot({"a": "x" * 999_000}), scrub)
    assert kept.choices[0].fields["a"] == "x" * 999_000
    assert not kept.warnings
    left = without_keys(snapshot({"a": "x" * 1_000_000}), scrub)
    assert left.choices[0].fields == {}
    (warning,) = left.warnings
    assert "left out" in warning
