"""Tests that an error in one row stays in that row, whatever raises it: a cell, a picture, a schema's code, a view."""

from __future__ import annotations

import dataclasses
import enum
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import PIL.Image
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.own_code import has_own_code
from msgflux_nb.tables import progress
from msgflux_nb.tables.extract import finish
from msgflux_nb.tables.ledger import Ledger
from msgflux_nb.tables.outcome import Outcome
from msgflux_nb.tables.report import billed_of
from msgflux_nb.tables.run import Run
from msgflux_nb.widgets.extraction.picture import picture_of
from msgflux_nb.widgets.extraction.tally import Tally
from tests.scripted import Reply, completion, serving
from tests.tables.scripted_model import Scripted, bare


class Place(msgspec.Struct):
    city: str
    country: str


def echo(_: Any) -> Place:
    return Place("x", "y")


def quiet(data: Any, **options: Any) -> pd.DataFrame:
    return mf.extract(data, Place, progress=False, **{"model": Scripted(echo), **options})


class Panic(BaseException):
    """An exception like those of extensions in Rust: it is not an Exception."""


class Bad:
    """An object whose every method fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def _fail(self, *_: Any) -> Any:
        raise self.error

    __str__ = __repr__ = __len__ = __eq__ = __hash__ = __format__ = __iter__ = _fail


def looped() -> list[Any]:
    one: list[Any] = []
    one.append(one)
    return one


class Silent(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


CELLS: dict[str, Callable[[], Any]] = {
    "a str that fails": lambda: Bad(KeyError("x")),
    "a str that ends": lambda: Bad(StopIteration()),
    "a panic": lambda: Bad(Panic("from Rust")),
    "too deep": lambda: Bad(RecursionError("deep")),
    "an error without a text": lambda: Bad(Silent()),
    "itself": looped,
    "half a letter": lambda: "\ud83d",
    "a generator": lambda: (n for n in "ab"),
    "a lambda": lambda: lambda: 1,
    "bytes": lambda: b"\xff\xfe",
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("prompt", [None, "About: {text}"])
def test_a_cell_that_fails_fails_its_row(cell: Callable[[], Any], prompt: str | None) -> None:
    frame = quiet(["Ur", cell(), "Uruk"], prompt=prompt)
    assert frame["_status"].tolist() == ["ok", "failed", "ok"]
    assert frame["_error"].iloc[1]
    assert frame["_attempts"].tolist() == [1, 0, 1]


def pictures(folder: Path) -> list[Any]:
    paths = [folder / f"{n}.png" for n in range(6)]
    for path in paths:
        PIL.Image.new("RGB", (8, 8), "red").save(path)
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:40] + bytes(9) + whole[49:])
    return [str(path) for path in paths]


PICTURES: dict[str, Callable[[], Any]] = {
    "a path with a zero byte": lambda: "a\0b.png",
    "no file": lambda: "/there/is/none.png",
    "an object that fails": lambda: Bad(Panic("x")),
    "an iterator that ends": lambda: Bad(StopIteration()),
    "a lambda": lambda: lambda: 1,
    "text": lambda: "\ud83d",
}


def test_a_damaged_picture_fails_its_row(tmp_path: Path) -> None:
    frame = quiet(pd.DataFrame({"photo": pictures(tmp_path)}), images="photo", prompt="What?")
    assert frame["_status"].tolist() == ["ok", "ok", "ok", "failed", "ok", "ok"]


@pytest.mark.parametrize("cell", PICTURES.values(), ids=PICTURES)
def test_a_picture_that_cannot_be_made_fails_its_row(cell: Callable[[], Any], tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    frame = quiet(
        pd.DataFrame({"photo": pd.Series([paths[0], cell(), paths[1]], dtype=object)}), images="photo", prompt="What?"
    )
    assert frame["_status"].tolist() == ["ok", "failed", "ok"]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "cut in its head": lambda data: data[:20],
    "flipped": lambda data: data[:30] + bytes(255 - byte for byte in data[30:60]) + data[60:],
    "empty": lambda data: b"",
    "a page": lambda data: b"<!doctype html><p>404</p>",
}


@pytest.mark.parametrize("format_", ["PNG", "GIF", "TIFF", "WEBP"])
def test_a_file_damaged_in_any_way_fails_its_row_in_a_batch_and_in_partitions(format_: str, tmp_path: Path) -> None:
    dask = pytest.importorskip("dask.dataframe")
    pixels = np.random.default_rng(1).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    whole = tmp_path / f"whole.{format_.lower()}"
    PIL.Image.fromarray(pixels).save(whole)
    paths = [str(whole)]
    for name, damage in DAMAGE.items():
        if name == "flipped" and format_ != "PNG":  # where other formats hold pixels
            continue
        path = tmp_path / f"{name}.{format_.lower()}"
        path.write_bytes(damage(whole.read_bytes()))
        paths.append(str(path))
    table = pd.DataFrame({"photo": [*paths, str(tmp_path), str(whole)]})
    expected = ["ok", *["failed"] * len(paths), "ok"]
    frame = quiet(table, images="photo", prompt="What?")
    assert [state.replace("cached", "ok") for state in frame["_status"]] == expected
    assert all("MediaError: " in said for said in frame["_error"][1:-1])
    with serving(completion('{"city": "Ur", "country": "IQ"}')) as server:
        asked = mf.Model.chat_completion("m", base_url=server.url)
        parts = mf.extract(dask.from_pandas(table, npartitions=3), Place, model=asked, images="photo", prompt="What?")
        states = parts.compute(scheduler="sync")["_status"]
    assert [state.replace("cached", "ok") for state in states] == expected


def test_a_closed_picture_fails_its_row(tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    closed = PIL.Image.open(paths[0])
    closed.close()
    frame = quiet(pd.DataFrame({"photo": [paths[0], closed, paths[1]]}), images="photo", prompt="What?")
    assert frame["_status"].tolist() == ["ok", "failed", "ok"]


@pytest.mark.parametrize("kind", [list, tuple, lambda cells: np.array(cells, dtype=object), np.array])
def test_a_cell_of_several_pictures_is_a_list_in_any_form(kind: Callable[[Any], Any], tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    cells = pd.Series([kind(paths[:2]), kind(paths[4:5])], dtype=object)
    model = Scripted(echo)
    frame = quiet(pd.DataFrame({"photos": cells}), images="photos", prompt="What?", model=model)
    assert frame["_status"].tolist() == ["ok", "ok"]
    assert sorted(len(message[0]["content"]) for message in model.messages) == [2, 3]


# Code of the schema's own


def own(check: Callable[[Any], object]) -> type[Place]:
    class Checked(Place):
        def __post_init__(self) -> None:
            check(self)

    return Checked


def fails_with(error: BaseException) -> Callable[[Any], None]:
    def check(place: Any) -> None:
        if place.country == "XX":
            raise error

    return check


ERRORS = [
    KeyError("XX"),
    ZeroDivisionError("division by zero"),
    RecursionError("too deep"),
    StopIteration(),
    AttributeError("no x"),
    Panic("from Rust"),
    Silent(),
]


def answers(body: dict[str, Any]) -> Reply:
    text = json.dumps(body["messages"])
    return completion(json.dumps({"city": "x", "country": "XX" if "Atlantis" in text else "PT"}), usage=15)


def hosted(server: Any, **options: Any) -> mf.ChatCompletion:
    def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        server.bodies.append(body)
        return answers(body)

    server.next_reply = next_reply
    return mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=server.url, api_key="k", max_retries=0, **options)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_the_schemas_own_code_raises_keeps_the_row_its_bill_and_its_answer(
    error: BaseException, tmp_path: Path
) -> None:
    store, schema = tmp_path / "run.sqlite", own(fails_with(error))
    with serving() as server:
        model = hosted(server)
        frame = mf.extract(["Lisbon", "Atlantis"], schema, model=model, progress=False, store=store)
        sent = len(server.bodies)
        assert frame["_status"].tolist() == ["ok", "invalid"]
        assert f"Checked itself failed on the answer: {type(error).__name__}" in frame["_error"].iloc[1]
        assert frame["_prompt_tokens"].tolist() == [4, 4]
        assert frame["_completion_tokens"].tolist() == [11, 11]
        assert frame["_attempts"].tolist() == [1, 1], "the model is not asked to correct it"
        assert frame["_cost"].iloc[1] > 0
        again = mf.extract(["Lisbon", "Atlantis"], schema, model=model, progress=False, store=store)
        assert again["_status"].tolist() == ["cached", "invalid"]
        assert type(error).__name__ in again["_error"].iloc[1]
        mended = mf.extract(["Lisbon", "Atlantis"], own(lambda _: None), model=model, progress=False, store=store)
        assert mended["_status"].tolist() == ["cached", "cached"]
        assert mended["country"].tolist() == ["PT", "XX"]
        assert len(server.bodies) == sent == 2


@pytest.mark.parametrize("error", [ValueError("unknown country"), TypeError("no country")])
def test_what_msgspec_takes_for_a_misfit_is_sent_back_once(error: Exception) -> None:
    with serving() as server:
        frame = mf.extract(["Atlantis"], own(fails_with(error)), model=hosted(server), progress=False)
        assert len(server.bodies) == 2
    assert frame["_status"].tolist() == ["invalid"]
    assert frame["_attempts"].tolist() == [2]


@pytest.mark.parametrize("crash", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_ends_a_process_ends_the_batch_and_keeps_the_frame(crash: type[BaseException]) -> None:
    with serving() as server, pytest.raises(crash) as caught:
        mf.extract(
            ["Lisbon", "Atlantis"],
            own(fails_with(crash())),
            model=hosted(server),
            progress=False,
            max_concurrency=1,
        )
    assert caught.value.result["_status"].tolist()[0] == "ok"


def test_json_that_is_nested_too_deep_fails_its_row() -> None:
    with serving() as server:
        model = hosted(server, profile={"reasks": 0})
        usual = server.next_reply

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            deep = "Deep" in body["messages"][-1]["content"]
            reply = usual(body, headers)
            return completion('{"city": ' + "[" * 100_000 + "]" * 100_000 + "}") if deep else reply

        server.next_reply = next_reply  # type: ignore[method-assign]
        frame = mf.extract(["Lisbon", "Deep", "Porto"], Place, model=model, progress=False)
    assert frame["_status"].tolist() == ["ok", "invalid", "ok"]
    assert frame["_prompt_tokens"].tolist() == [4, 4, 4]


# What is no row's


def test_an_iterator_that_fails_is_reported_when_its_rows_have_ended() -> None:
    def lines() -> Iterator[str]:
        yield from ("Ur", "Uruk", "Kish")
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="gone") as caught:
        quiet(lines())
    frame = caught.value.result  # type: ignore[attr-defined]
    assert frame["_status"].tolist() == ["ok", "ok", "ok"]
    assert "the rest of the data could not be read: OSError: the file is gone" in frame.attrs["report"]["stopped"]


def test_progress_that_fails_is_not_shown_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(progress.Progress):
        def show(self, ledger: Any) -> None:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(progress, "Progress", Broken)
    with pytest.warns(RuntimeWarning, match="not shown any more: ValueError: I/O operation"):
        frame = mf.extract(["Ur", "Uruk"], Place, model=Scripted(echo))
    assert frame["_status"].tolist() == ["ok", "ok"]


def test_progress_that_cannot_begin_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no display")

    monkeypatch.setattr(progress, "Progress", broken)
    with pytest.warns(RuntimeWarning, match="no display"):
        assert mf.extract(["Ur"], Place, model=Scripted(echo))["_status"].tolist() == ["ok"]


def test_a_view_that_fails_does_not_end_the_batch() -> None:
    run = Run(["Ur", "Uruk"], Place, model=Scripted(echo))

    def broken(position: int, outcome: Any) -> None:
        raise KeyError("x")

    run.told = broken  # type: ignore[method-assign]
    with pytest.warns(RuntimeWarning, match="the display of this batch failed: KeyError"):
        frame = finish(run, progress=False)
    assert frame["_status"].tolist() == ["ok", "ok"]


def test_a_row_that_is_large_is_a_row() -> None:
    with warnings.catch_warnings():
        frame = quiet(["x" * 10_000_000, "y"])
    assert frame["_status"].tolist() == ["ok", "ok"]


# Unknown and known are unknown together


def priced(costs: dict[str, float | None]) -> Any:
    """Return a model whose answer to a text has this cost; None for an unknown one."""

    class Priced(Scripted):
        async def acall(self, messages: Any, **options: Any) -> Any:
            response = await super().acall(messages, **options)
            response.metadata = msgspec.structs.replace(self.metadata, cost=costs[bare(messages)])
            return response

    return Priced(echo)


@pytest.mark.parametrize(
    ("costs", "cost", "known", "unknown"),
    [
        ({"a": 0.25, "b": 0.5}, 0.75, 0.75, 0),
        ({"a": 0.25, "b": None}, None, 0.25, 1),
        ({"a": 0.0, "b": None}, None, 0.0, 1),
        ({"a": None, "b": None}, None, None, 2),
    ],
)
def test_a_table_with_a_row_of_unknown_cost_has_an_unknown_cost(
    costs: dict[str, float | None], cost: float | None, known: float | None, unknown: int
) -> None:
    report = quiet(list(costs), model=priced(costs)).attrs["report"]
    assert (report["cost"], report["known"]["cost"], report["unknown"]["cost"]) == (cost, known, unknown)
    assert report["prompt_tokens"] == 20


def test_cached_rows_do_not_turn_an_unknown_cost_into_nothing(tmp_path: Path) -> None:
    with serving() as server:
        model = hosted(server)
        mf.extract(["Lisbon"], Place, model=model, progress=False, store=tmp_path / "run.sqlite")
        unknown = mf.Model.chat_completion("scripted", base_url=server.url, api_key="k")
        mf.extract(["Faro"], Place, model=unknown, progress=False, store=tmp_path / "run.sqlite")
        frame = mf.extract(["Faro", "Porto"], Place, model=unknown, progress=False, store=tmp_path / "run.sqlite")
    assert frame["_status"].tolist() == ["cached", "ok"]
    assert frame["_cost"].tolist()[0] == 0.0
    assert frame["_cost"].isna().tolist() == [False, True]
    assert frame.attrs["report"]["cost"] is None
    assert frame.attrs["report"]["unknown"]["cost"] == 1


def test_what_is_unknown_of_a_row_stays_unknown_when_it_is_asked_again() -> None:
    ledger = Ledger()
    ledger.grow(3)
    for position in range(3):
        ledger.end(position, Outcome("failed" if position else "invalid", attempts=1))
        ledger.end(position, Outcome("ok", attempts=1, prompt_tokens=5, completion_tokens=2, cost=0.5))
    assert billed_of(ledger) == {"prompt_tokens": (10, 1), "completion_tokens": (4, 1), "cost": (1.0, 1)}


def test_the_view_says_what_is_known_and_of_how_many_rows_it_is_not() -> None:
    run = Run(["a", "b", "c"], Place, model=priced({"a": 0.25, "b": None, "c": None}))
    tally = Tally(run)
    run.told = tally.take  # type: ignore[method-assign]
    frame = finish(run, progress=False)
    for ended in (None, frame.attrs["report"]):
        figures = dict(picture_of(tally, ended=ended)["figures"])
        assert figures["cost"] == "– ($0.2500, and 2 rows unknown)"
    assert dict(picture_of(Tally(run))["figures"])["cost"] == "– ($0.2500, and 2 rows unknown)"


# An answer is kept before it is decoded

CRASH = """
import os, sys, json
import msgspec
import msgflux_nb as mf

