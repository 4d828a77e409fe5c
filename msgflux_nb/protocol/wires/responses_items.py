"""Reads the texts and the positions of a response's output items, even if a server leaves some out; pure."""

from __future__ import annotations

from typing import Any

from ..json_values import dicts_in, text_in

__all__ = ["final_text", "places_of", "texts_of"]


def final_text(items: Any) -> str | None:
    """Return the text of the final answer, for a structure; None if there is no message.

    A model may send a comment before its calls (``phase: commentary``), or the same structure in two messages. The last
    message that is not a comment counts.
    """
    texts = []
    for item in dicts_in(items):
        if item.get("type") == "message" and item.get("phase") != "commentary":
            parts = item.get("content")
            found = [part["text"] for part in dicts_in(parts) if isinstance(part.get("text"), str)]
            texts.append("".join(found))
    return next((text for text in reversed(texts) if text.strip()), None)


def places_of(
    output: list[dict[str, Any]], known: dict[int, dict[str, Any]], kinds: dict[int, Any] | None = None
) -> list[int]:
    """Return the output_index of each item of a whole response, which may lack items that the stream had.

    Args:
        output: the items of the response.
        known: the complete items of the stream, by output_index.
        kinds: the type of each item of the stream, by output_index; it may count from 1, and skip numbers.
    """
    order = sorted(kinds or ())
    same = [item.get("type") for item in output] == [(kinds or {})[place] for place in order]
    names = [text_in(item.get("id")) or "" for item in known.values()]
    ids = {name: place for place, name in zip(known, names, strict=True) if name and names.count(name) == 1}
    places: list[int] = []
    for number, item in zip(order if same else range(len(output)), output, strict=True):
        place = ids.get(text_in(item.get("id")) or "", number)
        places.append(place if place not in places else max(places) + 1)
    return places


def texts_of(parts: Any) -> list[str]:
    """Return the texts of a reasoning item; some servers send one text, or a list of texts, instead of parts."""
    found = parts if isinstance(parts, list) else [parts]
    return [
        part if isinstance(part, str) else str(part.get("text") or "") for part in found if isinstance(part, str | dict)
    ]
