"""``df.mf``: how it is registered, that it does the same as the functions, and how it explains a row."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.accessor import register
from msgflux_nb.tables.explain import Explanation
from tests.scripted import completion, error
from tests.tables.counting import KEY, Counting, Person, counting, named, restart_kernel
from tests.thorough import few

__all__ = ["counting"]

BAD = error(400, "no such thing")


class Team(msgspec.Struct):
    people: list[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


# Where it comes from


VIEW = "from tests.tables.scripted_model import *; view = mf.ExtractionView(['a'], str, model=Scripted(str))"
HAS = "hasattr(pd.DataFrame, 'mf') and hasattr(pd.Series, 'mf')"


@pytest.mark.parametrize(
    ("code", "has"),
    few(
        [
            ("import pandas as pd, msgflux_nb", True),
            ("import msgflux_nb, pandas as pd", False),
            ("import msgflux_nb, pandas as pd, msgflux_nb.pandas", True),
            ("import msgflux_nb.pandas, pandas as pd", True),
            ("import msgflux_nb as mf, pandas as pd; mf.extract", True),
            ("import msgflux_nb as mf, pandas as pd; mf.to_frame", True),
            ("import msgflux_nb as mf, pandas as pd; mf.runs()", True),
            ("import msgflux_nb as mf, pandas as pd; mf.Model", False),
            (f"import msgflux_nb as mf, pandas as pd; {VIEW}; view.run(wait=True)", True),
        ],
        4,
    ),
)
def test_tables_have_it_from_the_first_use_on(code: str, has: bool) -> None:
    command = [sys.executable, "-W", "error", "-c", f"{code}; print({HAS})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == str(has)


def test_the_table_of_an_answer_is_a_first_use(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pd.DataFrame, "mf")
    pd.DataFrame._accessors.discard("mf")
    response = counting.model()("a", generation_schema=Person)
    assert response.to_frame().mf is not None


def test_importing_the_package_after_pandas_loads_nothing_heavy() -> None:
    code = "import pandas, sys; before = set(sys.modules); import msgflux_nb; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 12


def test_a_package_that_pandas_loads_may_load_ours() -> None:
    code = (
        "import sys, types; sys.modules['pandas'] = types.ModuleType('pandas'); import msgflux_nb; "
        "print('msgflux_nb.pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_registering_it_again_says_nothing() -> None:
    register()


# The same engine


@pytest.mark.parametrize("way", ["extract", "aextract"])
def test_a_frame_is_extracted_from(counting: Counting, way: str) -> None:
    data = pd.DataFrame({"title": ["a", "b"], "body": ["x", "y"]}, index=[7, 7])
    options: dict[str, Any] = {"model": counting.model(), "prompt": "{title} {body}", "progress": False}
    result = (
        data.mf.extract(Person, **options) if way == "extract" else asyncio.run(data.mf.aextract(Person, **options))
    )
    assert result["name"].tolist() == ["a x", "b y"]
    assert result.index.tolist() == [7, 7]
    expected = mf.extract(data, Person, **options)
    pd.testing.assert_frame_equal(result[["name", "age"]], expected[["name", "age"]])
    assert counting.calls == 2


@pytest.mark.parametrize("way", ["extract", "aextract"])
def test_a_column_is_extracted_from(counting: Counting, way: str) -> None:
    column = pd.DataFrame({"t": ["a", None]}, index=["x", "y"])["t"]
    options: dict[str, Any] = {"model": counting.model(), "progress": False}
    made = (
        column.mf.extract(Person, **options) if way == "extract" else asyncio.run(column.mf.aextract(Person, **options))
    )
    assert made["_status"].tolist() == ["ok", "skipped"]
    assert made.index.tolist() == ["x", "y"]


def test_an_unknown_option_is_refused(counting: Counting) -> None:
    with pytest.raises(TypeError, match="promt"):
        pd.DataFrame({"t": ["a"]}).mf.extract(Person, promt="{t}", progress=False)


def test_the_report_of_a_result_is_at_hand(counting: Counting) -> None:
    result = counting.extract(["a"])
    assert result.mf.report is result.attrs["report"]
    with pytest.raises(TypeError, match="expected a result"):
        _ = pd.DataFrame().mf.report


# Explained


def explained(result: pd.DataFrame, *row: Any, **position: Any) -> Explanation:
    explanation = result.mf.explain(*row, **position)
    assert isinstance(explanation, Explanation)
    return explanation


STORES = pytest.mark.parametrize("store", ["file", "restarted", None])


@pytest.fixture
def kept(counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a result with a store, and restarts the kernel if the test asks for it."""

    def make(store: str | None, data: Any, **options: Any) -> pd.DataFrame:
        result = counting.extract(data, store=None if store is None else path, **options)
        if store == "restarted":
            restart_kernel(monkeypatch)
        return result

    return make


