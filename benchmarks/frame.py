"""The time to make a DataFrame with the right dtypes from values, compared with what a user would write.

    python benchmarks/frame.py [--rows 100000] [--rounds 15]

All ways get the same rows, with eight fields of which one is a record, and make the same frame, which is checked. They
take turns; it prints the medians of CPU time over the rounds, and their ratios. Absolute times are this machine's; the
ratios decide.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal

import msgspec
import pandas as pd
import pydantic
from pydantic import BaseModel
from stream import load, machine

import msgflux_nb as mf

DICT_GOAL, PYDANTIC_GOAL = 2.5, 7.0
PLANS = ("free", "pro", "team")
DTYPES: dict[str, Any] = {
    "name": "string",
    "age": "Int64",
    "children": "Int64",
    "score": "Float64",
    "active": "boolean",
    "plan": pd.CategoricalDtype(PLANS),
    "seen": "datetime64[us, UTC]",
    "home.lat": "Float64",
    "home.lon": "Float64",
}


class Place(msgspec.Struct):
    lat: float
    lon: float


class Person(msgspec.Struct):
    name: str
    age: int
    children: int | None
    score: float
    active: bool
    plan: Literal["free", "pro", "team"]
    seen: datetime.datetime
    home: Place


class PlaceModel(BaseModel):
    lat: float
    lon: float


class PersonModel(BaseModel):
    name: str
    age: int
    children: int | None
    score: float
    active: bool
    plan: Literal["free", "pro", "team"]
    seen: datetime.datetime
    home: PlaceModel


def person(chance: random.Random, number: int) -> bytes:
    """Return one row with values as decoded from an answer's JSON."""
    seen = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=number)
    told = Person(
        name=f"person {number % 997}",
        age=chance.randint(18, 90),
        children=None if number % 4 == 0 else chance.randint(0, 5),
        score=chance.random(),
        active=chance.random() < 0.5,
        plan=chance.choice(PLANS),  # type: ignore[arg-type]  # one of them
        seen=seen,
        home=Place(chance.random() * 90, chance.random() * 180),
    )
    return msgspec.json.encode(told)


def as_dict(value: Person) -> dict[str, Any]:
    """Return a value as a dict, nested records included, like ``dataclasses.asdict``."""
    return msgspec.structs.asdict(value) | {"home": msgspec.structs.asdict(value.home)}


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what a user needs for the right dtypes: the record's fields as columns, and ``astype``."""
    home = pd.DataFrame(frame["home"].tolist(), index=frame.index).add_prefix("home.")
    return pd.concat([frame.drop(columns="home"), home], axis=1).astype(DTYPES)


def by_dicts(values: list[Person]) -> pd.DataFrame:
    """The shortest way by hand."""
    return typed(pd.DataFrame([as_dict(value) for value in values]))


def by_pydantic(models: list[PersonModel]) -> pd.DataFrame:
    """The same with pydantic."""
    return typed(pd.DataFrame([model.model_dump() for model in models]))


def by_json_normalize(models: list[PersonModel]) -> pd.DataFrame:
    """With pandas' own function for nested dicts."""
    return pd.json_normalize([model.model_dump() for model in models]).astype(DTYPES)


def timed(make: Callable[[Any], pd.DataFrame], values: Any) -> tuple[float, pd.DataFrame]:
    """Return CPU milliseconds, after a garbage collection."""
    gc.collect()
    began = time.process_time()
    frame = make(values)
    return (time.process_time() - began) * 1000, frame


def verdict(name: str, ratio: float, goal: float) -> str:
    """Return one line about a goal."""
    return f"{name} / to_frame = {ratio:.1f}, goal at least {goal:g}: {'reached' if ratio >= goal else 'missed'}"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    asked, before = parser.parse_args(), load()
    chance = random.Random(0)
    texts = [person(chance, number) for number in range(asked.rows)]
    structs, models = msgspec.json.Decoder(Person), pydantic.TypeAdapter(PersonModel)
    values, peers = [structs.decode(text) for text in texts], [models.validate_json(text) for text in texts]
    ways: dict[str, tuple[Callable[[Any], pd.DataFrame], Any]] = {
        "mf.to_frame(structs)": (mf.to_frame, values),
        "DataFrame([asdict(x) ...]), typed": (by_dicts, values),
        "pydantic: DataFrame([x.model_dump() ...]), typed": (by_pydantic, peers),
        "pydantic: json_normalize([x.model_dump() ...]), typed": (by_json_normalize, peers),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(asked.rounds + 1):  # the first round warms up and is checked
        frames = {}
        for name, (make, given) in ways.items():
            taken, frames[name] = timed(make, given)
            if turn:
                times[name].append(taken)
        for frame in frames.values() if not turn else ():
            pd.testing.assert_frame_equal(frame, next(iter(frames.values())))
    ours, dicts, dumps, _ = medians = [statistics.median(taken) for taken in times.values()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("msgflux-nb", "msgspec", "pandas", "pydantic"))
    print(f"{datetime.date.today()}, {machine()}, load {before} before and {load()} after. {versions}.")
    print(f"{asked.rows:,} rows, {len(DTYPES)} columns, {asked.rounds} rounds.\n")
    print("| way | median CPU ms | from, to | ÷ ours |\n|---|--:|--:|--:|")
    for (name, taken), median in zip(times.items(), medians, strict=True):
        print(f"| {name} | {median:,.0f} | {min(taken):,.0f}, {max(taken):,.0f} | {median / ours:.1f} |")
    print(f"\n{verdict('asdict', dicts / ours, DICT_GOAL)}\n{verdict('model_dump', dumps / ours, PYDANTIC_GOAL)}")


if __name__ == "__main__":
    main()
