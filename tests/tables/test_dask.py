"""``extract`` of a Dask DataFrame, in threads and on a real cluster of two processes."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cloudpickle
import dask
import dask.dataframe as dd
import msgspec
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context

import msgflux_nb as mf
from msgflux_nb.storage.answers import Store, open_store
from msgflux_nb.storage.batches import BatchRecords, Record
from msgflux_nb.tables.distributed import cluster as cluster_module
from msgflux_nb.tables.distributed import travel
from msgflux_nb.tables.distributed.share import Desk, Terms, own_path
from msgflux_nb.tables.run import kernel_memory
from tests.scripted import Reply, completion, error
from tests.tables.counting import KEY, Counting, Person, counting, named, restart_kernel
from tests.tables.forks import preload

__all__ = ["counting"]

WAIT_SECONDS = 120
PLACES = ["file", "beside", "scheduler"]
TEXTS = pd.DataFrame({"text": [f"row {number}" for number in range(24)]}, index=range(100, 124))


class Node(msgspec.Struct):
    name: str
    others: list[Node] = []


class Bill(msgspec.Struct):
    number: int
    kind: Literal["in", "out"]
    paid: bool | None
    total: decimal.Decimal | None = None
    day: datetime.date | None = None
    tags: list[str] = []


BILL = {"number": 7, "kind": "out", "paid": None, "total": "1.50", "day": "2026-01-02", "tags": ["a"]}


@pytest.fixture(autouse=True)
def _key_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    cluster_module.local_desk.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def _workers_are_forked() -> Iterator[None]:
    """Fork the workers from a process with all imports done, since each spawned one imports for 1.7 s of CPU time.

    A script starts its workers as Dask does: see ``test_a_class_of_a_notebook_travels_with_its_fields``.
    """
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # sets Dask's own list of imports, which the next line replaces
        preload()
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with pytest.MonkeyPatch.context() as environment:
        restart_kernel(environment)
        environment.setenv("OPENAI_API_KEY", KEY)
        with small_cluster() as cluster:
            yield cluster


def small_cluster() -> LocalCluster:
    key = {"OPENAI_API_KEY": KEY}
    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", env=key)


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        yield client


def hosted(counting: Counting, **options: Any) -> mf.ChatCompletion:
    """Return a model that takes its key from the environment."""
    return counting.model(**{"name": "openai/gpt-4.1-nano", "api_key": None, **options})


def parts(frame: Any = TEXTS, count: int = 4) -> Any:
    return dd.from_pandas(frame, npartitions=count)


def states(frame: pd.DataFrame) -> dict[str, int]:
    return {state: number for state, number in frame["_status"].value_counts().items() if number}


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def slowly(seconds: float) -> Callable[[str], Reply]:
    def reply(text: str) -> Reply:
        quick = named(text)
        return Reply([seconds, *quick.pieces], headers=quick.headers)

    return reply


# -- the graph ---------------------------------------------------------------------------------------------------------


def test_building_the_graph_asks_nothing_and_knows_the_dtypes(counting: Counting) -> None:
    counting.reply = lambda text: completion(msgspec.json.encode(BILL).decode())
    frame = parts()
    lazy = mf.extract(frame, Bill, model=hosted(counting))
    assert counting.calls == 0
    local = mf.extract(TEXTS, Bill, model=hosted(counting), progress=False)
    assert lazy.drop(columns="_warnings").dtypes.to_dict() == local.dtypes.to_dict()
    assert (lazy.npartitions, lazy.divisions) == (frame.npartitions, frame.divisions)


def test_the_graph_holds_no_key(counting: Counting) -> None:
    lazy = parts().mf.extract(Person, model=hosted(counting))
    for write in (pickle.dumps, cloudpickle.dumps):
        assert KEY.encode() not in write(dict(lazy.__dask_graph__()))
    assert KEY.encode() not in cloudpickle.dumps(lazy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_key": KEY}, "api_key: .*set OPENAI_API_KEY in the environment of the workers"),
        ({"extra_headers": {"X-Key": KEY}}, "extra_headers: "),
        ({"cache": "answers.sqlite"}, "cache: .*use store="),
        ({"base_url": f"http://me:{KEY}@127.0.0.1/v1"}, "base_url: a password"),
    ],
)
def test_what_holds_a_key_is_refused(
    counting: Counting, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        mf.extract(parts(), Person, model=hosted(counting, **options))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": "{nothing}"}, "nothing"),
        ({"sample": 3}, "sample: "),
        ({"rpm": -1}, "rpm: "),
        ({"max_concurrency": 0}, "max_concurrency: "),
    ],
)
def test_faults_are_found_before_anything_is_computed(counting: Counting, options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mf.extract(parts(), Person, model=hosted(counting), **options)


def test_an_async_call_gives_the_same_frame(counting: Counting) -> None:
    lazy = asyncio.run(mf.aextract(parts(), Person, model=hosted(counting)))
    assert lazy.npartitions == 4
    assert counting.calls == 0


def test_a_class_that_refers_to_itself_needs_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(travel, "_has_a_home", lambda struct: False)  # as if it were a notebook's
    with pytest.raises(mf.SchemaError, match=r"Node refers to itself.*module"):
        travel.packed(Node)


# -- the desk ----------------------------------------------------------------------------------------------------------


def terms(**options: Any) -> bytes:
    usual = {"batch": "one", "gate": ("there", "model"), "start": 1, "most": 1, "store": False}
    return msgspec.msgpack.encode(Terms(**{**usual, **options}))


def test_tickets_of_a_lost_worker_are_free_again() -> None:
    async def main() -> None:
        desk = Desk(kernel_memory)
        for part in ("a", "b"):
            desk.answer("begin", part=part, worker=part, terms=terms())
        assert "ticket" in await desk.answer("enter", part="a", tokens=0, again=False, told=[0.0, 0])
        waiting = asyncio.ensure_future(desk.answer("enter", part="b", tokens=0, again=False, told=[0.0, 0]))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        desk.forget_worker("a")
        assert "ticket" in await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_a_file_that_a_worker_left_is_merged(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    left = Store(own_path(path))
    BatchRecords(left).put(Record(key=b"k" * 32, question=b"q", state="ok", text="{}", request=b"{}", answer=None))
    left.close()
    Desk(kernel_memory).answer("begin", part="a", worker="a", terms=terms(store=str(path)))
    assert len(BatchRecords(open_store(path))) == 1
    assert sorted(file.suffix for file in tmp_path.glob("*.part-*")) == []


def test_a_stop_holds_for_all_parts_until_something_is_computed_again() -> None:
    async def main() -> None:
        desk = Desk(kernel_memory)
        for part in ("a", "b"):
            desk.answer("begin", part=part, worker=part, terms=terms())
        desk.answer("stop", part="a", reason="no money")
        assert await desk.answer("enter", part="b", tokens=0, again=False, told=[0.0, 0]) == {"stop": "no money"}
        desk.clear_stops()
        assert "ticket" in await desk.answer("enter", part="b", tokens=0, again=False, told=[0.0, 0])

    asyncio.run(main())


# -- without a cluster -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_each_row_is_asked_for_once_however_often_it_is_computed(counting: Counting, scheduler: str) -> None:
    lazy = parts().mf.extract(Person, model=hosted(counting))

    async def in_a_running_loop() -> list[Any]:
        with dask.config.set(scheduler=scheduler):
            return [lazy.head(3), len(lazy), lazy.compute()]

    head, length, whole = asyncio.run(in_a_running_loop())
    assert (len(head), length, counting.calls) == (3, len(TEXTS), len(TEXTS))
    assert list(whole.index) == list(TEXTS.index)
    assert whole["name"].str.endswith(tuple(TEXTS["text"])).all()


def test_a_series_and_an_empty_partition(counting: Counting) -> None:
    frame = parts()
    short = frame["text"][frame["text"].str.len() == len("row 0")]
    whole = short.mf.extract(Person, model=hosted(counting)).compute(scheduler="threads")
    assert (len(whole), counting.calls) == (10, 10)


def test_max_cost_holds_for_all_partitions_together(counting: Counting) -> None:
    once = mf.extract(TEXTS[:1], Person, model=hosted(counting), progress=False, store=False)["_cost"].sum()
    lazy = mf.extract(parts(), Person, model=hosted(counting), max_cost=once * 8.5, max_concurrency=2)
    whole = lazy.compute(scheduler="threads")
    assert states(whole) == {"ok": 8, "pending": 16}
    assert whole["_error"].dropna().str.contains("max_cost").all()


def test_max_cost_that_cannot_be_kept_stops_all_partitions(counting: Counting) -> None:
    lazy = mf.extract(parts(), Person, model=hosted(counting, name="openai/of-no-price"), max_cost=1, max_concurrency=1)
    whole = lazy.compute(scheduler="synchronous")
    assert states(whole) == {"ok": 1, "pending": 23}
    assert whole["_error"].dropna().str.contains("max_cost cannot be enforced").all()


def test_the_first_failure_stops_all_partitions(counting: Counting) -> None:
    counting.reply = lambda text: error(400)
    lazy = mf.extract(parts(), Person, model=hosted(counting), on_error="raise", max_concurrency=1)
    with pytest.raises(mf.BadRequestError):
        lazy.compute(scheduler="synchronous")
    assert counting.calls == 1
    counting.reply = named
    assert states(lazy.compute(scheduler="threads")) == {"ok": len(TEXTS)}  # the wrong setting may have been corrected


def test_a_missing_key_is_reported_and_nothing_is_sent(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    lazy = mf.extract(parts(), Person, model=hosted(counting))
    with pytest.raises(mf.AuthenticationError, match="OPENAI_API_KEY"):
        lazy.compute(scheduler="synchronous")
    assert counting.calls == 0


def test_processes_that_know_nothing_of_each_other_are_refused_where_a_limit_is_wanted(counting: Counting) -> None:
    lazy = mf.extract(parts(), Person, model=hosted(counting), rpm=100)
    with pytest.raises(ValueError, match="LocalCluster"):
        lazy.compute(scheduler="processes", num_workers=1)
    assert counting.calls == 0


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_an_interrupt_ends_what_runs_in_threads(counting: Counting, scheduler: str) -> None:
    counting.reply = slowly(0.2)
    lazy = mf.extract(parts(), Person, model=hosted(counting), max_concurrency=2)

    def interrupt() -> None:
        wait_until(lambda: counting.calls >= 4)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        lazy.compute(scheduler=scheduler)
    time.sleep(0.5)
    calls = counting.calls
    time.sleep(0.5)
    assert counting.calls == calls < len(TEXTS)
    whole = lazy.compute(scheduler=scheduler)
    assert whole["_status"].isin(["ok", "cached"]).all()
    # Two were under way; a part that sees the interrupt a moment later may have used the places that they left.
    assert counting.calls <= len(TEXTS) + 4


def test_a_computation_that_fails_ends_no_other(counting: Counting) -> None:
    counting.reply = slowly(0.05)
    lazy = mf.extract(parts(), Person, model=hosted(counting), max_concurrency=2)
    begun = threading.Event()

    @dask.delayed
    def failing() -> None:
        begun.set()
        wait_until(lambda: counting.calls >= 4)
        raise ZeroDivisionError

    def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            failing().compute(scheduler="synchronous")

    other = threading.Thread(target=fail)
    other.start()
    assert begun.wait(WAIT_SECONDS)
    whole = lazy.compute(scheduler="threads")
    other.join(WAIT_SECONDS)
    assert states(whole) == {"ok": len(TEXTS)}
    assert states(lazy.compute(scheduler="threads")) == {"cached": len(TEXTS)}


# -- on a cluster ------------------------------------------------------------------------------------------------------


def test_the_result_equals_the_local_one(counting: Counting, client: Client) -> None:
    counting.reply = lambda text: completion(msgspec.json.encode(BILL).decode())
    frame = pd.DataFrame({"text": list("abcdef")}, index=[7, 7, 8, 8, 9, 9])
    whole = mf.extract(parts(frame, 2), Bill, model=hosted(counting), store=False).compute()
    local = mf.extract(frame, Bill, model=hosted(counting), store=False, progress=False)
    assert whole.drop(columns="_warnings").dtypes.to_dict() == local.dtypes.to_dict()
    pd.testing.assert_frame_equal(whole.drop(columns=["_seconds", "_warnings"]), local.drop(columns="_seconds"))
    assert {headers["Authorization"] for headers in counting.server.headers} == {f"Bearer {KEY}"}


def test_an_error_arrives_as_what_it_is(counting: Counting, client: Client) -> None:
    counting.reply = lambda text: error(400, "no such thing")
    with pytest.raises(mf.BadRequestError, match="no such thing") as caught:
        mf.extract(parts(), Person, model=hosted(counting), store=False, on_error="raise").compute()
    assert caught.value.status == 400
    nowhere = mf.Model.chat_completion("scripted", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(mf.ConnectionFailedError):
        mf.extract(parts(), Person, model=nowhere, store=False, on_error="raise").compute()
    keyless = counting.model("groq/some-model", api_key=None)
    with pytest.raises(mf.AuthenticationError, match=r"GROQ_API_KEY.*worker tcp://"):
        mf.extract(parts(), Person, model=keyless, store=False).compute()


@pytest.mark.parametrize("explode", [None, "tags"])
def test_lists_may_be_exploded(counting: Counting, client: Client, explode: str | None) -> None:
    counting.reply = lambda text: completion(msgspec.json.encode({**BILL, "tags": ["a", "b"]}).decode())
    options = {"model": hosted(counting), "store": False, "explode": explode}
    lazy = mf.extract(parts(count=2), Bill, **options)
    whole = lazy.compute()
    local = mf.extract(TEXTS, Bill, progress=False, **options)
    assert lazy.drop(columns="_warnings").dtypes.to_dict() == local.dtypes.to_dict()
    pd.testing.assert_frame_equal(whole.drop(columns=["_seconds", "_warnings"]), local.drop(columns="_seconds"))


@pytest.mark.parametrize("place", [None, *PLACES])
def test_a_rerun_asks_nothing(counting: Counting, client: Client, place: str | None, tmp_path: Path) -> None:
    store = None if place is None else tmp_path / "run.sqlite"
    with dask.config.set({"msgflux-nb.store": place or "auto"}):
        for further in (0, 2):
            frame = pd.concat([TEXTS, pd.DataFrame({"text": ["new", "newer"][:further]})])
            for _ in range(2):
                whole = mf.extract(parts(frame), Person, model=hosted(counting), store=store).compute()
                assert counting.calls == len(TEXTS) + further
                assert whole["_status"].isin(["ok", "cached"]).all()
    if place is not None:
        assert [path.name for path in tmp_path.glob("*.part-*")] == []
        known = mf.extract(TEXTS, Person, model=hosted(counting), store=store, progress=False)
        assert states(known) == {"cached": len(TEXTS)}


def test_the_limit_at_once_holds_for_all_workers_together(counting: Counting, client: Client) -> None:
    now = most = 0
    lock = threading.Lock()

    def reply(text: str) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return named(text)

    counting.reply = reply
    mf.extract(parts(), Person, model=hosted(counting), store=False, max_concurrency=3).compute()
    assert most == 3


def test_requests_a_minute_hold_for_all_workers_together(counting: Counting, client: Client) -> None:
    came = []
    counting.reply = lambda text: came.append(time.monotonic()) or named(text)  # type: ignore[func-returns-value]
    mf.extract(parts(), Person, model=hosted(counting), store=False, rpm=1200).compute()
    assert len(came) == len(TEXTS)
    assert came[-1] - came[0] > 0.9 * (len(TEXTS) - 1) * 60 / 1200


def test_a_wait_that_the_server_asks_for_while_it_refuses_everything_holds_all_workers(
    counting: Counting, client: Client
) -> None:
    came: list[float] = []

    def reply(text: str) -> Reply:
        came.append(time.monotonic())
        in_storm = len(came) >= 8 and came[-1] < came[7] + 0.8
        return error(429, retry_after="1") if in_storm else named(text)

    counting.reply = reply
    model = hosted(counting, max_retries=3)
    whole = mf.extract(parts(), Person, model=model, store=False, max_concurrency=2).compute()
    assert states(whole) == {"ok": len(TEXTS)}
    early = [moment for moment in came[8:] if moment < came[7] + 0.9]
    assert len(early) <= 6  # four refusals in a row tell a storm; some were under way already


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_worker_costs_at_most_its_calls_in_flight(counting: Counting, place: str, tmp_path: Path) -> None:
    counting.reply = slowly(0.15)
    at_once = 4
    with dask.config.set({"msgflux-nb.store": place}), small_cluster() as cluster, Client(cluster) as client:
        frame = pd.DataFrame({"text": [f"row {number}" for number in range(60)]})
        lazy = mf.extract(
            parts(frame, 2), Person, model=hosted(counting), store=tmp_path / "run.sqlite", max_concurrency=at_once
        )
        future = client.compute(lazy)
        wait_until(lambda: counting.calls >= 20)
        os.kill(cluster.workers[0].process.pid, signal.SIGKILL)
        whole = future.result(timeout=WAIT_SECONDS)
    assert whole["_status"].isin(["ok", "cached"]).all()
    assert len(whole) == 60
    twice = {text: number for text, number in Counter(counting.texts).items() if number > 1}
    assert len(twice) <= at_once
    assert counting.calls <= 60 + at_once
    assert list(tmp_path.glob("*.part-*")) == []


def test_a_client_that_lets_go_ends_the_calls(counting: Counting, client: Client) -> None:
    counting.reply = slowly(0.2)
    frame = pd.DataFrame({"text": [f"row {number}" for number in range(400)]})
    future = client.compute(mf.extract(parts(frame, 2), Person, model=hosted(counting), store=False, max_concurrency=4))
    wait_until(lambda: counting.calls >= 8)
    future.cancel()
    time.sleep(3.0)
    calls = counting.calls
    time.sleep(1.0)
    assert counting.calls == calls
    assert calls < 200


NOTEBOOK = """
import dask.dataframe as dd, msgspec, pandas as pd, msgflux_nb as mf
from distributed import Client, LocalCluster
from typing import Annotated

