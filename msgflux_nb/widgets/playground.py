"""``Playground``: write a message, begin the answer, pick a structure, and watch the model go on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import traitlets as t

from ..content.messages import ChatBlock, Message
from ..errors import MediaError, SchemaError
from ._attachments import Attachment, Uploads, attachment
from ._base import View
from ._feed import Feed
from ._question import Question, ask, draft, media_problem, status
from ._run import Run
from ._structure import Offer, Row, notebook_namespace, offers, rows
from ._twin import Picture, twin_html, twin_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Playground"]


class Playground(View):
    """A place to try a model: message and images, the start of the answer, a structure, Run and Stop.

    Runs happen on a thread, so that the notebook stays free and Stop works. Each run is one question; it changes
    nothing in the message being written.

    Args:
        model: a model, or its name; by default the embedded one.
        schemas: types to offer beside the plan schemas and the Structs that the notebook defines: by name, or alone.
        prompt: the message to begin with.
        prefilling: the start of the answer.
        system_prompt: instructions that come before the message.

    Attributes:
        prompt: the text of the message.
        prefilling: the start of the answer that the model continues; shown in its own tint.
        schema: the name of the structure asked for; empty for text.
        system_prompt: instructions that come before the message; empty for none.
        value: what the last run was decoded to: a ``str``, or an instance of the schema; None if it is not complete.
        response: the answer of the last run as it arrives, or None.
        error: why the last run failed, or None.

    Example:
        >>> playground = Playground("local/smollm2-135m", prompt="Name three fruits.")
        >>> playground.messages
        [{'role': 'user', 'content': 'Name three fruits.'}]
    """

    stem = "playground"
    parts = ("_dom", "_stream", "_composer", "_words", "_answer")

    prompt = t.Unicode("").tag(sync=True)
    prefilling = t.Unicode("").tag(sync=True)
    schema = t.Unicode("").tag(sync=True)
    system_prompt = t.Unicode("").tag(sync=True)
    value = t.Any(None)
    # What the page needs beside these; never pixels, since widget state can be saved with a notebook.
    model_name = t.Unicode("").tag(sync=True)
    model_options = t.Unicode("").tag(sync=True)
    schema_options: t.List[Any] = t.List().tag(sync=True)
    attachments: t.List[Any] = t.List().tag(sync=True)
    warning = t.Unicode("").tag(sync=True)
    snapshot = t.Dict().tag(sync=True)

    _run: Run | None = None
    _feed = Feed()

    def __init__(
        self,
        model: Any = None,
        *,
        schemas: Mapping[str, Any] | Iterable[Any] | None = None,
        prompt: str = "",
        prefilling: str = "",
        system_prompt: str | None = None,
    ) -> None:
        self.model = _model(model)
        self._given = schemas if schemas is None or isinstance(schemas, Mapping) else tuple(schemas)
        self._offers: dict[str, Offer] = {}
        self._images: dict[str, Attachment] = {}
        self._uploads = Uploads()
        self._lock = threading.RLock()  # ipykernel 7 handles messages of the page on a thread of their own
        self._counter = itertools.count()
        self._sent = Question()
        super().__init__(
            prompt=prompt,
            prefilling=prefilling,
            system_prompt=system_prompt or "",
            model_name=self.model.name,
            model_options=" · ".join(f"{name} {value}" for name, value in sorted(self.model.options.items())),
            snapshot={"run": 0, "state": "idle"},
        )
        self._find_schemas()

    def __repr__(self) -> str:
        return f"Playground({self.model_name!r}, {self.picture.state})"

    @t.validate("schema")
    def _check_schema(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name and name not in self._offers:
            self._find_schemas()
        if name and name not in self._offers:
            raise ValueError(f"no schema {name!r}; there are: {', '.join(self._offers)}; or '' for text")
        return name

    # -- what a notebook reads ------------------------------------------------------------------------------------

    @property
    def response(self) -> Any:
        """The answer of the last run, as it arrives; None before the first, or if it could not be asked."""
        return None if self._run is None else self._run.stream

    @property
    def error(self) -> Exception | None:
        """Why the last run failed, or None."""
        return None if self._run is None else self._run.error

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None and not self._run.over

    @property
    def messages(self) -> list[Message]:
        """What the last run sent, with the answer so far; before the first run, what a run would send."""
        with self._lock:
            run, sent = self._run, self._sent
        if run is None:
            return draft(self.prompt, self._parts(), self.system_prompt)
        text = "" if run.stream is None else run.stream.text
        return [*sent.messages, *([ChatBlock.assistant(text)] if text else [])]

    def to_frame(self) -> pd.DataFrame:
        """Return the answer as one typed row; an empty frame before the first run.

        Raises:
            MsgfluxError: the last run failed or was stopped; the same error as ``response.consume()`` raises.
        """
        from ..tables.frame import to_frame

        if self.error is not None:
            raise self.error
        frame: pd.DataFrame = to_frame([]) if self.response is None else self.response.to_frame()
        return frame

    # -- what a notebook does -------------------------------------------------------------------------------------

    def attach(self, source: Any, *, name: str | None = None) -> None:
        """Add an image to the message: a path, bytes, an open file, a PIL image, an array or a figure.

        Raises:
            MediaError: it is no image that can be sent.
        """
        self._attach(f"kernel-{next(self._counter)}", source, name)

    def run(self, *, wait: bool = False) -> None:
        """Ask the model.

        Args:
            wait: return when the answer is complete, and raise what went wrong; without it, the answer arrives while
                other cells run, and an error is shown and kept in ``error``.

        Raises:
            RuntimeError: a run is under way.
        """
        run = self._begin()
        if not wait:
            return
        try:
            run.wait()
        except KeyboardInterrupt:
            run.stop()
            run.wait()
            raise
        if run.error is not None:
            raise run.error

    def stop(self) -> None:
        """End the run under way, keeping what came; nothing happens if there is none."""
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """End the run under way, and the widget."""
        self.stop()
        super().close()

    # -- a run ----------------------------------------------------------------------------------------------------

    def _begin(self) -> Run:
        self._find_schemas()
        with self._lock:
            if self.running:
                raise RuntimeError("a run is under way; stop it first, or wait for its end")
            offer = self._offers.get(self.schema)
            sent = Question(
                messages=draft(self.prompt, self._parts(), self.system_prompt),
                prefill=self.prefilling if self.prefilling.strip() else "",
                schema=self.schema if offer is not None else "",
                type=offer.type if offer is not None else None,
                prompt=self.prompt,
                system_prompt=self.system_prompt,
                images=tuple(f"{image.name}, {image.detail}" for image in self._images.values()),
            )
            number = 1 if self._run is None else self._run.number + 1
            self._feed = Feed(markdown=not (sent.prefill or sent.schema))
            run = Run(
                number,
                lambda: ask(self.model, sent),
                feed=self._feed,
                on_batch=lambda seq, batch: self.send({"type": "batch", "run": number, "seq": seq, **batch}),
                on_end=self._finish,
            )
            self._run, self._sent = run, sent
        self.send({"type": "start", "run": number, "prefill": sent.prefill, "schema": sent.schema})
        run.start()
        return run

    def _finish(self, run: Run) -> None:
        """Say the end of a run once: to the page, to observers of ``value``, and to the saved notebook."""
        try:
            picture = self.picture
            end = {
                "run": picture.run,
                "state": picture.state,
                "schema": picture.schema,
                "prefill": picture.prefill,
                "rows": [msgspec.to_builtins(row) for row in picture.rows],
                "error": picture.error,
                "status": picture.status,
            }
            # The pages have the answer already, so it is not sent once more; the trait is for those that come later.
            whole, last = self._feed.finished()
            self._set_unsent(snapshot={**whole, **end})
            self.send({"type": "end", "seq": run.number_sent, **last, **end})
            self._update_twin()
            self.value = run.value
        except Exception as error:
            self.show_error(error)  # an observer of value failed; the run itself is over

    def _drawn(self) -> tuple[str, str]:
        return twin_html(self.picture, "Playground"), twin_text(self.picture, "Playground")

    @property
    def picture(self) -> Picture:
        """The state to be drawn in the twin: the last run, or before it the message being written."""
        with self._lock:
            run, sent = self._run, self._sent
        if run is None:
            return Picture(model=self.model_name, prompt=self.prompt, system_prompt=self.system_prompt)
        done = () if run.state != "complete" else (run.value,)
        return Picture(
            run=run.number,
            state=run.state,
            model=self.model_name,
            schema=sent.schema,
            system_prompt=sent.system_prompt,
            prompt=sent.prompt,
            images=sent.images,
            prefill=sent.prefill,
            continuation="" if run.stream is None else run.stream.continuation,
            rows=() if sent.type is None else _rows(sent.type, *done),
            error=None if run.error is None else (type(run.error).__name__, str(run.error)),
            status=status(run.stream),
            lasting_status=status(run.stream, times=False),
        )

    # -- what the page asks ---------------------------------------------------------------------------------------

    def _on_run(self, content: dict[str, Any], _buffers: Any) -> None:
        # The fields come along: traits travel in messages of their own, which could be handled later.
        self.set_trait("prompt", content["prompt"])
        self.set_trait("prefilling", content["prefilling"])
        self.set_trait("schema", content["schema"])
        self._begin()

    def _on_stop(self, _content: dict[str, Any], _buffers: Any) -> None:
        self.stop()

    def _on_hello(self, _content: dict[str, Any], _buffers: Any) -> None:
        """A page has loaded, perhaps in the middle of a run."""
        self._find_schemas()
        self._tell_progress()

    def _on_resync(self, _content: dict[str, Any], _buffers: Any) -> None:
        """A page has missed something."""
        self._tell_progress()

    def _on_schemas(self, _content: dict[str, Any], _buffers: Any) -> None:
        """Somebody is about to pick one."""
        self._find_schemas()

    def _on_piece(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        try:
            data = self._uploads.add(content["id"], content["index"], content["count"], buffers[0])
            if data is not None:
                self._attach(content["id"], data, str(content["name"])[:120])
        except MediaError as error:
            self.send({"type": "refused", "id": content["id"], "message": str(error)})

    def _on_remove(self, content: dict[str, Any], _buffers: Any) -> None:
        with self._lock:
            self._images.pop(content["id"], None)
        self._show_attachments()

    def _on_thumbnails(self, content: dict[str, Any], _buffers: Any) -> None:
        """A page has no pixels for some images: it was reloaded, or a cell attached them."""
        with self._lock:
            found = [self._images[id_] for id_ in content["ids"] if id_ in self._images]
        pixels = [image.thumbnail() for image in found]
        self.send({"type": "thumbnails", "ids": [image.id for image in found]}, pixels)

    def _tell_progress(self) -> None:
        run = self._run
        if run is None or run.over:
            self.send({"type": "idle"})
            if run is not None:
                self.send_state("snapshot")
            return
        told = {"type": "progress", "run": run.number, "prefill": self._sent.prefill, "schema": self._sent.schema}
        run.report(lambda seq, whole: self.send({**told, "seq": seq, **whole}))

    # -- helpers --------------------------------------------------------------------------------------------------

    def _find_schemas(self) -> None:
        found = {offer.name: offer for offer in offers(self._given, notebook_namespace())}
        self._offers = found
        self.schema_options = [
            {"name": offer.name, "group": offer.group, "rows": [msgspec.to_builtins(row) for row in _rows(offer.type)]}
            for offer in found.values()
        ]

    def _attach(self, id_: str, source: Any, name: str | None) -> None:
        image = attachment(id_, source, name)
        with self._lock:
            self._images[id_] = image
        self._show_attachments()

    def _show_attachments(self) -> None:
        with self._lock:
            images = list(self._images.values())
        self.attachments = [image.card for image in images]
        self.warning = media_problem(self.model, [image.part for image in images])

    def _parts(self) -> list[dict[str, Any]]:
        with self._lock:
            return [image.part for image in self._images.values()]


def _model(model: Any) -> Any:
    if model is None or isinstance(model, str):
        from ..models.model import Model

        return Model.chat_completion() if model is None else Model.chat_completion(model)
    if not (callable(model) and hasattr(model, "profile")):
        raise TypeError(
            f"Playground: expected a model or its name, got {type(model).__name__}. "
            'Model.chat_completion("provider/model") makes one.'
        )
    return model


def _rows(type_: Any, *value: Any) -> tuple[Row, ...]:
    """The rows of a type; none for a broken one, which can be picked too: a run with it says what is wrong."""
    try:
        return tuple(rows(type_, *value))
    except SchemaError:
        return ()