@STORES
def test_a_row_is_explained_by_its_request_and_its_raw_answer(counting: Counting, kept: Any, store: str | None) -> None:
    result = kept(store, pd.Series(["a", "b"], index=["x", "y"]))
    one = explained(result, "y")
    body = counting.server.bodies[counting.texts.index("b")]
    assert one.request == body
    assert one.answer == named("b").pieces[0].decode()
    assert json.loads(one.text or "") == {"name": "b", "age": 1}
    assert (one.row, one.position, one.state, one.error, one.note) == ("y", 1, "ok", None, None)
    assert (one.attempts, one.prompt_tokens, one.completion_tokens, one.cost) == (1, 4, 3, None)
    assert one.seconds is not None
    assert one.turns == [(message["role"], message["content"]) for message in body["messages"]]


@STORES
def test_a_row_that_failed_is_explained_too(counting: Counting, kept: Any, store: str | None) -> None:
    counting.reply = lambda text: BAD if text == "b" else named(text)
    one = explained(kept(store, ["a", "b"]), 1)
    assert (one.state, one.attempts, one.answer) == ("failed", 1, None)
    assert "no such thing" in (one.error or "")
    assert one.request == counting.server.bodies[counting.texts.index("b")]


@STORES
def test_an_answer_that_did_not_fit_is_shown(counting: Counting, kept: Any, store: str | None) -> None:
    counting.reply = lambda _: completion('{"name": 3}')
    one = explained(kept(store, ["a"]), 0)
    assert (one.state, one.text) == ("invalid", '{"name": 3}')
    assert '{\\"name\\": 3}' in (one.answer or "")


@STORES
def test_a_row_that_was_not_asked_for_says_where_its_answer_is_from(
    counting: Counting, kept: Any, store: str | None
) -> None:
    one = explained(kept(store, ["a", "a"], max_concurrency=1), 1)
    assert one.state == "cached"
    assert "nothing was sent for this row" in (one.note or "")
    assert one.attempts == 1
    assert one.answer == named("a").pieces[0].decode()


def test_a_row_that_was_not_sent_shows_what_would_be(counting: Counting) -> None:
    counting.reply = lambda _: BAD
    result = counting.extract(["a", "b", None], on_error="stop", max_concurrency=1)
    pending, blank = explained(result, 1), explained(result, 2)
    assert (pending.state, pending.note) == ("pending", "this is what would be sent")
    assert "b" in pending.turns[-1][1]
    assert (blank.state, blank.request, blank.note) == (
        "pending",
        None,
        "every cell is missing or blank: nothing is sent",
    )


def test_a_row_that_could_not_be_sent_says_why(counting: Counting) -> None:
    one = explained(counting.extract(["a", "\ud800"]), 1)
    assert one.state == "failed"
    assert "surrogate" in (one.note or "")
    assert one._repr_mimebundle_()["text/html"]


def test_an_answer_that_was_not_kept_is_not_there(counting: Counting) -> None:
    one = explained(counting.extract(["a"], store=False), 0)
    assert (one.answer, one.note) == (None, "the answer was not kept")
    assert one.request == counting.server.bodies[0]


def test_an_iterators_rows_are_explained(counting: Counting) -> None:
    one = explained(counting.extract(iter(["a", "b"])), 1)
    assert one.request == counting.server.bodies[counting.texts.index("b")]


def test_a_label_that_is_there_twice_asks_for_a_position(counting: Counting) -> None:
    result = counting.extract(pd.Series(["a", "b", "c"], index=[7, 7, 8]))
    assert explained(result, 8).turns[-1][1].count("c")
    with pytest.raises(ValueError, match=r"2 rows.*position=0, 1"):
        result.mf.explain(7)
    assert json.loads(explained(result, position=1).text or "")["name"] == "b"
    assert json.loads(explained(result, position=-1).text or "")["name"] == "c"


def test_rows_with_equal_labels_are_not_confused(counting: Counting) -> None:
    counting.reply = lambda text: BAD if text == "b" else named(text)
    result = counting.extract(pd.Series(["a", "b", "c"], index=[7, 7, 8]))
    rest = result.iloc[1:]
    assert explained(result, position=0) == explained(result, position=-3)
    assert (explained(rest, position=0).state, explained(rest, position=0).error) == ("ok", None)
    assert (explained(rest, position=1).state, explained(rest, 8).state) == ("failed", "ok")


def test_a_label_of_several_levels(counting: Counting) -> None:
    index = pd.MultiIndex.from_tuples([(1, "a"), (1, "b")])
    result = counting.extract(pd.Series(["a", "b"], index=index))
    assert explained(result, (1, "b")).position == 1
    with pytest.raises(ValueError, match="2 rows"):
        result.mf.explain(1)


