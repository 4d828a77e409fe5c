"""``PrefillEditor``: write the start of the answer, with a forecast of what the provider will do with it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec
import traitlets as t

from ...display.html import WORDS, answer_html
from ..base.given_model import listed, model_of
from ..base.view import View
from .forecast import outlook_of, starts
from .verdict import verdict

__all__ = ["PrefillEditor"]


class PrefillEditor(View):
    """Edits the start of the answer, which the model continues.

    While it is written, one line forecasts what the model's provider will do: continue it, repeat it, refuse it, or get
    it only as an instruction. The forecast comes from the request that a call would send.

    Args:
        model: a model, or its name; by default the embedded one.
        value: the start to begin with.
        schema: the type that the answer is decoded to; None for text.
        presets: starts to offer before the usual ones: by name, or alone.

    Attributes:
        value: the start; empty for none.
        schema: the type that the answer is decoded to; a start that does not fit it is impossible.
        model: the model of the forecast.
        beside: further keywords of the call, such as ``{"tool_schemas": [...]}``: some providers then take no prefill.
        outlook: the forecast, as a dict of ``kind``, ``word``, ``text`` and ``space``.
        warning: what went wrong in the last judged answer; empty if nothing did.

    Example:
        >>> editor = PrefillEditor("local/smollm2-135m", "Let's think step by step.")
        >>> editor.outlook["word"]
        'continues'
    """

    stem = "prefill/prefill_editor"

    value = t.Unicode("").tag(sync=True)
    schema = t.Any(None)
    model = t.Any(None)
    beside: t.Dict[str, Any] = t.Dict()
    warning = t.Unicode("").tag(sync=True)
    # Further traits for the page.
    model_name = t.Unicode("").tag(sync=True)
    presets: t.List[Any] = t.List().tag(sync=True)
    outlook: t.Dict[str, Any] = t.Dict().tag(sync=True)

    def __init__(
        self,
        model: Any = None,
        value: str = "",
        *,
        schema: Any = None,
        presets: Mapping[str, str] | Iterable[str] | None = None,
    ) -> None:
        if not isinstance(value, str):
            raise TypeError(f"value: expected the start of an answer as a str, got {type(value).__name__}")
        self._given = (
            dict(presets)
            if isinstance(presets, Mapping)
            else {text: text for text in listed(presets, "presets", "texts, or texts by name")}
        )
        self._lock = threading.RLock()  # ipykernel 7 handles the page's messages on another thread
        super().__init__(model=model_of(model, "PrefillEditor"), value=value, schema=schema)

    def __repr__(self) -> str:
        return f"PrefillEditor({self.value!r}, {self.outlook['word']})"

    def judge(self, response: Any, start: str | None = None) -> str:
        """Check whether an answer continued its start, and show a warning if it did not.

        Args:
            response: an answer so far; None removes the warning.
            start: the start of the request; by default the present one.

        Returns:
            The warning; empty if nothing is wrong.
        """
        self._look()  # it may be known now whether this server repeats a start
        self.warning = verdict(response, self.value if start is None else start)
        self._update_twin()
        return self.warning

    @t.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        return model_of(proposal["value"], "PrefillEditor")

    @t.observe("model", "schema", "beside")
    def _look_at_all(self, _change: Any = None) -> None:
        with self._lock:
            self.model_name = self.model.name
            self.presets = starts(self.model, self._given, self.schema, self.beside)
        self._look()

    @t.observe("value")
    def _look(self, change: Any = None) -> None:
        with self._lock:
            found = outlook_of(self.model, self.value, self.schema, self.beside)
            # The page dims a forecast that is for another text.
            self.outlook = {**msgspec.to_builtins(found), "value": self.value}
            if change is not None:
                self.warning = ""  # the warning was about another start
        self._update_twin()

    def _drawn(self) -> tuple[str, str]:
        title, seen = f"start of the answer · {self.model_name}", self.outlook
        more = [line for line in (seen["space"], self.warning) if line]
        notes = [f"<b>{escape(seen['word'])}</b> {escape(seen['text'])}", *map(escape, more)]
        start = f'<pre style="{WORDS}">{answer_html(self.value, "") or "–"}</pre>'
        drawn = f"<small>{escape(title)}</small>{start}"
        drawn += "".join(f"<div><small>{note}</small></div>" for note in notes)
        return drawn, "\n".join([title, self.value or "–", f"{seen['word']}: {seen['text']}", *more])