class Checked(msgspec.Struct):
    city: str
    country: str

    def __post_init__(self):
        if self.country == "XX" and sys.argv[3] == "crash":
            os._exit(7)

model = mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=sys.argv[1], api_key="k", max_retries=0)
frame = mf.extract(["Atlantis"], Checked, model=model, progress=False, store=sys.argv[2])
print(json.dumps([frame["_status"].tolist(), frame["country"].tolist()]))
"""


@pytest.mark.parametrize("plain", [True, False], ids=["the short way", "the long way"])
def test_an_answer_that_takes_the_process_with_it_is_not_paid_for_again(plain: bool, tmp_path: Path) -> None:
    with serving() as server:
        hosted(server)
        usual = server.next_reply

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            reply = usual(body, headers)
            return reply if plain else Reply([reply.pieces[0].replace(b'"index": 0', b'"index": 1')])  # type: ignore[union-attr]

        server.next_reply = next_reply  # type: ignore[method-assign]
        command = [sys.executable, "-c", CRASH, server.url, str(tmp_path / "run.sqlite")]
        assert subprocess.run([*command, "crash"], timeout=60).returncode == 7
        again = subprocess.run([*command, "mended"], check=True, timeout=60, capture_output=True, text=True)
        assert json.loads(again.stdout) == [["cached"], ["XX"]]
        assert len(server.bodies) == 1


def test_memory_that_runs_out_in_the_schemas_code_loses_no_answer(tmp_path: Path) -> None:
    store = tmp_path / "run.sqlite"
    with serving() as server:
        model = hosted(server)
        with pytest.raises(MemoryError):
            mf.extract(["Atlantis"], own(fails_with(MemoryError())), model=model, progress=False, store=store)
        frame = mf.extract(["Atlantis"], own(lambda _: None), model=model, progress=False, store=store)
        assert frame["_status"].tolist() == ["cached"]
        assert len(server.bodies) == 1


class Plainly(msgspec.Struct):
    places: list[Place] | None


class Colour(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.RED


@dataclasses.dataclass
class Deep:
    inner: dict[str, list[Any]]

    def __post_init__(self) -> None:
        pass


class Holder(msgspec.Struct):
    deep: list[Deep] | None
    itself: Holder | None = None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [(int, False), (Place, False), (Plainly, False), (own(print), True), (Colour, True), (Deep, True), (Holder, True)],
)
def test_code_of_the_schemas_own_is_found(schema: Any, expected: bool) -> None:
    assert has_own_code(schema) is expected


ODD: dict[str, Callable[[], Any]] = {
    "an object": object,
    "an object that fails": lambda: Bad(KeyError("x")),
    "an array": lambda: np.zeros(3),
    "a large number": lambda: 2**70,
    "a lambda": lambda: lambda: 1,
    "half a letter": lambda: "\ud83d",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(("field", "said"), [(str, '"x"'), (int, "1"), (float, "1.5"), (list[int], "[1]")])
def test_a_value_that_is_not_of_its_fields_type_does_not_lose_the_table(
    field: Any, said: str, odd: Callable[[], Any]
) -> None:
    schema = msgspec.defstruct(
        "Odd", [("cell", field)], namespace={"__post_init__": lambda self: setattr(self, "cell", odd())}
    )
    with serving(completion(f'{{"cell": {said}}}')) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        assert mf.extract(["x"], schema, model=model, progress=False)["_status"].tolist() == ["ok"]


class Checked(msgspec.Struct):
    """A class at the top of a module, so that Dask finds it."""

    city: str
    country: str

    def __post_init__(self) -> None:
        if self.country == "XX":
            raise KeyError("XX")


def test_a_row_of_a_partition_is_that_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("dask.dataframe")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    texts = pd.DataFrame({"text": ["Lisbon", "Atlantis", "Porto", "Faro"]})
    with serving() as server:
        hosted(server)
        model = mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=server.url, max_retries=0)
        for expected in (["ok", "invalid", "ok", "ok"], ["cached", "invalid", "cached", "cached"]):
            lazy = mf.extract(
                dask.from_pandas(texts, npartitions=2),
                Checked,
                model=model,
                prompt="{text}",
                store=tmp_path / "s.sqlite",
            )
            frame = lazy.compute(scheduler="threads")
            assert frame["_status"].tolist() == expected
            assert frame["_prompt_tokens"].tolist()[1] == (4 if expected[0] == "ok" else 0)
        assert len(server.bodies) == 4
