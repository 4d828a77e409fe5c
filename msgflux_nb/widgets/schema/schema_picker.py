"""``SchemaPicker``: pick the type that an answer is decoded to, inspect it and its wire schema, or build one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec
import traitlets as t

from ...display.structure import type_name
from ...errors import MsgfluxError
from ..base.given_model import listed, model_of
from ..base.messages import Buffers, PageMessage
from ..base.notebook import notebook_namespace
from ..base.view import View
from .fields import TypeField, doc_of, fields
from .offers import Offer, offers
from .sending import Sending, sending
from .struct_code import FormProblem, StructForm, built, code_of, problems

__all__ = ["SchemaPicker"]

_EMPTY_FORM = {"name": "", "fields": [{"name": "", "kind": "str"}]}


class Use(PageMessage, frozen=True):
    """Build the Struct that a form describes."""

    form: dict[str, Any]


class SchemaPicker(View):
    """Picks the type that an answer is decoded to, and explains it.

    It offers given types, the plan schemas, and the Structs of the notebook, which are looked up again whenever a
    person is about to pick. It shows the fields of the picked type, the schema that is sent to the model's provider,
    and what that schema cannot express. A form builds a small Struct and writes its code.

    Args:
        model: a model, or its name; by default the embedded one.
        schemas: further types to offer: by name, or alone.
        value: the type to begin with; None for text.

    Attributes:
        value: the picked type, or None for text.
        schema: its name; empty for text.
        model: the model that would be asked.
        beside: further keywords of the call, such as ``{"tool_schemas": [...]}``; they may change what is sent.
        form: the form of the Struct being built.
        code: its Python code; empty as long as there are problems.
        codes: the code of each type that was built.
        problems: the problems of the form, each as a place and a reason.

    Example:
        >>> picker = SchemaPicker("local/smollm2-135m")
        >>> picker.schema = "ChainOfThoughts"
        >>> [field["path"] for field in picker.described["fields"]][:2]
        ['steps', 'steps[].explanation']
    """

    stem = "schema/schema_picker"

    value = t.Any(None)
    schema = t.Unicode("").tag(sync=True)
    model = t.Any(None)
    beside: t.Dict[str, Any] = t.Dict()
    form: t.Dict[str, Any] = t.Dict(_EMPTY_FORM).tag(sync=True)
    code = t.Unicode("").tag(sync=True)
    problems: t.List[Any] = t.List().tag(sync=True)
    # Further traits for the page: names and groups of offered types, and the fields of the picked one.
    offered: t.List[Any] = t.List().tag(sync=True)
    described: t.Dict[str, Any] = t.Dict().tag(sync=True)
    model_name = t.Unicode("").tag(sync=True)
    written: t.Dict[str, Any] = t.Dict().tag(sync=True)  # the form to which code and problems belong

    def __init__(
        self,
        model: Any = None,
        *,
        schemas: Mapping[str, Any] | Iterable[Any] | None = None,
        value: Any = None,
    ) -> None:
        named = (
            schemas
            if isinstance(schemas, Mapping)
            else {type_name(one): one for one in listed(schemas, "schemas", "types, or types by name")}
        )
        self._given = dict(named)
        self.codes: dict[Any, str] = {}
        self._built: dict[str, tuple[Any, Any]] = {}  # each with the notebook's variable of this name at that time
        self._offers: dict[str, Offer] = {}
        self._lock = threading.RLock()  # ipykernel 7 handles the page's messages on another thread
        super().__init__(model=model_of(model, "SchemaPicker"))
        self.refresh()
        self.value = value
        self._write()

    def __repr__(self) -> str:
        return f"SchemaPicker({self.schema or 'text'})"

    def refresh(self) -> None:
        """Look for types again; a redefined class replaces the old one."""
        namespace = notebook_namespace()
        with self._lock:
            self._built = {
                name: (type_, had) for name, (type_, had) in self._built.items() if namespace.get(name) is had
            }
            made = {name: type_ for name, (type_, _) in self._built.items()}
            found = {offer.name: offer for offer in offers(self._given, namespace, made)}
            if self.schema and self.schema not in found:
                found[self.schema] = self._offers[self.schema]  # keep the picked type, though its name is gone
            self._offers = found
            self.offered = [[offer.name, offer.group] for offer in found.values()]
            if self.schema and found[self.schema].type is not self.value:
                self.value = found[self.schema].type

    # -- picking --------------------------------------------------------------------------------------------------

    @t.validate("schema")
    def _check_schema(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name and name not in self._offers:
            self.refresh()
        if name and name not in self._offers:
            raise ValueError(f"no schema {name!r}; there are: {', '.join(self._offers)}; or '' for text")
        return name

    @t.observe("schema")
    def _pick(self, _change: Any) -> None:
        self.value = self._offers[self.schema].type if self.schema else None

    @t.observe("value")
    def _picked(self, _change: Any) -> None:
        with self._lock:
            name = "" if self.value is None else self._name_of(self.value)
            if self.schema != name:
                self.schema = name
        self._describe()

    def _name_of(self, type_: Any) -> str:
        """Return the name under which a type is offered; a new type is offered from now on."""
        current = self._offers.get(self.schema)
        if current is not None and current.type is type_:
            return current.name
        name = next((offer.name for offer in self._offers.values() if offer.type is type_), None)
        if name is None:
            name = type_name(type_)
            self._given[name] = type_
            self._offers[name] = Offer(name, "given", type_)
            self.offered = [[offer.name, offer.group] for offer in self._offers.values()]
        return name

    # -- its description ---------------------------------------------------------------------------------------

    @t.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        return model_of(proposal["value"], "SchemaPicker")

    @t.observe("model", "beside")
    def _describe(self, _change: Any = None) -> None:
        with self._lock:
            self.model_name = self.model.name
            self.described = {} if self.value is None else self._description()
        self._update_twin()

    def _description(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.schema, "doc": doc_of(self.value), "fields": [], "left": 0}
        asked: Sending | None = None
        try:
            asked = sending(self.model, self.value, self.beside)
            told |= {"way": asked.way, "notes": list(asked.notes), "wrapped": asked.wrapped, "held": asked.held}
        except MsgfluxError as error:
            told["error"] = [type(error).__name__, str(error)]
        try:
            found, told["left"] = fields(self.value, asked.unenforced if asked is not None else None)
            told["fields"] = [msgspec.to_builtins(field) for field in found]
        except MsgfluxError as error:
            told.setdefault("error", [type(error).__name__, str(error)])
        return told

    def _on_offers(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Look for types again, because a person is about to pick."""
        self.refresh()

    def _on_details(self, _message: PageMessage, _buffers: Buffers) -> None:
        """Send the texts that a request contains."""
        name, type_ = self.schema, self.value
        parts = () if type_ is None else sending(self.model, type_, self.beside).parts
        self.send({"type": "details", "schema": name, "parts": parts})

    # -- building one ---------------------------------------------------------------------------------------------

    def build(self) -> Any:
        """Build the Struct that the form describes, offer it, pick it and return it.

        Raises:
            ValueError: the form has problems.
        """
        form = msgspec.convert(self.form, StructForm)
        for problem in problems(form):
            raise ValueError(problem.reason)
        type_ = built(form)
        name = type_.__name__
        with self._lock:
            self._built[name] = (type_, notebook_namespace().get(name))
            self.codes[type_] = self.code
        self.refresh()
        self.schema = name
        self.value = type_
        return type_

    @t.observe("form")
    def _write(self, _change: Any = None) -> None:
        with self._lock, self.hold_trait_notifications():
            try:
                form = msgspec.convert(self.form, StructForm)
                found = problems(form)
            except msgspec.ValidationError as error:
                found = [FormProblem("fields", str(error))]
            self.code = "" if found else code_of(form)
            self.problems = [list(problem) for problem in found]
            self.written = self.form

    def _on_use(self, message: Use, _buffers: Buffers) -> None:
        # The message has the form: traits come in separate messages, which may be handled later.
        self.set_trait("form", message.form)
        self.build()

    # -- twin -----------------------------------------------------------------------------------------------------

    def _drawn(self) -> tuple[str, str]:
        title, told = f"schema · {self.schema or 'text'}", self.described
        error = ": ".join(told.get("error", ()))
        notes = [*filter(None, [told.get("doc"), error, told.get("way"), *told.get("notes", ())])]
        listed = [_cells(msgspec.convert(field, TypeField)) for field in told.get("fields", ())]
        table = "".join(f"<tr>{''.join(map(_cell, cells))}</tr>" for cells in listed)
        drawn = f"<small>{escape(title)}</small><table><tbody>{table}</tbody></table>"
        drawn += "".join(f"<div><small>{escape(note)}</small></div>" for note in notes)
        return drawn, "\n".join([title, *(" · ".join(filter(None, cells)) for cells in listed), *notes])


def _cells(field: TypeField) -> tuple[str, ...]:
    limits = "; ".join((*field.limits, *([f"checked after: {field.unenforced}"] if field.unenforced else [])))
    return field.path, field.type, limits, "required" if field.required else field.default, field.description


def _cell(text: str) -> str:
    style = "text-align: left; vertical-align: top; padding: 0 12px 0 4px; white-space: pre-wrap"
    return f'<td style="{style}">{escape(text)}</td>'
