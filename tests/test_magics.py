"""``%%chat`` and ``%%extract`` in a real IPython shell, against a scripted server."""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import msgflux_nb as mf
from msgflux_nb.magic_line import MagicLineError, inserted, parsed

from .scripted import completion, serving, stream


class City(msgspec.Struct):
    name: str
    people: int


@pytest.fixture
def shell() -> Iterator[Any]:
    InteractiveShell.clear_instance()
    kept = sys.modules["__main__"], dict(vars(builtins)), sys.displayhook, sys.excepthook
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "msgflux_nb")
    shell.user_ns.update(City=City, mf=mf)
    yield shell
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()
    sys.modules["__main__"], names, sys.displayhook, sys.excepthook = kept
    for name in set(vars(builtins)) - set(names):
        delattr(builtins, name)
    for name, value in names.items():
        setattr(builtins, name, value)


def model_at(server: Any, **options: Any) -> Any:
    return mf.Model.chat_completion("m", base_url=server.url, api_key="k", **options)


def completions(shell: Any, text: str) -> list[str]:
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(text, len(text))]


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "output", "words"),
    [
        ("-o a", "a", ()),
        ("a <<", "a", ()),
        ("a << --no-stream", "a", ()),
        ("what is << in C?", None, None),
        ("", None, ()),
    ],
)
def test_an_output_is_named_in_two_ways(line: str, output: str | None, words: Any) -> None:
    asked = parsed("chat", line)
    assert asked.output == output
    assert words is None or asked.words == words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--modle x", "Did you mean '--model'?"),
        ("--no-steam", "Did you mean '--no-stream'?"),
        ("--shcema=City", "Did you mean '--schema'?"),
        ("-x 1", "'-x' is not a flag"),
        ("--model", "expected one argument"),
        ("--prefill 'open", "No closing quotation"),
        ("-o not-a-name", "name of a variable"),
    ],
)
def test_a_wrong_line_is_an_error_that_helps(line: str, said: str) -> None:
    with pytest.raises(MagicLineError, match=r".") as caught:
        parsed("chat", line)
    assert said in str(caught.value)


def test_names_in_double_braces_are_inserted_and_nothing_else() -> None:
    variables = {"name": "Ada {{other}}", "other": "no", "facts": {"a": [1, "é"]}, "n": 3, "city": City("Ghent", 5)}
    text = 'if (x) { {{name}} } {"a": {{n}}} {{ n + 1 }} {name} {{facts}} {{ city }}'
    assert inserted(text, variables) == (
        'if (x) { Ada {{other}} } {"a": 3} {{ n + 1 }} {name} {"a": [1, "é"]} {"name": "Ghent", "people": 5}'
    )
    with pytest.raises(MagicLineError, match="Did you mean 'facts'"):
        inserted("{{fact}}", variables)


# -- %%chat ------------------------------------------------------------------------------------------------------------


def test_a_cell_is_asked_streamed_shown_and_captured(shell: Any, capsys: Any) -> None:
    with serving(stream("Gh", "ent")) as server:
        shell.user_ns.update(m=model_at(server), place="Flanders")
        shell.run_cell_magic("chat", "answer << -m m", "A city in {{place}}? {not} $this\n")
        assert server.bodies[0]["messages"] == [{"role": "user", "content": "A city in Flanders? {not} $this"}]
        assert server.bodies[0]["stream"] is True
    assert shell.user_ns["answer"].text == "Ghent"
    out = capsys.readouterr().out
    assert out.startswith("Ghent\n")
    assert "tokens" in out


@pytest.mark.parametrize("more", ["", "--no-stream "])
def test_no_control_character_of_an_answer_reaches_the_terminal(shell: Any, capsys: Any, more: str) -> None:
    with serving(completion("\x1b]0;a\x07\x9b2J\u202e") if more else stream("\x1b]0;a\x07", "\x9b2J\u202e")) as server:
        shell.user_ns.update(m=model_at(server))
        shell.run_cell_magic("chat", f"-m m {more}-o answer", "Hi")
    assert capsys.readouterr().out.startswith("\\x1b]0;a\\x07\\x9b2J\\u202e\n")
    assert shell.user_ns["answer"].text == "\x1b]0;a\x07\x9b2J\u202e"


def test_a_structure_and_a_prefill_are_asked_for(shell: Any) -> None:
    with serving(completion('"Ghent", "people": 5}')) as server:
        shell.user_ns["m"] = model_at(server, prefill_mode="emulate")
        line = "-m m --no-stream --schema City --prefill '{\"name\": ' -o found"
        shell.run_cell_magic("chat", line, "A city?")
        assert server.bodies[0].get("stream") in (None, False)
    assert shell.user_ns["found"].consume() == City("Ghent", 5)