class Town(msgspec.Struct, rename="camel"):
    the_name: str

class Person(msgspec.Struct):
    "Somebody."
    name: str
    age: Annotated[int, msgspec.Meta(ge=0)] | None = None
    town: Town | None = None
    tags: list[str] = []

if __name__ == "__main__":
    frame = dd.from_pandas(pd.DataFrame({{"text": list("abcd")}}), npartitions=2)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        model = mf.Model.chat_completion("scripted", base_url="{url}")
        examples = [("Ann", Person("Ann", 3))]
        print(frame.mf.extract(Person, model=model, examples=examples).compute()[["name", "age", "town.the_name"]])
"""


def test_a_class_of_a_notebook_travels_with_its_fields(counting: Counting, tmp_path: Path) -> None:
    counting.reply = lambda text: named(text, town={"theName": "Ur"})
    script = tmp_path / "notebook.py"
    script.write_text(NOTEBOOK.format(url=counting.server.url))
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(Path(mf.__file__).parent.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Ur") == 4


# Into files


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own, with pandas 3.1
@pytest.mark.parametrize("schema", [Bill, Node])
def test_what_dask_extracts_comes_back_from_parquet_as_pandas_has_it(
    schema: type[msgspec.Struct], counting: Counting, tmp_path: Path
) -> None:
    answer = BILL if schema is Bill else {"name": "a", "others": [{"name": "b", "others": []}]}
    counting.reply = lambda text: completion(json.dumps({**answer, **({"tags": []} if "1" in text else {})}))
    table = dd.from_pandas(TEXTS.head(6), npartitions=3)
    written = table.mf.extract(schema, model=hosted(counting))
    written.to_parquet(tmp_path)
    calls = counting.calls
    again = dd.read_parquet(tmp_path).compute()
    local = counting.extract(TEXTS.head(6), schema)
    fields = [name for name in local if not name.startswith("_")]
    for found in (written.compute(), again):
        assert found.index.tolist() == local.index.tolist()
        assert [found[name].tolist() for name in fields] == [local[name].tolist() for name in fields]
    assert calls == 6
