"""Texts → typed rows: ``extract`` and ``aextract``, two ways to wait for one engine.

The engine runs on a private loop thread (:mod:`.loop`). The functions here wait, read wanted rows from an iterator, and
return a whole frame after an interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Never, Protocol, Unpack

import pandas as pd

from ..content.keywords import refuse_unknown
from .batch import AsyncModel, OnError
from .chunks.chunk import Chunk
from .distributed.dask import extract_dask, is_dask
from .interrupts import CLOSING_SECONDS, watch_interrupts
from .loop import batch_loop
from .options import KEYWORDS, OnStoreError, Options
from .progress import progress_of
from .run import Run

__all__ = ["Waitable", "aextract", "afinish", "extract", "finish"]

# 0.1 s feels immediate; the wait wakes this often for the progress bar and for an interrupt.
_HEARTBEAT_SECONDS = 0.1


def extract(
    data: Any,
    /,
    schema: Any,
    *,
    model: AsyncModel | str | None = None,
    prompt: str | None = None,
    system_prompt: str | None = None,
    images: str | Sequence[str] | None = None,
    files: str | Sequence[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    examples: Iterable[Any] | None = None,
    on_error: OnError = "keep",
    max_concurrency: int | str = "auto",
    rpm: float | None = None,
    tpm: float | None = None,
    max_cost: float | None = None,
    store: Any = None,
    on_store_error: OnStoreError = "keep",
    explode: str | None = None,
    sample: int | None = None,
    confidence: bool | int | None = None,
    chunk: Chunk | None = None,
    merge: Callable[[list[Any]], Any] | None = None,
    progress: bool = True,
    **unknown: Never,
) -> pd.DataFrame:
    """Ask a model about each row, and return its answers as typed columns, one row per input row.

    An interrupt (Stop in a notebook, Ctrl+C) cancels requests in flight and returns the frame so far; the same call
    again continues. An answer that was paid for is never asked for again, neither by the same call nor for equal rows.

    Args:
        data: a DataFrame, a Series, or any iterable of texts. An iterator is read as rows are needed; if the batch
            stops, the rest is still in it. A Dask DataFrame gives a Dask DataFrame, and nothing is sent until it is
            computed. A DataFrame, LazyFrame or Series of polars, or a Table of pyarrow, gives a table of its kind; of
            a LazyFrame the columns that the prompt names are collected at once.
        schema: a ``msgspec.Struct`` class, or any type that msgspec decodes.
        model: a model, its name, or None for the embedded one.
        prompt: the message of a row, with column names in braces: ``"{title}: {body}"``; ``{text}`` for any data but a
            DataFrame; ``{{`` and ``}}`` for braces. Without it a DataFrame's row is sent as lines ``name: value``,
            anything else as its text. A row's content is put between marks that it cannot close, so that it is read as
            data: all of it without ``prompt``, longer cells within one. ``"{text}"`` alone sends it without marks.
        system_prompt: put in front of each row; without ``prompt`` the default is an instruction to extract.
        images: the column or columns of images: paths, bytes, pictures, arrays, addresses, lists of these.
        files: the column or columns of PDF files: paths or bytes.
        folder: the folder that the paths of ``images`` and ``files`` have to be in, with symbolic links resolved, since
            somebody else's table may name any file of this machine. Relative paths may start there too. None for any.
        examples: pairs of a row and its answer, shown to the model before each row. The row is a text, or has cells by
            column (a dict, a row of a DataFrame); the answer is an instance of the schema, or what decodes to one.
        on_error: ``"keep"`` continues; ``"stop"`` sends nothing new after the first row that failed; ``"raise"`` does
            the same and then raises that row's error. A key, quota or model that fails for every row stops the batch
            in any case, and so do five equal failures at the very start.
        max_concurrency: the maximum number of concurrent requests; ``"auto"`` finds out what the provider accepts.
        rpm: the maximum number of requests per minute, shared by all batches with this model, address and key while
            this one runs.
        tpm: the maximum number of tokens per minute, shared likewise; a row's tokens are estimated and later corrected.
        max_cost: US dollars; nothing new is sent when the rows in flight might exceed it.
        store: an SQLite file that keeps the answers, so that a later session can continue; None keeps them as long as
            the kernel lives, False does not keep them.
        on_store_error: what to do when answers cannot be kept (a full disk, a lock, a deleted file), which a
            :class:`StoreWarning` reports at once: ``"keep"`` continues with answers in memory, which are written as
            soon as that is possible; ``"stop"`` sends nothing new.
        explode: a field that holds a list: one row per item, under the same index label.
        sample: ask only this many rows, drawn at random but the same in each run, and forecast the rest in the report.
        confidence: whether to compute the confidence of each row, in a column ``_confidence``, and of each field, by
            ``result.mf.confidence()``. True uses the probabilities of tokens, if the provider sends them; a number
            asks each row that many times and counts how many answers agree with the first, which is the row's.
        chunk: how to read rows whose text is too long: in pieces, each asked and kept separately. PDF files of
            ``files`` are then read as text, page by page. None for whole rows.
        merge: makes one answer from the list of answers to a row's pieces. By default lists are joined, without the
            duplicates of overlaps, and other fields come from the piece with the highest confidence.
        progress: whether to show the progress: as a view in a notebook, as a text bar elsewhere.
        unknown: any other keyword is refused.

    Returns:
        A frame with the input's index and order, the schema's fields as columns (``tables/dtypes.py`` lists their
        dtypes), and then

        * ``_status``: ``ok``; ``cached`` (known, or equal to another row); ``invalid`` (does not fit the schema),
          ``refused``, ``truncated``, ``failed``; ``skipped`` (every cell is missing or blank, nothing sent);
          ``interrupted`` (was in flight), ``pending`` (never sent, or put aside since the provider asked for a long
          wait);
        * ``_error``: what went wrong, or why nothing was sent;
        * ``_attempts``, ``_prompt_tokens``, ``_completion_tokens``, ``_cost`` (US dollars), ``_seconds``: what was
          billed for this row in this run; missing if unknown;
        * ``_confidence`` with ``confidence=``: the lowest confidence of a field, from 0 to 1; missing if unknown.

        ``attrs["report"]`` has the run's name, counts by state, sums, ``store_error`` (the last error of the store) and
        ``not_stored`` (how many answers wait to be written).

    Raises:
        ValueError: the prompt names a column that does not exist, or an option has a wrong value.
        SchemaError: ``schema`` is not a type, or has a field named like one of the columns above.
        StoreError: ``store`` cannot be used; this is checked before anything is sent.
        MsgfluxError: with ``on_error="raise"``; the frame is its attribute ``result``.

    Example::

        class City(msgspec.Struct):
            name: str
            people: int | None

        table = mf.extract(["Ghent has 265,086 inhabitants."], City, model="openai/gpt-4.1-nano")
    """
    refuse_unknown("extract", unknown, KEYWORDS)
    options = Options(
        model=model,
        prompt=prompt,
        system_prompt=system_prompt,
        images=images,
        files=files,
        folder=folder,
        examples=examples,
        on_error=on_error,
        max_concurrency=max_concurrency,
        rpm=rpm,
        tpm=tpm,
        max_cost=max_cost,
        store=store,
        on_store_error=on_store_error,
        explode=explode,
        sample=sample,
        confidence=confidence,
        chunk=chunk,
        merge=merge,
    )
    if is_dask(data):
        lazy: pd.DataFrame = extract_dask(data, schema, **options)  # really Dask's, with nearly the same methods
        return lazy
    return finish(Run(data, schema, **options), progress=progress)


class Waitable(Protocol):
    """Something to wait for: a batch over rows, or a grid."""

    wants_rows: Callable[[], object]

    @property
    def batch(self) -> Any:
        """The engine, with ``run``, ``ledger`` and ``stopped``."""

    def feed(self) -> None:
        """Read more rows of an iterator, on the caller's thread."""

    def interrupt(self) -> None:
        """Send nothing more and cancel requests in flight."""

    def interrupt_and_wait(self) -> None:
        """As ``interrupt``, and wait a moment for the connections to close."""

    def warn_of_store(self, above: int) -> None:
        """Warn of errors of the store since the last warning."""

    def result(self) -> pd.DataFrame:
        """Return the frame so far."""

    def given_back(self, result: pd.DataFrame) -> pd.DataFrame:
        """Return the frame as a table of the data's kind."""

    def returned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame, or raise the error that the batch ended with."""


def finish(run: Waitable, *, progress: bool) -> pd.DataFrame:
    """Run a batch to its end or to an interrupt, and return a table of its data's kind."""
    attention = threading.Event()
    run.wants_rows = attention.set
    with watch_interrupts(looks=True) as interrupted, progress_of(run, shown=progress) as bar:
        done = batch_loop.submit(run.batch.run())
        done.add_done_callback(lambda _: attention.set())
        try:
            while not done.done() and not interrupted.is_set():
                if attention.wait(_HEARTBEAT_SECONDS) and not done.done():
                    attention.clear()
                    with interrupted.raised():
                        run.feed()
                run.warn_of_store(3)
                bar.show(run.batch.ledger)
        except KeyboardInterrupt:  # while rows were read, or while something else was stuck
            pass
        finally:
            if not done.done():
                run.interrupt_and_wait()
        result = run.result()
        bar.end(run.batch.ledger, run.batch.stopped)
        interrupted.wait_for_quiet()
    return run.returned(result)