def test_only_a_named_conversation_is_continued(shell: Any) -> None:
    with serving(stream("one"), stream("two"), stream("three"), stream("four")) as server:
        shell.user_ns["m"] = model_at(server)
        shell.run_line_magic("chat", "-m m --chat talk first")
        shell.run_line_magic("chat", "-m m --chat talk second")
        shell.run_line_magic("chat", "-m m alone")
        shell.run_line_magic("chat", "--reset talk")
        shell.run_line_magic("chat", "-m m --chat talk begun again")
        said = [[turn["content"] for turn in body["messages"]] for body in server.bodies]
    assert said == [["first"], ["first", "one", "second"], ["alone"], ["begun again"]]
    with pytest.raises(UsageError, match="Did you mean 'talk'"):
        shell.run_line_magic("chat", "--reset tlak")


def test_an_interrupt_keeps_what_came(shell: Any) -> None:
    with serving(stream("begun ", 30.0, "never")) as server:
        shell.user_ns["m"] = model_at(server)
        timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            shell.run_cell_magic("chat", "-m m -o a --chat talk", "go")
        timer.join()
    assert shell.user_ns["a"].snapshot.text == "begun "
    assert [turn["content"] for turn in shell.find_cell_magic("chat").__self__.chats["talk"]] == ["go", "begun "]


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        ("-m nothing", "hi", "'nothing'"),
        ("--schema Cty", "hi", "is not a type"),
        ("", "  \n", "expected a message"),
        ("stray", "hi", "Write the message in the cell"),
        ("", "{{nope}}", "there is no variable 'nope'"),
    ],
)
def test_a_cell_that_cannot_be_asked_is_reported_without_a_traceback(
    shell: Any, line: str, cell: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        shell.run_cell_magic("chat", line, cell)
    assert said in str(caught.value)


def test_settings_are_those_of_ipython(shell: Any) -> None:
    with serving(completion("yes")) as server:
        shell.user_ns["m"] = model_at(server)
        for setting in ("model = 'm'", "system_prompt = 'Be brief.'", "stream = False"):
            shell.run_line_magic("config", f"MsgfluxMagics.{setting}")
        shell.run_cell_magic("chat", "", "really?")
        assert [turn["role"] for turn in server.bodies[0]["messages"]] == ["system", "user"]
        assert not server.bodies[0].get("stream")


# -- %%extract ---------------------------------------------------------------------------------------------------------


def test_each_line_is_a_row(shell: Any) -> None:
    with serving(completion('{"name": "Ghent", "people": 5}')) as server:
        shell.user_ns["m"] = model_at(server)
        shell.run_cell_magic("extract", "City -m m -o table", "Ghent has 5\n\n  Ghent, 5 people  \n")
    assert shell.user_ns["table"]["name"].tolist() == ["Ghent", "Ghent"]


def test_rows_come_from_a_column_and_the_cell_says_what_to_do(shell: Any) -> None:
    import pandas as pd

    with serving(completion('{"name": "Ghent", "people": 5}')) as server:
        shell.user_ns.update(m=model_at(server), df=pd.DataFrame({"text": ["Ghent has 5"]}, index=["x"]))
        shell.run_cell_magic("extract", "City -m m --from df.text -o table", "Read the city.")
        shell.run_cell_magic("extract", "City -m m --from df -o other", "Which city? {text}")
        first, second = (body["messages"] for body in server.bodies)
    assert first[0] == {"role": "system", "content": "Read the city."}
    assert "Ghent has 5" in second[-1]["content"]
    assert second[-1]["content"].startswith("Which city?")
    assert shell.user_ns["table"].index.tolist() == ["x"]


def test_extract_names_the_options_that_are_missing(shell: Any) -> None:
    for line, cell, said in (
        ("", "a", "expected one type"),
        ("City", " \n", "--from"),
        ("City --from dff", "a", "dff"),
        ("City --sotre x", "a", "Did you mean '--store'?"),
    ):
        with pytest.raises(UsageError) as caught:
            shell.run_cell_magic("extract", line, cell)
        assert said in str(caught.value)


# -- completion --------------------------------------------------------------------------------------------------------


def test_tab_completes_flags_models_schemas_chats_and_variables(shell: Any) -> None:
    import pandas as pd

    shell.user_ns.update(m=mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1"), word="x")
    shell.user_ns["frame"] = pd.DataFrame({"text": ["a"], "not a name": [1]})
    shell.find_cell_magic("chat").__self__.chats["talk"] = []
    assert completions(shell, "%%chat --mo") == ["--model"]
    assert "local/smollm2-135m" in completions(shell, "%%chat --model local/")
    assert "m" in completions(shell, "%%chat --model ")
    assert completions(shell, "%%chat --schema Ci") == ["City"]
    assert "ReAct" in completions(shell, "%%chat -s Re")
    assert completions(shell, "%%chat --chat ") == ["talk"]
    assert completions(shell, "%%chat\nsay {{wo") == ["word"]
    assert completions(shell, "%%extract Ci") == ["City"]
    assert completions(shell, "%%extract City --from frame.") == ["frame.text"]
    assert "word" in completions(shell, "wor")  # other cells are as before
