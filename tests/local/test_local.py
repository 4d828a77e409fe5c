from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from msgflux_nb.errors import LocalModelError
from msgflux_nb.local import server as local
from msgflux_nb.local.gguf import GgufHeader
from msgflux_nb.local.server import LocalServer, ensure_server, stop_servers
from msgflux_nb.local.weights import find

from .ggufs import LLAMA, header

SMALL = "smollm2-135m"
QUESTION = [{"role": "user", "content": "Name three colours."}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A GGUF file with a good header and no tensors."""
    path = tmp_path / "mine.gguf"
    path.write_bytes(header(LLAMA | {"tokenizer.ggml.model": "none"}))
    return path


# What can be wrong before a server runs


def test_a_representation_never_shows_the_key() -> None:
    server = LocalServer(base_url="http://127.0.0.1:1/v1", key="secret", model="m", context_tokens=9, pid=1)
    assert repr(server) == "LocalServer(m, http://127.0.0.1:1/v1, 9 tokens)"
    assert "secret" not in f"{server} {server.__rich_repr__()}"


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGFLUX_CACHE", str(tmp_path))
    with pytest.raises(LocalModelError, match=r"msgflux-nb models pull qwen2\.5-coder-1\.5b"):
        ensure_server("qwen2.5-coder-1.5b")


def test_a_missing_library_names_the_command_that_installs_it(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LocalModelError, match='pip install "xllamacpp>='):
        ensure_server(str(own_file))


def test_a_missing_system_library_names_its_package(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(LocalModelError, match=r"libgomp\.so\.1.*apt-get install libgomp1"):
        ensure_server(str(own_file))


def test_too_little_memory_is_refused_with_both_numbers(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "available_memory_bytes", lambda: 300_000_000)
    # two contexts of 4096 tokens at 23,040 bytes, and 256 MiB to work in
    with pytest.raises(LocalModelError, match="needs about 457 MB, and 300 MB are free"):
        ensure_server(str(own_file))


def test_a_file_that_llama_cpp_cannot_load_is_an_error_and_no_crash(own_file: Path) -> None:
    with pytest.raises(LocalModelError, match=r"cannot load .*mine\.gguf \(llama\): the file may be cut off"):
        ensure_server(str(own_file))


def test_a_text_file_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "notes.gguf").write_text("my notes")
    with pytest.raises(LocalModelError, match="is not a GGUF file: it begins with b'my n'"):
        ensure_server(str(tmp_path / "notes.gguf"))


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({}, ("1000", None)),
        ({"OMP_WAIT_POLICY": "active"}, (None, "active")),
        ({"GOMP_SPINCOUNT": "7"}, ("7", None)),
    ],
)
def test_the_library_is_loaded_with_threads_that_sleep_soon_and_the_environment_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], seen: tuple[str | None, str | None]
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    monkeypatch.setattr(
        importlib, "import_module", lambda name: (os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
    )
    assert local.import_library() == seen
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("size", "cores", "expected"),
    [
        (98_000_000, 2, (1, 2)),
        (98_000_000, 32, (1, 8)),
        (98_000_000, 1, (1, 1)),
        (491_000_000, 2, (2, 2)),
        (1_100_000_000, 4, (4, 4)),
    ],
)
def test_a_small_model_writes_with_one_thread_and_no_model_takes_more_than_there_are_cores(
    size: int, cores: int, expected: tuple[int, int]
) -> None:
    known = GgufHeader(architecture="llama", context_tokens=1, bytes_per_token=1, size_bytes=size)
    assert local.threads(known, cores) == expected


# The server itself


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    yield ensure_server(SMALL)
    stop_servers()


def post(
    server: LocalServer, *, path: str = "/chat/completions", key: str | None = None, **body: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.key if key is None else key}"}
    body = {"messages": QUESTION, "max_tokens": 24, "temperature": 0} | body
    return httpx.post(f"{server.base_url}{path}", json=body, headers=headers, timeout=120, trust_env=False)


@pytest.mark.local
def test_the_server_answers_on_loopback(server: LocalServer) -> None:
    answer = post(server).json()
    assert server.base_url.startswith("http://127.0.0.1:")
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["model"] == "smollm2-135m"
    assert 0 < answer["usage"]["completion_tokens"] <= 24


@pytest.mark.local
@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_request_without_the_key_is_refused(server: LocalServer, key: str) -> None:
    assert post(server, key=key or "none").status_code == 401
    assert httpx.get(f"{server.base_url}/models", trust_env=False).status_code == 401


@pytest.mark.local
def test_no_page_in_a_browser_may_read_an_answer(server: LocalServer) -> None:
    asked = {"Origin": "http://127.0.0.1:8888", "Access-Control-Request-Method": "POST"}
    response = httpx.options(f"{server.base_url}/chat/completions", headers=asked, trust_env=False)
    assert response.headers.get("access-control-allow-origin", "") == ""


@pytest.mark.local
def test_the_same_name_gets_the_same_server_in_every_thread(server: LocalServer) -> None:
    found: list[LocalServer] = []
    threads = [threading.Thread(target=lambda: found.append(ensure_server(SMALL))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each is server for each in found)
    assert len(found) == 4


@pytest.mark.local
def test_more_tokens_than_the_context_holds_are_refused_with_both_numbers(server: LocalServer) -> None:
    response = post(server, messages=[{"role": "user", "content": "hello " * 5000}])
    error = response.json()["error"]
    assert (response.status_code, error["n_ctx"]) == (400, server.context_tokens)
    assert error["n_prompt_tokens"] > 5000


@pytest.mark.local
def test_a_trailing_assistant_message_is_continued(server: LocalServer) -> None:
    answer = post(server, messages=[*QUESTION, {"role": "assistant", "content": "1. Red\n2."}]).json()
    assert answer["choices"][0]["message"]["content"].startswith("1. Red\n2.")


@pytest.mark.local
def test_a_prefilled_tool_call_is_recognised(server: LocalServer) -> None:
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = post(
        server,
        messages=[*messages, {"role": "assistant", "content": "<tool_call>\n"}],
        tools=TOOLS,
        tool_choice="required",
        stop=["</tool_call>"],  # or it goes on calling
        max_tokens=60,
    ).json()
    [call] = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"


CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "question": QUESTION,
    "system": [{"role": "system", "content": "Be brief."}, *QUESTION],
    "turns": [*QUESTION, {"role": "assistant", "content": "Red."}, {"role": "user", "content": "And?"}],
}


def rendered(server: LocalServer, messages: list[dict[str, Any]], **more: Any) -> str:
    plain = LocalServer(
        base_url=server.base_url.removesuffix("/v1"), key=server.key, model="", context_tokens=0, pid=server.pid
    )
    return str(post(plain, path="/apply-template", messages=messages, **more).json()["prompt"])


@pytest.mark.local
def test_without_tools_the_template_is_the_models_without_its_makers_system_message(server: LocalServer) -> None:
    own = ensure_server(str(find(SMALL)))
    assert own is not server
    for messages in CONVERSATIONS.values():
        theirs = rendered(own, messages)
        if messages[0]["role"] != "system":
            system, _, theirs = theirs.partition("<|im_end|>\n")
            assert system.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
        assert rendered(server, messages) == theirs


@pytest.mark.local
def test_with_tools_the_template_shows_their_signatures_calls_and_results(server: LocalServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Ghent"}'}}
    history = [
        {"role": "user", "content": "Weather in Ghent?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
    ]
    prompt = rendered(server, history, tools=TOOLS)
    assert prompt.startswith("<|im_start|>system\nYou can call functions. ")
    assert "<tools>\n" + '{"type": "function", "function": {"name": "get_weather"' in prompt
    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Ghent"}}\n</tool_call><|im_end|>' in prompt
    assert rendered(server, [{"role": "system", "content": "Be brief."}, *history], tools=TOOLS).startswith(
        "<|im_start|>system\nBe brief.\n\nYou can call functions. "
    )
    assert "<tool_response>\n18 degrees\n</tool_response><|im_end|>\n<|im_start|>assistant\n" in prompt


@pytest.mark.local
def test_a_stopped_server_refuses_connections_and_starts_again() -> None:
    first = ensure_server(SMALL)
    stop_servers()
    with pytest.raises(httpx.ConnectError):
        post(first)
    second = ensure_server(SMALL)
    assert second.key != first.key
    assert post(second).status_code == 200
    stop_servers()


# Ends of a process

STREAMING = """
import sys, threading, httpx
from msgflux_nb.local.server import ensure_server
server = ensure_server("smollm2-135m")
body = {"messages": [{"role": "user", "content": "Tell a very long story."}], "max_tokens": 3000, "stream": True}
begun = threading.Event()
def work():
    try:
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx.stream("POST", server.base_url + "/chat/completions", json=body, headers=headers, timeout=99) as r:
            for chunk in r.iter_bytes():
                begun.set()
    except httpx.HTTPError:
        pass
threading.Thread(target=work, daemon=True).start()
assert begun.wait(60)
print(server.base_url, flush=True)
"""


def start(script: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.local
def test_a_process_that_ends_in_mid_stream_ends_soon_and_cleanly() -> None:
    with start(STREAMING) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")


@pytest.mark.local
def test_a_process_that_is_killed_in_mid_stream_leaves_nothing_behind() -> None:
    with start(STREAMING + "sys.stdin.read()") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


@pytest.mark.local
def test_two_processes_have_a_server_each() -> None:
    with start(STREAMING + "sys.stdin.read()") as one, start(STREAMING + "sys.stdin.read()") as other:
        assert one.stdout is not None
        assert other.stdout is not None
        urls = {one.stdout.readline(), other.stdout.readline()}
        for process in (one, other):
            process.communicate("", timeout=30)
    assert len(urls) == 2
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


FORKED = """
import os, sys
from msgflux_nb.errors import LocalModelError
from msgflux_nb.local.server import ensure_server
ensure_server("smollm2-135m")
child = os.fork()
if child == 0:
    try:
        ensure_server("smollm2-135m")
    except LocalModelError as error:
        print(error, flush=True)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.local
def test_a_forked_child_is_told_so_and_still_exits() -> None:
    with start(FORKED) as process:
        told, _ = process.communicate(timeout=60)
    assert "forked from one that had started the embedded model" in told
    assert told.splitlines()[-1] == "7"
    assert process.returncode == 0


INTERRUPTED = """
import os, signal, threading
from msgflux_nb.local.server import ensure_server
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    ensure_server("smollm2-135m")
except KeyboardInterrupt:
    print("interrupted")
print(ensure_server("smollm2-135m").model)
"""


@pytest.mark.local
def test_an_interrupt_while_the_model_loads_leaves_a_server_that_works() -> None:
    with start(INTERRUPTED) as process:
        told, said = process.communicate(timeout=60)
    assert (told.split(), said, process.returncode) == (["interrupted", "smollm2-135m"], "", 0)
