"""A form → a small Struct: its Python code, and the type itself, which is built from the form and never from code.

Names are normalised to NFKC, as Python does; the code contains texts as ``repr`` writes them.
"""

from __future__ import annotations

import builtins
import datetime
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, inspect

__all__ = ["FieldForm", "FormProblem", "StructForm", "built", "code_of", "problems"]

Kind = Literal["str", "int", "float", "bool", "date", "choice"]

_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "date": datetime.date}
_NAMES = {"date": "datetime.date"}
_USED = frozenset({*_TYPES, "list", "datetime", "msgspec", "Annotated", "Literal"} - {"date"})
_LINE = 100
_MOST_FIELDS = 500  # a longer form takes long to check, and nobody fills it in


class FieldForm(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the form; limits are texts.

    Attributes:
        name: its name.
        kind: its type.
        many: whether it is a list of this type.
        optional: whether it may be None, which then is its default.
        description: its description.
        least: the minimum of a number, or of the number of characters or items.
        most: the maximum, likewise.
        pattern: a regular expression for a text.
        words: the choices, separated by commas or lines.
    """

    name: str = ""
    kind: Kind = "str"
    many: bool = False
    optional: bool = False
    description: str = ""
    least: str = ""
    most: str = ""
    pattern: str = ""
    words: str = ""


class StructForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a Struct.

    Attributes:
        name: its name.
        fields: its fields in order.
    """

    name: str = ""
    fields: list[FieldForm] = []


class FormProblem(NamedTuple):
    """A problem of a form: its place (``name``, ``fields.0.least``) and the reason."""

    place: str
    reason: str


def problems(form: StructForm) -> list[FormProblem]:
    """List the problems of a form; of one with too many fields, only this."""
    if len(form.fields) > _MOST_FIELDS:
        reason = f"A form has at most {_MOST_FIELDS} fields, got {len(form.fields):,}. Write this Struct in a cell."
        return [FormProblem("fields", reason)]
    found = [FormProblem("name", reason) for reason in _name_problem(form.name, "the Struct")]
    if hasattr(builtins, _plain(form.name)):
        found.append(FormProblem("name", f"{form.name} is a built-in name of Python; choose another."))
    if not form.fields:
        found.append(FormProblem("fields", "A Struct needs a field."))
    names: set[str] = set()
    for index, field in enumerate(form.fields):
        found += [FormProblem(f"fields.{index}.{part}", reason) for part, reason in _field_problems(field)]
        if _plain(field.name) in names:
            found.append(FormProblem(f"fields.{index}.name", f"There are two fields called {_plain(field.name)}."))
        names.add(_plain(field.name))
    if found:
        return found
    try:
        inspect.type_info(built(form))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        return [FormProblem("fields", f"msgspec does not take this: {error}")]
    return []


def built(form: StructForm) -> Any:
    """Return the type of a form without problems."""
    members = [(_plain(field.name), _type(field), *([None] if field.optional else [])) for field in form.fields]
    return msgspec.defstruct(_plain(form.name), members, kw_only=_by_keyword(form), module="__main__")


def code_of(form: StructForm) -> str:
    """Return the code of a form without problems, ready to run in a cell."""
    lines = [line for field in form.fields for line in _field_lines(field)]
    body = "\n".join(f"    {line}" for line in lines)
    keywords = ", kw_only=True" if _by_keyword(form) else ""
    typing = [name for name in ("Annotated", "Literal") if f"{name}[" in body]
    own = ["import datetime"] if "datetime.date" in body else []
    own += [f"from typing import {', '.join(typing)}"] if typing else []
    imports = "\n".join([*own, *([""] if own else []), "import msgspec"])
    return f"{imports}\n\n\nclass {_plain(form.name)}(msgspec.Struct{keywords}):\n{body}\n"


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name.strip())


