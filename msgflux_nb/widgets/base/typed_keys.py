"""Removes API keys from text typed or pasted into a field, because such text is kept, shown and saved."""

from __future__ import annotations

import re
from typing import Any

from ...models.keys import scrub

__all__ = ["KEY_REMOVED", "without_keys"]

KEY_REMOVED = (
    "What looks like an API key was removed from the field and is not kept. "
    "A key belongs in an environment variable, or in api_key= of the model."
)

_WORD = re.compile(r"(?:Bearer\s+)?\S+")
_DATA = re.compile(r"data:[^,\s]{0,100};base64,")
# Names such as hf_hub_download and "Bearer Token", which people write about, also have the shape of a key.
_TELLING = re.compile(r"AIza|Bearer\s+(?=\S*\d)|(?!Bearer)(?:[A-Za-z]+[-_][a-z_\-]*[A-Z0-9]|[^:]*:)")


def without_keys(value: Any) -> Any:
    """Return ``value``, a text or a tree of dicts and lists, with ``[key]`` in place of API keys.

    A value without keys is returned itself, so that ``is`` shows whether one was found.
    """
    texts = "\n".join(_texts(value))
    return value if scrub(texts) == texts else _clean(value)


def _texts(value: Any) -> list[str]:
    """Return the texts in a tree, without data URLs: their base64 may look like a key."""
    found, left = [], [value]
    for one in left:
        if isinstance(one, str):
            if not (one.startswith("data:") and _DATA.match(one)):
                found.append(one)
        elif isinstance(one, dict):
            left += one
            left += one.values()
        elif isinstance(one, (list, tuple)):
            left += one
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        # A long text is searched as a whole first.
        holds_none = _DATA.match(value) or scrub(value) == value
        clean: Any = value if holds_none else _WORD.sub(_masked, value)
        return value if clean == value else clean
    if isinstance(value, dict):
        items = [(key, item, _clean(key), _clean(item)) for key, item in value.items()]
        same = all(key is clean_key and item is clean for key, item, clean_key, clean in items)
        return value if same else {clean_key: clean for _, _, clean_key, clean in items}
    if isinstance(value, list | tuple):
        cleaned = [_clean(item) for item in value]
        return value if all(map(lambda one, other: one is other, value, cleaned)) else cleaned
    return value


def _masked(found: re.Match[str]) -> str:
    word = found[0]
    clean = scrub(word)
    if clean == word:
        return word
    before, _, after = clean.partition("[key]")
    removed = word[len(before) : len(word) - len(after)]
    return clean if _TELLING.match(removed) else word
