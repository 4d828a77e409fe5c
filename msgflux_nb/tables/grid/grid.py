"""Prompts × models over the same inputs: ``grid`` and ``agrid``."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..extract import afinish, finish
from ..options import OnStoreError
from .grid_run import GridRun

__all__ = ["agrid", "grid"]


def grid(
    prompts: Any,
    inputs: Any,
    *,
    models: Any = None,
    schema: Any = None,
    n: int = 1,
    score: Any = None,
    store: Any = None,
    on_store_error: OnStoreError = "keep",
    max_cost: float | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Ask every model about every input with every prompt, and return the answers side by side.

    It is one batch with the promises of :func:`extract`: an answer that was paid for is never asked for again, an
    interrupt keeps the answers so far, and the same call again continues. An ``extract`` with one of the prompts, its
    model and the same schema and store finds the grid's answers, and the other way round.

    Args:
        prompts: templates with columns in braces, such as ``"Summarise: {text}"``, as ``prompt`` of :func:`extract`; or
            lists of messages whose texts are such templates. One, a list of them (named ``prompt 1``, ``prompt 2``,
            ...), or a dict of them by name.
        inputs: a DataFrame, a Series, or any iterable of texts.
        models: a model or its name, or several; a dict of them by name; None for the embedded one.
        schema: what answers are decoded to; None for text.
        n: the number of answers per cell; each has its own row and is kept separately.
        score: the truth, as a list in the inputs' order, or as a Series or DataFrame with their labels (only its
            fields count). Or a function of an answer, or of an answer and its input (a text, or a dict of cells), that
            returns True, False, a mark from 0 to 1, or None for no mark.
        store: an SQLite file that keeps the answers; None keeps them as long as the kernel lives, False does not.
        on_store_error: as in :func:`extract`: with ``"stop"`` nothing new is sent when answers cannot be kept.
        max_cost: US dollars for the whole grid; nothing new is sent when the answers in flight might exceed it.
        progress: whether to show a progress bar.

    Returns:
        A frame with the inputs as rows, under their labels, and ``(prompt, model)`` as columns; the schema's fields
        are a third level, with the dtypes of :func:`extract`. With ``n`` above 1 the index has a level ``sample``.
        ``result.mf.scores()`` is the table of prompts × models; ``result.mf.cells()`` has one row per answer with its
        state, cost and time; ``attrs["report"]`` has counts and sums.

    Raises:
        ValueError: a prompt names a column that does not exist, the truth does not belong to the inputs, or ``n`` or
            ``max_cost`` is out of range.
        SchemaError: ``schema`` is not a type.
        StoreError: ``store`` cannot be used.

    Example::

        prompts = {"plain": "Which topic? {text}", "rules": "Which topic? Billing means ... {text}"}
        result = mf.grid(prompts, mails["text"], models=["local/qwen2.5-coder-0.5b", "openai/gpt-4.1-nano"],
                         schema=Triage, score=mails[["topic"]], max_cost=0.10)
        result.mf.scores()
    """
    run = GridRun(
        prompts,
        inputs,
        models=models,
        schema=schema,
        n=n,
        score=score,
        store=store,
        on_store_error=on_store_error,
        max_cost=max_cost,
    )
    return finish(run, progress=progress)


async def agrid(prompts: Any, inputs: Any, *, progress: bool = True, **options: Any) -> pd.DataFrame:
    """As :func:`grid`, to be awaited, with the same arguments and the same result."""
    return await afinish(GridRun(prompts, inputs, **options), progress=progress)
