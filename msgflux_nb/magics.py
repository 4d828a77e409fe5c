"""``%load_ext msgflux_nb``: ``%%chat`` asks a model, ``%%extract`` reads the lines of a cell into a table."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display as _untyped_display
from traitlets import Bool, Unicode

from .errors import printable
from .magic_line import MagicLineError, MagicRequest, flags_of, inserted, parsed
from .models.model import Model

__all__ = ["MsgfluxMagics", "load"]

display: Callable[..., Any] = _untyped_display
_REFRESH_SECONDS = 0.2  # between two updates of an arriving answer
_PLANS = ("ChainOfThoughts", "ReAct", "SelfConsistency", "TreeOfThoughts")


@magics_class
class MsgfluxMagics(Magics):
    """The magics, and their state between cells: conversations by name, and models.

    ``%config MsgfluxMagics.model = "openai/gpt-4.1-nano"`` sets the model for cells that name none;
    ``%config MsgfluxMagics`` shows every setting.
    """

    model = Unicode("", help="The model of cells that name none; '' for the embedded default.").tag(config=True)
    system_prompt = Unicode("", help="The system prompt of cells that give none.").tag(config=True)
    stream = Bool(True, help="Whether answers are shown while they arrive.").tag(config=True)

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell: Any = shell
        self.chats: dict[str, list[dict[str, Any]]] = {}
        self._models: dict[str, Any] = {}
        shell.configurables.append(self)  # for %config

    @no_var_expand
    @line_cell_magic
    def chat(self, line: str, cell: str | None = None) -> None:
        """Ask a model, and show its answer while it arrives.

        ``%%chat [--model MODEL] [--chat NAME] [--schema TYPE] [--prefill TEXT] [--no-stream] [-o NAME]``, with the
        message in the cell; ``%chat a question`` in one line; ``%chat --reset NAME`` forgets a conversation.
        ``{{name}}`` in the message is replaced by the variable.
        """
        with _usage():
            asked = parsed("chat", line)
            if cell is not None and asked.words:
                raise MagicLineError(f"%%chat: {asked.words[0]!r} is not a flag. Write the message in the cell")
            if asked.flags["reset"] is not None:
                self._reset(asked.flags["reset"])
            text = " ".join(asked.words) if cell is None else cell.strip("\n")
            if not text.strip():
                if asked.flags["reset"] is None:
                    raise MagicLineError("%chat: expected a message, got none. Write it in a cell below %%chat")
                return
            text = inserted(text, self._shell.user_ns)
            schema = None if asked.flags["schema"] is None else self._type("chat", asked.flags["schema"])
            model = self._model("chat", asked)
        self._ask(asked, model, text, schema)

    @no_var_expand
    @line_cell_magic
    def extract(self, line: str, cell: str | None = None) -> Any:
        """Extract a typed table from texts.

        ``%%extract TYPE [--model MODEL] [-o NAME]``: each line of the cell is a row. With ``--from df.text`` the column
        has the rows, and the cell, if there is one, is a prompt with ``{text}`` or an instruction.
        """
        from .tables.extract import extract

        with _usage():
            asked = parsed("extract", line)
            if len(asked.words) != 1:
                raise MagicLineError(f"%extract: expected one type, such as Person, got {' '.join(asked.words)!r}")
            schema = self._type("extract", asked.words[0])
            text = inserted((cell or "").strip("\n"), self._shell.user_ns)
            data, said = self._rows(asked, text)
            model = self._model("extract", asked)
        options = {name: asked.flags[name] for name in ("store", "sample") if asked.flags[name] is not None}
        table = extract(data, schema, model=model, **said, **options)
        if asked.output is None:
            return table
        self._shell.user_ns[asked.output] = table
        display(table)
        return None

    # -- names in the line ----------------------------------------------------------------------------------------

    def _model(self, magic: str, asked: MagicRequest) -> Any:
        name = asked.flags["model"] or self.model
        if name.isidentifier():
            found = self._shell.user_ns.get(name)
            if not callable(getattr(found, "acall", None)):
                raise MagicLineError(
                    f"%{magic}: --model: expected 'provider/model' or a variable that holds a model, got {name!r}"
                )
            return found
        if name not in self._models:
            self._models[name] = Model.chat_completion(name) if name else Model.chat_completion()
        return self._models[name]

    def _type(self, magic: str, name: str) -> Any:
        """Return a type by its name, from the notebook or the plan schemas."""
        if name in _PLANS and name not in self._shell.user_ns:
            from .generation import plan

            return getattr(plan, name)
        try:
            return self._shell.ev(name)
        except Exception as error:
            raise MagicLineError(f"%{magic}: {name!r} is not a type that this notebook knows: {error}") from None

    def _rows(self, asked: MagicRequest, text: str) -> tuple[Any, dict[str, Any]]:
        """Return the rows and the keywords of ``extract``."""
        source = asked.flags["source"]
        if source is None:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if not lines:
                raise MagicLineError("%%extract: expected a row in each line of the cell, or --from df.text")
            return lines, {}
        try:
            data = self._shell.ev(source)
        except Exception as error:
            raise MagicLineError(f"%extract: --from {source}: {error}") from None
        if not text.strip():
            return data, {}
        return data, {"prompt": text} if "{" in text else {"system_prompt": text}

    # -- asking ---------------------------------------------------------------------------------------------------

    def _ask(self, asked: MagicRequest, model: Any, text: str, schema: Any) -> None:
        name = asked.flags["chat"]
        turn = {"role": "user", "content": text}
        messages = [*self.chats.get(name, []), turn] if name is not None else [turn]
        system = asked.flags["system"] if asked.flags["system"] is not None else self.system_prompt or None
        streams = self.stream and not asked.flags["no_stream"]
        keywords = {"system_prompt": system, "prefilling": asked.flags["prefill"], "generation_schema": schema}
        response: Any = None
        try:
            if streams:
                response = model(messages, stream=True, **keywords)
                self._assign(asked, response)
                _show_arriving(response, self._is_notebook)
            else:
                response = model(messages, **keywords)
                self._assign(asked, response)
                _show_whole(response, self._is_notebook)
        finally:  # an interrupt keeps the answer so far
            self._remember(name, messages, response)

    def _assign(self, asked: MagicRequest, response: Any) -> None:
        if asked.output is not None:
            self._shell.user_ns[asked.output] = response

    def _remember(self, name: str | None, messages: list[dict[str, Any]], response: Any) -> None:
        if name is None or response is None:
            return
        if response.snapshot.finish_reason is not None:
            self.chats[name] = [*messages, *response.to_messages()]
        elif response.snapshot.text:
            self.chats[name] = [*messages, {"role": "assistant", "content": response.snapshot.text}]

    def _reset(self, name: str) -> None:
        if name not in self.chats:
            from .content.checks import meant

            raise MagicLineError(f"%chat: --reset: there is no conversation {name!r}.{meant(name, self.chats)}")
        del self.chats[name]

    @property
    def _is_notebook(self) -> bool:
        return hasattr(self._shell, "kernel")

    # -- completion -----------------------------------------------------------------------------------------------

    def matches(self, line: str, in_body: bool, token: str) -> list[tuple[str, str]] | None:
        """Return completions at the cursor of a cell with our magics, each with its kind; None to leave it to IPython.

        Args:
            line: the line up to the cursor.
            in_body: whether the line is below the magic's line.
            token: the word before the cursor.
        """
        variables = {name: value for name, value in self._shell.user_ns.items() if not name.startswith("_")}
        if line.rpartition("}}")[2].rpartition("{{")[1]:
            return [(name, "variable") for name in variables if name.startswith(token)]
        if in_body:
            return None
        magic = "extract" if line.lstrip("%").startswith("extract") else "chat"
        before = line[: len(line) - len(token)].split()
        found: Iterator[tuple[str, str]]
        if token.startswith("-"):
            found = ((flag, "flag") for flag in flags_of(magic))
        elif before[-1] in ("--model", "-m"):
            held = [name for name, value in variables.items() if callable(getattr(value, "acall", None))]
            found = ((name, "model") for name in [*held, *_model_names()])
        elif before[-1] in ("--schema", "-s") or (magic == "extract" and len(before) == 1):
            types = [name for name, value in variables.items() if isinstance(value, type)]
            found = ((name, "class") for name in [*types, *_PLANS])
        elif before[-1] in ("--chat", "-c", "--reset"):
            found = ((name, "chat") for name in self.chats)
        elif before[-1] == "--from":
            found = ((name, "variable") for name in _tables_and_columns(variables))
        else:
            found = ((flag, "flag") for flag in flags_of(magic))
        return [one for one in found if one[0].startswith(token)]


class _usage:  # noqa: N801  # a context manager
    """Converts our errors about a line to IPython's ``UsageError``, which is shown without a traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, MagicLineError):
            raise UsageError(str(error)) from None