def _name_problem(name: str, what: str) -> Iterator[str]:
    plain = _plain(name)
    if not plain:
        yield f"Give {what} a name."
    elif keyword.iskeyword(plain):
        yield f"{plain} is a keyword of Python; write {plain}_ or another name."
    elif not plain.isidentifier():
        yield f"{plain!r} is not a Python name: use letters, digits and _, without a digit first."
    elif plain.startswith("__"):
        yield f"{plain} begins with __, which Python reserves; leave a _ out."
    elif plain in _USED:
        yield f"{plain} is a name that the code itself uses; write {plain}_ or another name."


def _field_problems(field: FieldForm) -> Iterator[tuple[str, str]]:
    yield from (("name", reason) for reason in _name_problem(field.name, "the field"))
    if field.kind == "choice" and not _words(field):
        yield "words", "Write the words to choose from, separated by commas."
    bounds = {}
    for part in _bounded(field):
        text = getattr(field, part).strip()
        try:
            bounds[part] = _number(field, text) if text else None
        except ValueError as error:
            yield part, str(error)
    least, most = bounds.get("least"), bounds.get("most")
    if least is not None and most is not None and least > most:
        yield "most", f"No value is at least {least} and at most {most}."
    if field.pattern and _has_pattern(field):
        try:
            re.compile(field.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield "pattern", f"This is not a regular expression: {error}."


def _bounded(field: FieldForm) -> tuple[str, ...]:
    """Return the limits that a field can have."""
    return ("least", "most") if field.many or field.kind in ("str", "int", "float") else ()


def _counts(field: FieldForm) -> bool:
    """Return whether the limits count characters or items."""
    return field.many or field.kind == "str"


def _has_pattern(field: FieldForm) -> bool:
    return field.kind == "str" and not field.many


def _number(field: FieldForm, text: str) -> int | float:
    whole = _counts(field) or field.kind == "int"
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a {'whole ' if whole else ''}number.") from None
    if not whole and not math.isfinite(number):
        raise ValueError(f"Expected a finite number as a limit, got {text[:40]!r}.")
    if _counts(field) and number < 0:
        raise ValueError(f"Expected a limit of at least 0, got {number}.")
    return number


def _words(field: FieldForm) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in (part.strip() for part in re.split(r"[,\n]", field.words)) if word))


def _meta(field: FieldForm) -> dict[str, Any]:
    """Return the keywords of ``msgspec.Meta``."""
    names = {"least": "min_length", "most": "max_length"} if _counts(field) else {"least": "ge", "most": "le"}
    bounds = {names[part]: getattr(field, part).strip() for part in _bounded(field)}
    found: dict[str, Any] = {name: _number(field, text) for name, text in bounds.items() if text}
    if field.pattern and _has_pattern(field):
        found["pattern"] = field.pattern
    if field.description.strip():
        found["description"] = field.description.strip()
    return found


def _type(field: FieldForm) -> Any:
    one: Any = Literal[_words(field)] if field.kind == "choice" else _TYPES[field.kind]
    whole: Any = list[one] if field.many else one
    meta = _meta(field)
    limited: Any = Annotated[whole, Meta(**meta)] if meta else whole
    return limited | None if field.optional else limited


def _field_lines(field: FieldForm) -> list[str]:
    one = _NAMES.get(field.kind, field.kind)
    if field.kind == "choice":
        one = f"Literal[{', '.join(map(repr, _words(field)))}]"
    whole = f"list[{one}]" if field.many else one
    meta = ", ".join(f"{name}={value!r}" for name, value in _meta(field).items())
    end = " | None = None" if field.optional else ""
    start = f"{_plain(field.name)}: "
    if not meta:
        return [f"{start}{whole}{end}"]
    line = f"{start}Annotated[{whole}, msgspec.Meta({meta})]{end}"
    if len(line) <= _LINE:
        return [line]
    return [f"{start}Annotated[", f"    {whole},", f"    msgspec.Meta({meta}),", f"]{end}"]


def _by_keyword(form: StructForm) -> bool:
    """Return whether a required field follows an optional one, so that the Struct needs ``kw_only``."""
    optional = [field.optional for field in form.fields]
    return optional != sorted(optional)
