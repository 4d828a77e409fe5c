"""Texts → typed rows: ``extract`` and ``aextract``, two ways to wait for one engine.

The engine runs on a private loop thread (:mod:`.loop`); what is here waits, reads from an iterator what is wanted, and
turns an interrupt into a whole frame.
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

# A person notices 0.1 s as at once; it is how often a wait looks up, for the progress bar and for an interrupt.
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

    An interrupt (Stop in a notebook, Ctrl+C) cancels what is in flight and returns the frame so far; the same
    call again goes on. What was paid for is never asked for again: neither by the same call, nor for equal rows.

    Args:
        data: a DataFrame, a Series, or any iterable of texts; an iterator is read as rows are wanted, and a row that
            was not read when the batch was stopped is still in it. A Dask DataFrame gives a Dask DataFrame, for which
            nothing is sent until it is computed. A DataFrame, LazyFrame or Series of polars, or a Table of pyarrow,
            gives a table of its kind; of a LazyFrame the columns that the prompt names are collected at once.
        schema: a ``msgspec.Struct`` class, or any type that msgspec decodes.
        model: a model, its name, or None for the embedded one.
        prompt: what a row is sent, with column names in braces: ``"{title}: {body}"``; ``{text}`` for anything but a
            DataFrame; ``{{`` and ``}}`` for braces. Without it a DataFrame's row is sent as lines ``name: value``,
            anything else as its text. What a row holds stands between marks that it cannot close, as data: the whole
            of it without ``prompt``, a cell that is more than a short word within one. ``"{text}"`` sends it bare.
        system_prompt: put in front of each row; without ``prompt`` the default is an instruction to extract.
        images: the column, or columns, of images: paths, bytes, pictures, arrays, addresses, lists of these.
        files: the column, or columns, of PDF files: paths or bytes.
        folder: where the paths of ``images`` and ``files`` have to lie, once links are followed: a table of somebody
            else's may name any file of this machine. A relative path may be meant from there too. None for anywhere.
        examples: pairs of a row and its answer, shown to the model before each row. The row is a text, or has cells by
            column (a dict, a row of a DataFrame); the answer is an instance of the schema, or what decodes to one.
        on_error: ``"keep"`` goes on; ``"stop"`` sends nothing new after the first row that failed; ``"raise"`` does
            the same and then raises that row's error. A key, quota or model that fails every row alike stops the
            batch in any case, and so do five equal failures at the very start.
        max_concurrency: requests at once, at most; ``"auto"`` finds out what the provider bears.
        rpm: requests a minute, at most; shared by all batches that use this model at this address with this key.
        tpm: tokens a minute, likewise; what a row will use is estimated, and set right when it is known.
        max_cost: US dollars; nothing new is sent when the rows in flight might pass it.
        store: an SQLite file in which answers are kept, so that a later session goes on where this one ended; None
            keeps them as long as the kernel lives, False not at all.
        on_store_error: what happens where answers cannot be kept any more (a full disk, a lock, a deleted file), which
            a :class:`StoreWarning` says at once: ``"keep"`` goes on, with answers in memory that are written as soon
            as that is possible; ``"stop"`` sends nothing new.
        explode: a field that holds a list: one row for each of its items, under the same index label.
        sample: try this many rows, chosen by chance but always the same, and forecast the rest in the report.
        confidence: whether to say how sure each row is, in a column ``_confidence``, and each field, by
            ``result.mf.confidence()``. True goes by the probabilities of tokens, if the provider gives them; a
            number asks each row so many times and counts how often the answers agree with the first, the row's own.
        chunk: how a row is read whose text is too long: in pieces, each asked and kept by itself. PDF files of
            ``files`` are then read as text, page by page. None for whole rows.
        merge: makes one answer of those of a row's pieces, a list in their order; None joins lists, without the doubles
            of what pieces have in common, and takes other fields from the surest piece that has them.
        progress: whether to show how it goes: as a view in a notebook, as a text bar elsewhere.
        unknown: any other keyword is refused.

    Returns:
        The input's index and order, with the schema's fields as columns (``tables/dtypes.py`` says which dtype), then

        * ``_status``: ``ok``; ``cached`` (known, or the same as another row); ``invalid`` (does not fit the schema),
          ``refused``, ``truncated``, ``failed``; ``skipped`` (every cell is missing or blank, nothing sent);
          ``interrupted`` (was in flight), ``pending`` (never sent);
        * ``_error``: what went wrong, or why nothing was sent;
        * ``_attempts``, ``_prompt_tokens``, ``_completion_tokens``, ``_cost`` (US dollars), ``_seconds``: missing
          where not known; what was billed for this row in this run;
        * ``_confidence`` if it was asked for: that of the least sure field, from 0 to 1; missing where not known.

        ``attrs["report"]`` has the run's name, the counts by state and the sums, ``store_error`` (what went wrong with
        the store last) and ``not_stored`` (how many answers wait to be written).

    Raises:
        ValueError: the prompt names a column that is not there, or an option has a value that it cannot have.
        SchemaError: ``schema`` is not a type, or has a field named like one of the columns above.
        StoreError: ``store`` cannot be used, which is found before anything is sent.
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
        lazy: pd.DataFrame = extract_dask(data, schema, **options)  # Dask's, which has nearly all of its methods
        return lazy
    return finish(Run(data, schema, **options), progress=progress)


class Waitable(Protocol):
    """What is waited for: a batch over rows, or a grid."""

    wants_rows: Callable[[], object]

    @property
    def batch(self) -> Any:
        """The engine, with ``run``, ``ledger`` and ``stopped``."""

    def feed(self) -> None:
        """Read more rows of an iterator, on the caller's thread."""

    def interrupt(self) -> None:
        """Send nothing more and cancel what is in flight."""

    def interrupt_and_wait(self) -> None:
        """The same, and wait a moment for the connections to close."""

    def warn_of_store(self, above: int) -> None:
        """Warn of what has gone wrong with the store since the last time."""

    def result(self) -> pd.DataFrame:
        """Return the frame so far."""

    def given_back(self, result: pd.DataFrame) -> pd.DataFrame:
        """Return the frame as a table of the kind that was given."""

    def returned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame, or raise what has to be raised."""


def finish(run: Waitable, *, progress: bool) -> pd.DataFrame:
    """Run a batch to its end, or to an interrupt, and return its frame as its data was."""
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
        except KeyboardInterrupt:  # while rows were read, or where something else has been stuck for long
            pass
        finally:
            if not done.done():
                run.interrupt_and_wait()
        result = run.result()
        bar.end(run.batch.ledger, run.batch.stopped)
        interrupted.wait_for_quiet()
    return run.returned(result)


async def aextract(data: Any, /, schema: Any, *, progress: bool = True, **options: Unpack[Options]) -> pd.DataFrame:
    """As :func:`extract`, to be awaited; the same arguments and the same result.

    An interrupt by a person (Stop in a notebook, Ctrl+C) returns the frame so far. A cancellation by the
    program (``task.cancel()``, ``asyncio.timeout``) stops the batch in the same way and raises ``CancelledError``, as
    it must; the frame is its attribute ``result``.
    """
    if is_dask(data):
        lazy: pd.DataFrame = extract_dask(data, schema, **options)  # Dask's, which has nearly all of its methods
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
                # Without the heartbeat a kernel's loop, asleep until something happens, sees an interrupt late.
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
            with contextlib.suppress(asyncio.CancelledError):  # a second one; the first is raised below
                await asyncio.wait([done], timeout=CLOSING_SECONDS)
                while interrupted.quiet_in:
                    await asyncio.sleep(interrupted.quiet_in)
            if not interrupted.is_set():
                cancelled.result = run.given_back(run.result())  # type: ignore[attr-defined]  # evidence for whoever catches it
                raise
            _uncancel()
        finally:
            if not done.done():  # Also on a way out that nobody foresaw, such as a closed coroutine.
                run.interrupt()
        result = run.result()
        bar.end(run.batch.ledger, run.batch.stopped)
    return run.returned(result)


def _uncancel() -> None:
    """Take the cancellation back, so that ``asyncio.timeout`` and task groups around do not count it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
