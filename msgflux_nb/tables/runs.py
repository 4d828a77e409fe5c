"""Earlier runs: list them, resume one, ask again for failed rows.

A run of this kernel is resumed with its own keywords and answers. If the kernel of a run has ended, its store has the
answers and most keywords, but the data and the model have to be given again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

import msgspec
import pandas as pd

from ..errors import StoreError, brief
from ..storage.answers import file_of, open_store, open_stores
from ..storage.batches import BatchRecords, RunRecord
from .extract import finish
from .grid.grid_run import GridRun, known_grids
from .options import LIMITS, Options
from .outcome import FAILURES, STATES, UNANSWERED
from .run import Run, kernel_records, known_runs

__all__ = ["FoundRun", "find_run", "resume", "retry", "runs"]

_UNSETTLED = (*UNANSWERED, "failed")
_CLOSING_SECONDS = 5.0
_DTYPES: dict[str, Any] = {
    "run": "string",
    "task": "string",
    "began": "datetime64[us, UTC]",
    "state": pd.CategoricalDtype(["running", "complete", "stopped", "unfinished"]),
    "model": "string",
    "schema": "string",
    "prompt": "string",
    "rows": "Int64",
    "done": "Int64",
    "failed": "Int64",
    "left": "Int64",
    "cost": "Float64",
    "seconds": "Float64",
    "stopped": "string",
    "store": "string",
}


class FoundRun(msgspec.Struct, frozen=True):
    """A run that was found by its name.

    Attributes:
        name: its name.
        live: the run itself, if this kernel still has it.
        record: its record in the store, or None.
        records: the records of that store, or None.
    """

    name: str
    live: Run | None = None
    record: RunRecord | None = None
    records: BatchRecords | None = None


def runs(store: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """List the known runs and grids, the oldest first.

    Args:
        store: the file whose runs to list; None for those of this kernel and of every store that it has opened.

    Returns:
        One row per run: ``run`` (its name, for :func:`resume`), ``task`` (``extract`` or ``grid``), ``began``,
        ``state``, ``model``, ``schema``, ``prompt`` (for a grid, the names of its prompts), ``rows`` (for a grid, its
        answers), ``done``, ``failed``, ``left`` (not sent, or interrupted), ``cost`` in US dollars, ``seconds``,
        ``stopped`` (why) and ``store``. The state is ``running``, ``complete``, ``stopped`` (rows are left), or
        ``unfinished``: its process was killed, or is still working; its progress is unknown.

    Raises:
        StoreError: there is no such file, or it cannot be used.
    """
    live: dict[str, Run | GridRun] = {**{run.name: run for run in known_runs()}, **known_grids()}
    told: dict[str, dict[str, Any]] = {}
    for records in _stores(store):
        for record in records.runs():
            told[record.run] = _told(record, live.get(record.run), records)
    if store is None:
        told |= {name: _told(run.record, run, None) for name, run in live.items() if run.records is None}
    rows = sorted(told.values(), key=lambda row: row["began"])
    frame = pd.DataFrame(rows, columns=list(_DTYPES))
    frame["began"] = pd.to_datetime(frame["began"].astype("float64"), unit="s", utc=True).dt.floor("s")
    return frame.astype(_DTYPES)


def resume(
    run: Any,
    /,
    data: Any = None,
    schema: Any = None,
    *,
    progress: bool = True,
    **options: Unpack[Options],
) -> pd.DataFrame:
    """Continue a run: ask for its rows that are pending, interrupted or failed.

    A grid of this kernel continues in the same way; for one of another kernel, repeat the call of :func:`grid`.

    Args:
        run: its name, its report, its result, or its row in :func:`runs`.
        data: its data, needed if its kernel has ended; there may be more rows than before.
        schema: its schema, needed if its kernel has ended; known answers are decoded to another schema if they fit.
        progress: whether to show a progress bar.
        options: for a run of this kernel, keywords to change: ``model``, ``on_error``, ``max_concurrency``, ``rpm``,
            ``tpm``, ``max_cost`` (of the whole run). For any other run, ``model``, which has to be given again, and
            keywords of :func:`extract` to change; ``store`` names the run's file, if this kernel has not opened it.

    Returns:
        The whole frame, as :func:`extract` returns it.

    Raises:
        StoreError: the run is unknown, or its data, schema or model have to be given again.
        RuntimeError: the run has not ended.
    """
    grid = known_grids().get(_name(run)[0])
    if grid is not None:
        return _grid_on(grid, data, schema, _UNSETTLED, progress, options, retry_states=())
    return _go_on(find_run(run, options.get("store")), data, schema, _UNSETTLED, progress, options, retry_states=())


def retry(
    run: Any,
    /,
    data: Any = None,
    schema: Any = None,
    *,
    states: Iterable[str] | None = None,
    progress: bool = True,
    **options: Unpack[Options],
) -> pd.DataFrame:
    """Ask again for the failed rows of a run, as ``df.mf.retry``; ``run`` as in :func:`resume`."""
    wanted = (states,) if isinstance(states, str) else tuple(FAILURES if states is None else states)
    for state in wanted:
        if state not in STATES:
            raise ValueError(f"states: expected some of {', '.join(STATES)}, got {brief(state)}")
    grid = known_grids().get(_name(run)[0])
    if grid is not None:
        return _grid_on(grid, data, schema, wanted, progress, options, retry_states=wanted)
    return _go_on(find_run(run, options.get("store")), data, schema, wanted, progress, options, retry_states=wanted)


def find_run(run: Any, store: Any = None) -> FoundRun:
    """Find a run in this kernel, in a given store, or in one that this kernel has opened.

    Raises:
        StoreError: there is no such run.
        TypeError: ``run`` is not a run.
    """
    name, place = _name(run)
    store = place if store is None or store is False else store
    live = next((one for one in known_runs() if one.name == name), None)
    if live is not None:
        return FoundRun(name, live, live.record, live.records)
    for records in _stores(store, strict=False):
        record = records.run(name)
        if record is not None:
            return FoundRun(name, None, record, records)
    raise StoreError(
        f"there is no run {name!r}{f' in {str(store)!r}' if store is not None else ''}. mf.runs() lists those of this "
        "kernel, mf.runs('run.sqlite') those of a file; a run without store= is lost when its kernel ends."
    )


def _go_on(
    found: FoundRun,
    data: Any,
    schema: Any,
    states: tuple[str, ...],
    progress: bool,
    options: Any,
    retry_states: tuple[str, ...],
) -> pd.DataFrame:
    live = found.live
    if live is None or data is not None:
        return finish(_begun_again(found, data, schema, options, retry_states), progress=progress)
    others = sorted(set(options) - {"store", "model", *LIMITS})
    if schema is not None or others:
        raise ValueError(
            f"{', '.join(others) or 'schema'}: a run of this kernel keeps its arguments; only these may change: model, "
            f"{', '.join(LIMITS)}; call mf.extract for others; it pays for no answer twice"
        )
    if live.is_running and not live.batch.ended.wait(_CLOSING_SECONDS if live.batch.stopped else 0):
        raise RuntimeError(f"run {found.name!r} is still running; wait for its result, or interrupt it first")
    changes = {name: value for name, value in options.items() if name != "store"}
    live.again(states, retry_states=retry_states, further=not retry_states, **changes)
    return finish(live, progress=progress)


def _grid_on(
    grid: GridRun,
    data: Any,
    schema: Any,
    states: tuple[str, ...],
    progress: bool,
    options: Any,
    retry_states: tuple[str, ...],
) -> pd.DataFrame:
    others = sorted(set(options) - {"store", "max_cost"})
    if data is not None or schema is not None or others:
        raise ValueError("a grid keeps its arguments; only max_cost may change. Call mf.grid for others")
    if grid.is_running and not grid.batch.ended.wait(_CLOSING_SECONDS if grid.batch.stopped else 0):
        raise RuntimeError(f"{grid.name!r} is still running; wait for its result, or interrupt it first")
    grid.again(states, retry_states=retry_states, max_cost=options.get("max_cost"))
    return finish(grid, progress=progress)


def _begun_again(found: FoundRun, data: Any, schema: Any, options: Any, retry_states: tuple[str, ...]) -> Run:
    """Return a run of an ended kernel over its data, given again; its store has the answers."""
    live, record = found.live, found.record
    assert record is not None
    if record.task == "grid":
        raise StoreError(
            f"the kernel of {found.name!r} has ended: repeat the call of mf.grid with its prompts, inputs, models and "
            "store; no answer is paid for twice"
        )
    schema = live.schema if schema is None and live is not None else schema
    model = live.model if options.get("model") is None and live is not None else options.get("model")
    missing = [name for name, value in (("data", data), ("schema", schema), ("model", model)) if value is None]
    if missing:
        raise StoreError(
            f"the kernel of run {found.name!r} has ended: its store has the answers, but not the {_listed(missing)}. "
            f"Give them again: mf.resume({found.name!r}, data, {record.schema}, model=model). It asked {record.model} "
            f"about {record.report.get('rows', 0):,} rows with prompt={record.prompt!r}; no answer is paid for twice."
        )
    name = model if isinstance(model, str) else model.name
    if name != record.model:
        raise ValueError(
            f"model: expected {record.model}, the model of run {found.name!r}, got {name}, which has to answer every "
            "row again, at full cost; use mf.extract for that"
        )
    store = False if found.records is None else found.records.store.path
    asked = {**record.options, "prompt": record.prompt, **options, "store": store, "model": model}
    return Run(data, schema, **asked, before=record, retry_states=retry_states)


def _name(run: Any) -> tuple[str, Any]:
    """Return a run's name, and its store if given."""
    if isinstance(run, str):
        return run, None
    report = run.attrs.get("report") if isinstance(run, pd.DataFrame) else run
    if isinstance(report, Mapping | pd.Series) and isinstance(report.get("run"), str):
        store = report.get("store")
        return report["run"], store if isinstance(store, str) else None
    raise TypeError(
        "run: expected the name of a run, its report, or its result, whose attrs['report'] says which it is; got "
        f"{type(run).__name__!r} without one"
    )


