"""Serves the embedded model: llama.cpp's server, in this process, on a free loopback port.

It starts on first use and is reused for the same name. It runs in this process and ends with it. It answers only
requests that carry its key, which is random for each start.

Three properties of xllamacpp's ``Server`` shape this module (seen with version 2026.10):

* Its destructor waits for its threads while it holds the GIL, and does not cancel requests in progress. So the sockets
  of all requests are shut down first, which cancels them.
* A destructor that runs before the server's loop has begun never returns. So a server counts as started only after its
  first answer, and it is started on a separate thread, where no ``KeyboardInterrupt`` can interrupt it.
* Its threads spin while they wait for each other, many times per token. If the cores are busy with something else, such
  as a browser, answers become slow. So the threads spin only briefly, and a small model, which gains little from a
  second thread, generates with one.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import os
import secrets
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ..errors import LocalModelError
from .gguf import GgufHeader, read_header
from .machine import available_memory_bytes, usable_cores
from .weights import WEIGHTS, find, installed_models

__all__ = [
    "LocalServer",
    "ensure_server",
    "import_library",
    "installed_models",
    "needed_memory_bytes",
    "stop_servers",
    "threads",
]

_SLOTS = 2  # requests that are answered in parallel; they share the context
_SLOT_TOKENS = 4096
_BATCH_TOKENS = 256  # read between two checks for a cancelled request
# How often a waiting thread spins before it sleeps: fewer times than llama.cpp's default, which suits dedicated cores,
# but not zero, which is slow on idle cores.
_SPIN_ROUNDS = "1000"
_SMALL_BYTES = 300_000_000
_SMALL_READERS = 8  # threads for reading a prompt; more do not help a small model
_WORKING_BYTES = 256 * 1024 * 1024  # a server's memory apart from weights and context, rounded up
_PROMPT_CACHE_MIB = 128  # llama.cpp's default is 8 GiB
_START_SECONDS = 300.0


class LocalServer(msgspec.Struct, frozen=True, kw_only=True):
    """A running server of this process.

    Attributes:
        base_url: the address of its OpenAI-compatible API, such as ``http://127.0.0.1:41413/v1``.
        key: its bearer token; never shown by ``repr``.
        model: the name under which it was started.
        context_tokens: how many tokens one request and its answer may have together.
        pid: the id of its process.
    """

    base_url: str
    key: str
    model: str
    context_tokens: int
    pid: int

    def __repr__(self) -> str:
        return f"LocalServer({self.model}, {self.base_url}, {self.context_tokens} tokens)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in ("model", "base_url", "context_tokens")]


class _Running(msgspec.Struct, frozen=True):
    """A server with the object that keeps it alive."""

    server: LocalServer
    engine: Any


_running: dict[str, _Running] = {}
_lock = threading.Lock()
_watched = False
_forked = False


def ensure_server(name: str) -> LocalServer:
    """Return the server of a local model; start it if this process has none yet, which takes a second or more.

    Args:
        name: the name of known weights (``"smollm2-135m"``), or a path to a ``.gguf`` file; ``~`` is the home folder.

    Raises:
        LocalModelError: the weights are missing or broken, xllamacpp is not installed, or there is too little memory;
            the message says how to fix it.
    """
    place = name if name in WEIGHTS else _resolved(name)
    with _lock:
        if _forked:
            raise LocalModelError(
                "this process was forked from one that had started the embedded model, and llama.cpp's threads do not "
                "survive that. Start worker processes with multiprocessing's 'spawn' method."
            )
        if place not in _running:
            _start_on_a_thread(name, place)
        return _running[place].server


def _resolved(name: str) -> str:
    try:
        return str(Path(name).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, ``~`` of an unknown user, a zero byte
        raise LocalModelError(f"the path {name!r:.200} cannot be resolved: {error}") from error


def stop_servers() -> None:
    """Stop every server of this process and free its memory; running requests fail. Also called at exit."""
    with _lock:
        while _running:
            _, running = _running.popitem()
            _cut_connections(running.server)
            del running  # the last reference: its destructor stops the server


def _start_on_a_thread(name: str, place: str) -> None:
    """Start and register a server; an interrupt is raised only afterwards, since a start cannot be aborted."""
    failures: list[BaseException] = []

    def start() -> None:
        try:
            _running[place] = _start(name, find(name))
        except BaseException as error:  # raised again below, in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=start, name="msgflux-local-start", daemon=True)
    thread.start()
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _start(name: str, path: Path) -> _Running:
    library = import_library()
    header = read_header(path)
    slot_tokens = _slot_tokens(header)
    _need_memory(name, header)
    key = secrets.token_urlsafe(24)
    parameters = _parameters(library, name, path, header, key)
    try:
        engine = library.Server(parameters)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise LocalModelError(
            f"llama.cpp cannot load {path} ({header.architecture or 'unknown architecture'}): the file may be cut off "
            f"or of a kind this version does not know. {_mend(name)}"
        ) from error
    server = LocalServer(
        base_url=f"{engine.listening_address}/v1", key=key, model=name, context_tokens=slot_tokens, pid=os.getpid()
    )
    try:
        _first_answer(server)
    except BaseException:
        _cut_connections(server)
        raise
    _watch_for_exit_and_fork()
    return _Running(server, engine)


def _parameters(library: Any, name: str, path: Path, header: GgufHeader, key: str) -> Any:
    wanted = library.CommonParams()
    wanted.model.path = str(path)
    wanted.model_alias = {name if name in WEIGHTS else path.stem}
    if name in WEIGHTS and (template := Path(__file__).with_name(f"{name.partition('-')[0]}.jinja")).exists():
        wanted.chat_template = template.read_text(encoding="utf-8")
    wanted.n_parallel, wanted.n_ctx = _SLOTS, _SLOTS * _slot_tokens(header)
    wanted.fit_params = False  # otherwise llama.cpp silently shrinks the context if memory is short
    wanted.n_batch = wanted.n_ubatch = _BATCH_TOKENS
    wanted.cpuparams.n_threads, wanted.cpuparams_batch.n_threads = threads(header, usable_cores())
    wanted.cpuparams.poll = wanted.cpuparams_batch.poll = 0
    wanted.cache_ram_mib = _PROMPT_CACHE_MIB
    wanted.warmup = False  # the first answer warms it up
    wanted.port = 0  # any free port
    wanted.api_keys = [key]
    wanted.cors_origins = ""  # browsers are no clients of it
    wanted.ui = wanted.endpoint_slots = wanted.endpoint_metrics = False
    wanted.offline = True
    wanted.verbosity = -1
    return wanted


def threads(header: GgufHeader, cores: int) -> tuple[int, int]:
    """Return how many threads generate one answer, and how many read a prompt or generate two answers."""
    return (1, min(cores, _SMALL_READERS)) if header.size_bytes < _SMALL_BYTES else (cores, cores)


def import_library() -> Any:
    """Import xllamacpp with the settings that this package needs.

    Raises:
        LocalModelError: xllamacpp is not installed, or a system library that it needs is missing.
    """
    # libgomp reads this variable once, when it is loaded; it is removed afterwards so that nothing else sees it. If the
    # user has set one of libgomp's two variables, that setting is used.
    mine = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if mine:
        os.environ["GOMP_SPINCOUNT"] = _SPIN_ROUNDS
    try:
        return importlib.import_module("xllamacpp")
    except ModuleNotFoundError as error:
        raise LocalModelError(
            "the embedded model needs xllamacpp, which is not installed. Install it with: "
            'pip install "xllamacpp>=2026.10"'
        ) from error
    except ImportError as error:
        hint = "apt-get install libgomp1" if "libgomp" in str(error) else "pip install --upgrade xllamacpp"
        raise LocalModelError(f"xllamacpp is installed but cannot be loaded: {error}. Try: {hint}") from error
    finally:
        if mine:
            del os.environ["GOMP_SPINCOUNT"]


def needed_memory_bytes(header: GgufHeader) -> int:
    """Return about how much memory a server of this model takes: weights, two contexts, and working memory.

    Weights count one and a half times, because llama.cpp keeps a second, reordered copy of some of them: the 1.1 GB of
    Qwen2.5-Coder-1.5B took 2.1 GB.
    """
    return header.size_bytes * 3 // 2 + header.bytes_per_token * _slot_tokens(header) * _SLOTS + _WORKING_BYTES


def _slot_tokens(header: GgufHeader) -> int:
    return min(_SLOT_TOKENS, header.context_tokens or _SLOT_TOKENS)


def _need_memory(name: str, header: GgufHeader) -> None:
    """Refuse to start without enough memory, since the system kills a process that runs out without a message."""
    free, needed = available_memory_bytes(), needed_memory_bytes(header)
    if free is not None and free < needed:
        raise LocalModelError(
            f"not enough memory for {name}: it needs about {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free. "
            f"Shut down other kernels, or use a smaller model such as local/smollm2-135m."
        )


def _first_answer(server: LocalServer) -> None:
    """Wait until the server's loop runs, and check that it answers with this model and its chat template."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    headers = {"Authorization": f"Bearer {server.key}"}
    try:
        with httpx.Client(trust_env=False, timeout=_START_SECONDS) as client:
            response = client.post(f"{server.base_url}/chat/completions", json=body, headers=headers)
    except httpx.HTTPError as error:
        raise LocalModelError(f"the embedded server of {server.model} started but gave no answer: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise LocalModelError(
            f"{server.model} was loaded but cannot chat (status {response.status_code}): {response.text[:300]}"
        )


