"""The figures of a batch in words: rows, rate, tokens, cost, time, and the forecast for the remaining rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...display.figures import dollars
from .tally import Tally

__all__ = ["ahead_of", "figures_of", "forecast_text", "money", "paid_of", "rows_text"]

_DASH = "–"


def rows_text(count: int) -> str:
    """Return a number of rows in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def money(cost: float | None, *, free: bool = False) -> str:
    """Return a cost in words: a dash if it is unknown, *free* for a model that costs nothing."""
    if cost is None:
        return _DASH
    return dollars(cost) if cost else "free" if free else "$0"


def figures_of(
    tally: Tally | None, *, total: int | None, finished: int, ended: Mapping[str, Any] | None = None
) -> list[list[str]]:
    """Return names and values, always the same names in the same order, so that nothing jumps."""
    of = "" if total is None else f" of {total:,}"
    rate = prompt = completion = cost = rest_cost = seconds = None
    free = tally is not None and tally.free
    if ended is not None:
        prompt, completion, cost = ended["prompt_tokens"], ended["completion_tokens"], ended["cost"]
        seconds = ended["seconds"]
        rate = finished / seconds if seconds else None
    elif tally is not None:
        rate, rest = tally.rate(), tally.rest
        prompt, completion, cost = map(tally.billed, ("prompt_tokens", "completion_tokens", "cost"))
        seconds = rest / rate if rest is not None and rate else None
    if ended is not None and "forecast" in ended:
        rest_cost = ended["forecast"]["cost"]
    elif tally is not None:
        rest_cost = tally.for_the_rest("cost")
    return [
        ["rows", f"{finished:,}{of}"],
        ["rate", _DASH if not rate else f"{_short(rate)} rows/s"],
        ["tokens in", _whole(prompt)],
        ["tokens out", _whole(completion)],
        ["cost", _cost(tally, ended) if cost is None else money(cost, free=free)],
        ["for the rest", _for_the_rest(rest_cost, free=free)],
        ["took" if ended is not None else "time left", _time(seconds, about=ended is None)],
        ["recorded", _recorded({} if tally is None else tally.recorded, finished)],
    ]


def _recorded(dates: Mapping[str, int], finished: int) -> str:
    """Return when the answers were recorded, with the number of rows if not all."""
    count = sum(dates.values())
    return _DASH if not count else " and ".join(dates) + ("" if count == finished else f" ({rows_text(count)})")


def _for_the_rest(cost: float | None, *, free: bool) -> str:
    return f"≈ {money(cost)}" if cost else money(cost, free=free)


def _cost(tally: Tally | None, ended: Mapping[str, Any] | None) -> str:
    """Return an unknown cost in words: the known part and the number of other rows."""
    known, unknown = _known(tally, ended)
    return f"{_DASH} ({dollars(known)}, and {rows_text(unknown)} unknown)" if unknown and known else _DASH


def _known(tally: Tally | None, ended: Mapping[str, Any] | None) -> tuple[float | None, int]:
    """Return the known part of the bill, and the number of rows whose cost is unknown."""
    if ended is not None:
        return ended.get("known", {}).get("cost"), ended.get("unknown", {}).get("cost", 0)
    return (None, 0) if tally is None else tally.partly("cost")


def paid_of(tally: Tally, ended: Mapping[str, Any] | None) -> list[str]:
    """Return the cost so far and the words after it: the expected total, or the unknown part; empty for neither."""
    known, unknown = _known(tally, ended)
    if unknown:
        return [money(known), f"and {rows_text(unknown)} unknown"] if known else ["", ""]
    rest = None if ended is not None else tally.for_the_rest("cost")
    words = f"of about {money(known + rest)}" if known is not None and rest else ""
    return ["" if known is None else money(known, free=tally.free), words]


def forecast_text(forecast: Mapping[str, Any] | None) -> str:
    """Return the forecast for the rows that were not tried as a sentence."""
    if forecast is None or not forecast["rows"]:
        return ""
    sent, received = forecast["prompt_tokens"], forecast["completion_tokens"]
    parts = [] if sent is None or received is None else [f"{_whole(sent)} tokens in, {_whole(received)} out"]
    if forecast["cost"]:
        parts.append(dollars(forecast["cost"]))
    if forecast["failed"] is not None:
        parts.append(f"{forecast['failed']:,} may fail, and hardly more than {forecast['failed_at_most']:,}")
    return f"the other {rows_text(forecast['rows'])}, by these: about {', '.join(parts) or _DASH}"


def ahead_of(
    forecast: Mapping[str, Any] | None, ended: Mapping[str, Any] | None, *, free: bool, kept: bool = True
) -> dict[str, str]:
    """Return the forecast as names and values, shown at the button that continues; empty without a sample.

    Args:
        forecast: the forecast for the rows that were not tried.
        ended: the report of the sample.
        free: whether the model costs nothing.
        kept: whether the sample's answers were kept; else they are asked for again, and count too.
    """
    if forecast is None or ended is None or not forecast["rows"]:
        return {}
    if not kept:
        forecast = _of_all(forecast, ended["rows"])
    rest, sent = forecast["rows"], ended["rows"] - ended["states"]["cached"]
    seconds = ended["seconds"] / sent * rest if sent and ended["seconds"] else None
    tokens = [forecast["prompt_tokens"], forecast["completion_tokens"]]
    known = None not in tokens
    which = f"{rest:,} more" if kept else f"all {rest:,}"
    found = {
        f"{which} cost{' about' if forecast['cost'] else ''}": money(forecast["cost"], free=free),
        "and take": _time(seconds, about=True),
        "tokens": f"{_whole(tokens[0])} in · {_whole(tokens[1])} out" if known else _DASH,
    }
    if forecast["failed"] is not None:
        most, likely = forecast["failed_at_most"], forecast["failed"]
        found["may fail"] = f"0 – {most:,}, likely {likely:,}"
    return {name: value for name, value in found.items() if value != _DASH or name.endswith(("cost", "about"))}


def _of_all(forecast: Mapping[str, Any], tried: int) -> dict[str, Any]:
    """Return a forecast that counts the rows of the sample too."""
    share = 1 + tried / forecast["rows"]
    rounded = ("prompt_tokens", "completion_tokens", "failed", "failed_at_most")
    scaled = {name: None if forecast[name] is None else round(forecast[name] * share) for name in rounded}
    cost = None if forecast["cost"] is None else forecast["cost"] * share
    return {**forecast, **scaled, "cost": cost, "rows": forecast["rows"] + tried}


def _whole(number: float | None) -> str:
    return _DASH if number is None else f"{number:,.0f}"


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}" if rate >= 1 else f"{rate:,.2f}"


def _time(seconds: float | None, *, about: bool) -> str:
    if seconds is None:
        return _DASH
    sign = "≈ " if about else ""
    if seconds < (0.5 if about else 0.05):
        return "< 1 s" if about else "< 0.1 s"
    if seconds < 60:
        return f"{sign}{seconds:,.0f} s" if about or seconds >= 10 else f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{sign}{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{sign}{minutes} min {rest} s"