def _stores(store: Any, *, strict: bool = True) -> list[BatchRecords]:
    if store is None:
        return [*kernel_records(), *map(BatchRecords, open_stores())]
    file_of(store)  # raises for a name that no file can have
    if not Path(store).expanduser().exists():
        if strict:
            raise StoreError(f"there is no store {str(store)!r}")
        return []
    return [BatchRecords(open_store(store))]


def _told(record: RunRecord, live: Run | GridRun | None, records: BatchRecords | None) -> dict[str, Any]:
    report = record.report
    running = live is not None and live.is_running
    states: Mapping[str, int] = live.batch.ledger.counts if live is not None and running else report["states"]
    known = running or record.ended is not None
    left = sum(states.get(state, 0) for state in UNANSWERED)
    done = states.get("ok", 0) + states.get("cached", 0)
    failed = sum(states.get(state, 0) for state in FAILURES)
    state = "running" if running else "unfinished" if not known else "stopped" if left else "complete"
    if running:
        left = max(0, report["rows"] - sum(states.values()))
    store = None if records is None else records.store.path
    return {
        **{name: getattr(record, name) for name in ("run", "task", "began", "model", "schema", "prompt")},
        "state": state,
        "rows": report["rows"],
        **{name: value if known else None for name, value in (("done", done), ("failed", failed), ("left", left))},
        **{name: report[name] if record.ended is not None else None for name in ("cost", "seconds", "stopped")},
        "store": None if store is None else str(store).encode("utf-8", "replace").decode(),
    }


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
