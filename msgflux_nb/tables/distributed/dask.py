"""``extract`` of a Dask DataFrame: the same engine in each partition, wherever Dask runs it.

The graph is built from the schema, without a call. A task holds the request's settings but no key.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from ...errors import AuthenticationError, RecordingError
from ...models.recording_context import active_recording
from ..gate import Gate
from ..ledger import Ledger
from ..options import Options, at_once
from ..report import outcome_frame, with_warnings
from ..run import Run
from .cluster import callers_context, has_no_way_to_others, here, watch_local_schedulers
from .part import PLACES, BatchRequest, run_part
from .share import Terms
from .travel import packed, unpacked, without_key

__all__ = ["DaskAccessor", "extract_dask", "is_dask", "register"]

_SHARED = ("max_concurrency", "rpm", "tpm", "max_cost", "store", "model", "sample")


def is_dask(data: Any) -> bool:
    """Return whether this is a DataFrame or a Series of Dask, without importing Dask."""
    return type(data).__module__.partition(".")[0] == "dask" and hasattr(data, "_meta") and hasattr(data, "divisions")


def extract_dask(data: Any, schema: Any, **options: Unpack[Options]) -> Any:
    """Return the lazy result of :func:`extract` for a Dask DataFrame; nothing is sent until it is computed.

    It has the input's index, order, partitions and divisions, and the columns and dtypes of a local result. The column
    ``_warnings`` is always there, since only the computation shows whether it is needed. Limits hold for all workers
    together. Each computation (``compute()``, ``head()``, ``len()``) asks only for rows that no earlier one asked for:
    the file ``store`` remembers them, or without it the scheduler.

    Raises:
        ValueError: the model was given a key, which is not sent to workers; or a keyword has a wrong value, such as
            any ``sample``.
        SchemaError: a class of the schema cannot be sent to workers.
    """
    register()  # Dask may have been loaded after this package
    if options.get("sample") is not None:
        raise ValueError(
            "sample: expected None for a Dask DataFrame; extract a few rows: data.head(20, npartitions=-1)"
        )
    alone: Options = {**options, "store": False}
    run = Run(data._meta, schema, gate=Gate(), **alone)  # checks the keywords
    asked = BatchRequest(
        model=without_key(run.model),
        schema=run.schema,
        options={**{name: value for name, value in options.items() if name not in _SHARED}, **_plain(run)},
        terms=_terms(run.model, options),
        place=_place(),
    )
    watch_local_schedulers()
    meta = with_warnings(
        outcome_frame(run.schema, Ledger(sure=run.judge is not None), data._meta.index[:0], run.explode)
    )
    return data.map_partitions(_Task(packed(asked), _inside_of()), meta=meta, token="extract")  # noqa: S106  # a name


def _plain(run: Run) -> dict[str, Any]:
    return {name: run.options[name] for name in ("images", "files", "folder", "examples", "explode")}


def _terms(model: Any, options: Options) -> Terms:
    start, most = at_once(options.get("max_concurrency", "auto"), model)
    key = getattr(model, "gate_key", None)
    store = options.get("store")
    return Terms(
        batch=secrets.token_hex(8),
        gate=(str(key[0]), str(key[-1])) if isinstance(key, tuple) else (type(model).__name__, model.name),
        start=start,
        most=most,
        rpm=_number(options.get("rpm")),
        tpm=_number(options.get("tpm")),
        max_cost=_number(options.get("max_cost")),
        store=store if store is None or store is False else str(Path(os.fspath(store)).expanduser().absolute()),
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)  # not NumPy's, which MessagePack cannot encode


def _place() -> str:
    import dask

    place = dask.config.get("msgflux-nb.store", "auto")
    if place not in PLACES:
        raise ValueError(
            f"msgflux-nb.store: expected one of {', '.join(PLACES)} in Dask's configuration, got {place!r}"
        )
    return str(place)


def _inside_of() -> str:
    now = active_recording()
    return "" if now is None else "replay" if now.player is not None else "record"


class _Task:
    """The function that Dask calls with a partition.

    Args:
        asked: a packed ``BatchRequest``.
        inside: ``record`` or ``replay`` if it was made inside of such a block; else empty.
    """

    def __init__(self, asked: bytes, inside: str) -> None:
        self._asked, self._inside = asked, inside

    def __dask_tokenize__(self) -> Any:
        return type(self).__qualname__, self._asked, self._inside

    def __call__(self, part: Any) -> pd.DataFrame:
        return callers_context().run(self._run, part)

    def _run(self, part: Any) -> pd.DataFrame:
        if self._inside and not _inside_of():
            raise RecordingError(
                f"this graph was made inside mf.{self._inside}, which covers only this process, and only while its "
                "block runs. Compute inside the with block, with scheduler='threads' or 'synchronous'; or set "
                "MSGFLUX_REPLAY for the workers."
            )
        asked: BatchRequest = unpacked(self._asked)
        terms = asked.terms
        if has_no_way_to_others() and (terms.rpm or terms.tpm or terms.max_cost):
            raise ValueError(
                "rpm, tpm, max_cost: the processes of scheduler='processes' share nothing, so no limit holds for "
                "all. Use threads, or a dask.distributed.LocalCluster."
            )
        link, cancelled = here()
        try:
            return run_part(part, asked, link, cancelled=cancelled)
        except AuthenticationError as error:
            if error.status is None:
                raise AuthenticationError(
                    f"{error} The error is from worker {link.worker}: set the variable in that worker's environment."
                ) from None
            raise


class DaskAccessor:
    """``ddf.mf``: ask a model about each row, wherever Dask runs."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def extract(self, schema: Any, *, progress: bool = True, **options: Unpack[Options]) -> Any:
        """Return the Dask DataFrame of answers; see :func:`msgflux_nb.extract`. Dask shows the progress."""
        return extract_dask(self._data, schema, **options)


def register() -> None:
    """Register ``mf`` for Dask's DataFrames and Series if Dask is loaded; idempotent."""
    frames: Any = sys.modules.get("dask.dataframe")
    if not hasattr(frames, "Series"):  # missing while Dask is being imported
        return
    from dask.dataframe import extensions

    to: Any = extensions
    if getattr(frames.DataFrame, "mf", None) is not DaskAccessor:
        to.register_dataframe_accessor("mf")(DaskAccessor)
    if getattr(frames.Series, "mf", None) is not DaskAccessor:
        to.register_series_accessor("mf")(DaskAccessor)