def _cut_connections(server: LocalServer) -> None:
    """Shut down every socket of this process that is connected to the server, on either side."""
    port = httpx.URL(server.base_url).port
    for entry in _open_files():
        with contextlib.suppress(OSError, ValueError):
            if not stat.S_ISSOCK(os.fstat(entry).st_mode):
                continue
            with socket.socket(fileno=os.dup(entry)) as one:
                ends = (one.getpeername(), one.getsockname())  # the listening socket has no peer and raises
                if ("127.0.0.1", port) in ends:
                    one.shutdown(socket.SHUT_RDWR)


def _open_files() -> list[int]:
    try:
        return [int(entry) for entry in os.listdir("/dev/fd")]
    except OSError:  # Windows: running requests end by themselves, and the exit waits for them
        return []


def _watch_for_exit_and_fork() -> None:
    global _watched
    if not _watched:
        _watched = True
        atexit.register(stop_servers)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget_in_child)


def _forget_in_child() -> None:
    """Forget the servers in a forked child: it has llama.cpp's objects but not its threads."""
    global _forked, _lock, _running
    for running in _running.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(running.engine))
    _forked, _lock, _running = True, threading.Lock(), {}
    # A destructor of llama.cpp's globals would wait for a missing thread when the child exits. So on_exit calls _exit
    # before them, when Python has flushed its files. Only glibc has on_exit.
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        library.on_exit(library._exit, None)


def _mend(name: str) -> str:
    return f"Fetch it again with: msgflux-nb models pull {name}" if name in WEIGHTS else "Fetch or copy it again."