@pytest.mark.parametrize(
    ("row", "position", "kind"),
    [(9, None, KeyError), (None, 2, IndexError), (None, None, TypeError), (0, 0, TypeError)],
)
def test_a_value_that_does_not_name_a_row_is_refused(
    counting: Counting, row: Any, position: int | None, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        counting.extract(["a", "b"]).mf.explain(row, position=position)


def test_some_rows_and_some_columns_are_explained(counting: Counting) -> None:
    result = counting.extract(["a", "b", "c"])
    assert explained(result[result["name"] == "c"], 2).state == "ok"
    assert explained(result[["name"]], 2).state == "ok"


@STORES
def test_rows_in_another_order_are_explained_or_not_known(counting: Counting, kept: Any, store: str | None) -> None:
    counting.reply = lambda text: BAD if text == "c" else named(text)
    result = kept(store, ["a", "b", "c"])
    turned = result.sort_index(ascending=False)
    if store == "restarted":
        for other in (turned, result.iloc[1:]):
            with pytest.raises(mf.StoreError, match="expected the 3 rows of the run in their order"):
                other.mf.explain(2)
    else:
        assert explained(turned, 2) == explained(result, 2)
        assert explained(turned, position=2) == explained(result, position=2)


@STORES
def test_labels_without_a_hash_do_no_harm(counting: Counting, kept: Any, store: str | None) -> None:
    index = pd.Index([("a", ["x"]), ("b", ["y"])], tupleize_cols=False, dtype=object)
    assert explained(kept(store, pd.Series(["a", "b"], index=index)), position=1).state == "ok"


@STORES
def test_exploded_rows_are_explained_by_their_label(counting: Counting, kept: Any, store: str | None) -> None:
    counting.reply = lambda text: completion(json.dumps({"people": list(text)}))
    result = kept(store, pd.Series(["ab", "cd"], index=["x", "y"]), schema=Team, explode="people")
    assert result.index.tolist() == ["x", "x", "y", "y"]
    assert json.loads(explained(result, "y").text or "") == {"people": ["c", "d"]}
    assert explained(result, position=1).row == "y"


def test_a_run_without_a_file_is_gone_with_its_kernel(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    result = counting.extract(["a"])
    restart_kernel(monkeypatch)
    with pytest.raises(mf.StoreError, match="lost when its kernel ends"):
        result.mf.explain(0)


# Shown


HOSTILE = '<img src=x onerror=alert(1)></script><b>$x$</b> & "quoted" \ud83d'


def test_it_shows_itself_in_one_line_and_in_full(counting: Counting) -> None:
    counting.reply = lambda text: BAD if text == "b" else named(text)
    one = explained(counting.extract(["a", "b"]), 1)
    assert repr(one) == "Explanation(row 1, failed, 1 attempt)"
    text = one._repr_mimebundle_()["text/plain"]
    for part in (
        "row       1 (position 1) of run",
        "state     failed",
        "BadRequestError",
        "model     scripted",
        "user  ",
    ):
        assert part in text


def test_what_it_shows_is_escaped(counting: Counting) -> None:
    counting.reply = lambda _: completion(json.dumps({"name": HOSTILE}))
    result = counting.extract(pd.Series([HOSTILE[:-1]], index=pd.Index([HOSTILE], dtype=object)))
    shown = explained(result, HOSTILE)._repr_mimebundle_()["text/html"]
    assert "<img" not in shown
    assert "</script" not in shown
    assert "<b>$" not in shown
    assert "&lt;img" in shown
    assert "mathjax_ignore" in shown
    shown.encode()


def test_pictures_are_named_and_not_written_out(counting: Counting) -> None:
    from tests.tables.test_store_rows import PIXEL

    data = pd.DataFrame({"t": ["a"], "i": [PIXEL]})
    one = explained(counting.extract(data, prompt="{t}", images="i"), 0)
    assert "[image_url, " in one.turns[-1][1]
    assert "base64" not in str(one)


def test_what_looks_like_a_key_in_a_request_is_not_shown(counting: Counting) -> None:
    model = counting.model(extra_body={"gateway": {"api_key": "sk-ELSEWHERE-0123456789"}})
    one = explained(counting.extract(["about sk-learn-pipelines"], model=model), 0)
    assert "ELSEWHERE" not in str(msgspec.to_builtins(one)) + str(one._repr_mimebundle_())
    assert one.request is not None
    assert one.request["gateway"] == {"api_key": "[key]"}
    assert "sk-learn-pipelines" in one.turns[-1][1]  # the row's own text is as it was sent


def test_a_key_is_in_none_of_it(counting: Counting, path: Path) -> None:
    counting.reply = lambda text: error(401, f"wrong key {KEY}") if text == "b" else completion(f'{{"name": "{KEY}"}}')
    model = counting.model(extra_body={"gateway": {"api_key": KEY}}, extra_headers={"X-Key": KEY})
    result = counting.extract(["a", "b"], store=path, model=model, max_concurrency=1)
    assert result["_status"].tolist() == ["ok", "failed"]
    for position in range(2):
        one = explained(result, position=position)
        assert "CANARY" not in str(msgspec.to_builtins(one)) + str(one._repr_mimebundle_())
    for left in path.parent.iterdir():
        assert b"CANARY" not in left.read_bytes()