def _model_names() -> list[str]:
    from .local.weights import WEIGHTS
    from .models.profiles import PROFILES

    return [*(f"local/{name}" for name in WEIGHTS), *(f"{name}/" for name in PROFILES if name != "local")]


def _tables_and_columns(variables: dict[str, Any]) -> Iterator[str]:
    for name, value in variables.items():
        yield name
        for column in getattr(value, "columns", ()):
            if isinstance(column, str) and column.isidentifier():
                yield f"{name}.{column}"


def _show_arriving(response: Any, is_notebook: bool) -> None:
    if not is_notebook:
        for text in response:
            print(printable(text), end="", flush=True)  # noqa: T201  # a terminal's display
        print(printable(f"\n{_line(response)}"))  # noqa: T201
        return
    shown = display(response, display_id=True)
    latest = time.monotonic()
    try:
        for _ in response.events():
            if time.monotonic() - latest >= _REFRESH_SECONDS:
                shown.update(response)
                latest = time.monotonic()
    finally:
        shown.update(response)


def _show_whole(response: Any, is_notebook: bool) -> None:
    if is_notebook:
        display(response)
    else:
        print(printable(f"{response.text}\n{_line(response)}"))  # noqa: T201


def _line(response: Any) -> str:
    from .display.figures import status

    return " · ".join(filter(None, [response.metadata.model, *status(response)]))


def _matcher(magics: MsgfluxMagics) -> Callable[[Any], Any]:
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types for it
    def msgflux_nb_matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")
        head = lines[0].lstrip()
        if not head.startswith(("%%chat", "%chat", "%%extract", "%extract")):
            return {"completions": []}
        line = context.line_with_cursor[: context.cursor_position]
        found = magics.matches(line.lstrip(), context.cursor_line > 0, context.token)
        if found is None:
            return {"completions": []}
        return {"completions": [SimpleCompletion(text, type=kind) for text, kind in found], "suppress": True}

    return cast("Callable[[Any], Any]", msgflux_nb_matcher)


def load(shell: Any) -> MsgfluxMagics:
    """Register the magics and their completion with a shell, and ``mf`` for tables if pandas is installed."""
    magics = MsgfluxMagics(shell)
    shell.register_magics(magics)
    completer = getattr(shell, "Completer", None)
    if completer is not None and hasattr(completer, "custom_matchers"):
        completer.custom_matchers.append(_matcher(magics))
    if "pandas" in sys.modules or importlib.util.find_spec("pandas") is not None:
        from . import pandas as _pandas

        _ = _pandas
    return magics
