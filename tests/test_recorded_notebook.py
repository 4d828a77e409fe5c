"""Tests that a replayed notebook has the recorded outputs: strictly, by nbval, twice, without a network."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from tests.scripted import Reply, completion, serving, stream
from tests.test_nbval import outcomes
from tests.test_nbval import stream as stream_output

ROOT = Path(__file__).parent.parent

CELLS = (
    "import os, msgspec, msgflux_nb as mf\n"
    "model = mf.Model.chat_completion('scripted', base_url=os.environ['LESSON_URL'])\n"
    "print(model('Say hello').text)",
    "for text in model('Count', stream=True):\n    print(text, end='|')",
    "class Person(msgspec.Struct):\n    name: str\n    age: int\n\n\n"
    "print(model('Who?', generation_schema=Person).consume())",
    "def weather(city: str) -> str:\n    'Say what the weather is like.'\n    return f'{city}: 20 degrees'\n\n\n"
    "run = mf.run_tools(model, 'Weather in Oslo?', tools=[weather])\nprint(run.text)",
    "plan = mf.plan.self_consistency(model, 'How much is 6 * 7?', n=3, answer=int)\n"
    "print(plan.final_answer, plan.margin)",
    "rows = mf.extract(['Ada is 36', 'Bob is 41'], Person, model=model, prompt='{text}', max_concurrency=1, "
    "progress=False)\nprint(rows[['name', 'age', '_status']].to_string())",
)


def replies() -> list[Reply]:
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
    }
    chain = '{"steps": [{"explanation": "6 * 7", "output": "42"}], "final_answer": %d}'
    return [
        completion("Hello!"),
        stream("one ", "two ", "three"),
        completion('{"name": "Ada", "age": 36}'),
        completion(None, reason="tool_calls", tool_calls=[call]),
        completion("It is 20 degrees in Oslo."),
        completion(chain % 42),
        completion(chain % 41),
        completion(chain % 42),
        completion('{"name": "Ada", "age": 36}'),
        completion('{"name": "Bob", "age": 41}'),
    ]


# Kernels use the loopback; the model's port there is closed, and every other address is refused.
_CUT = """
import socket

_connect = socket.socket.connect


def _only_here(self, address):
    if not isinstance(address, tuple) or address[0] == "127.0.0.1":
        return _connect(self, address)
    raise OSError("the network is cut off")


socket.socket.connect = _only_here
"""


def recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the cells once against a server, record them, and return the output of each."""
    printed = []
    names: dict[str, Any] = {"__name__": "__main__"}
    with serving(*replies()) as server, mf.record(path):
        monkeypatch.setenv("LESSON_URL", server.url)
        for cell in CELLS:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(cell, names)
            printed.append(out.getvalue())
        assert len(server.bodies) == len(replies())
    return printed


def test_a_notebook_gives_equal_outputs_recorded_and_replayed_twice_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lesson.jsonl"
    printed = recorded(path, monkeypatch)
    assert "Person(name='Ada', age=36)" in printed[2]
    assert "42" in printed[4]
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "sitecustomize.py").write_text(_CUT)
    monkeypatch.setenv("MSGFLUX_REPLAY", str(path))
    monkeypatch.setenv("MSGFLUX_REPLAY_SPEED", "inf")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(cut), str(ROOT)]))
    cells = {
        f"cell {n}": (cell, [stream_output(out)]) for n, (cell, out) in enumerate(zip(CELLS, printed, strict=True))
    }
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        assert set(outcomes(folder, cells, "--nbval").values()) == {"PASSED"}, attempt