async def aextract(data: Any, /, schema: Any, *, progress: bool = True, **options: Unpack[Options]) -> pd.DataFrame:
    """As :func:`extract`, to be awaited, with the same arguments and the same result.

    An interrupt by a person (Stop in a notebook, Ctrl+C) returns the frame so far. A cancellation by the program
    (``task.cancel()``, ``asyncio.timeout``) stops the batch in the same way and raises ``CancelledError``; the frame is
    its attribute ``result``.
    """
    if is_dask(data):
        lazy: pd.DataFrame = extract_dask(data, schema, **options)  # really Dask's, with nearly the same methods
        return lazy
    return await afinish(Run(data, schema, **options), progress=progress)


async def afinish(run: Waitable, *, progress: bool) -> pd.DataFrame:
    """As :func:`finish`, to be awaited."""
    loop, hungry = asyncio.get_running_loop(), asyncio.Event()
    run.wants_rows = lambda: loop.call_soon_threadsafe(hungry.set)
    with watch_interrupts() as interrupted, progress_of(run, shown=progress) as bar:
        done = asyncio.wrap_future(batch_loop.submit(run.batch.run()))
        try:
            while not done.done():
                # Without this heartbeat a kernel's idle loop would notice an interrupt late.
                wanted = asyncio.ensure_future(hungry.wait())
                either: list[asyncio.Future[Any]] = [done, wanted]
                try:
                    await asyncio.wait(either, timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    wanted.cancel()
                if hungry.is_set():
                    hungry.clear()
                    run.feed()
                run.warn_of_store(3)
                bar.show(run.batch.ledger)
        except asyncio.CancelledError as cancelled:
            run.interrupt()
            with contextlib.suppress(asyncio.CancelledError):  # a second cancellation; the first is raised below
                await asyncio.wait([done], timeout=CLOSING_SECONDS)
                while interrupted.quiet_in:
                    await asyncio.sleep(interrupted.quiet_in)
            if not interrupted.is_set():
                cancelled.result = run.given_back(run.result())  # type: ignore[attr-defined]  # for the code that catches it
                raise
            _uncancel()
        finally:
            if not done.done():  # Reached also by unusual exits, such as a closed coroutine.
                run.interrupt()
        result = run.result()
        bar.end(run.batch.ledger, run.batch.stopped)
    return run.returned(result)


def _uncancel() -> None:
    """Undo the cancellation, so that a surrounding ``asyncio.timeout`` or task group does not count it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
