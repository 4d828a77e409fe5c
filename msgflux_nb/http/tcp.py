"""TCP connections: look up a name and try its addresses, limited in time and cancellable from another thread."""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

__all__ = ["adial", "dial", "has_something_to_read", "shut_down", "wait"]

_STAGGER_SECONDS = 0.25  # the head start of an address before the next one is tried in parallel, as RFC 8305 advises
_LOOK_SECONDS = 0.05  # between checks for cancellation while a connection is made


def dial(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """Connect to a name's addresses in parallel, each with a short head start; return the first connection.

    Args:
        host: a name or a numeric address.
        port: the port.
        left: returns the seconds that are left, or raises if another thread cancels.

    Raises:
        TimeoutError: no address answered in time.
        OSError: no address accepts a connection.
    """
    addresses = _addresses(host, port, left)
    failure = OSError("the name has no address")
    waiting: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    start = 0.0
    try:
        while addresses or waiting:
            if addresses and (not waiting or time.monotonic() >= start):
                family, kind, protocol, _, address = addresses[0]
                addresses, start = addresses[1:], time.monotonic() + _STAGGER_SECONDS
                try:
                    line = _begun(family, kind, protocol, address)
                except OSError as error:
                    failure = error
                    continue
                waiting[line.fileno()] = line
                selector.register(line, selectors.EVENT_WRITE)
            if left() <= 0:
                raise TimeoutError
            for key, _ in selector.select(min(_LOOK_SECONDS, max(left(), 0.0))):
                selector.unregister(key.fileobj)
                line = waiting.pop(key.fd)
                number = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return line
                line.close()
                failure, start = OSError(number, os.strerror(number)), 0.0
        raise failure
    finally:
        selector.close()
        for line in waiting.values():
            line.close()


async def adial(host: str, port: int) -> socket.socket:
    """Like :func:`dial`, but async; the caller limits its time."""
    import asyncio

    loop = asyncio.get_running_loop()
    addresses = _numeric_address(host, port) or await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: BaseException = OSError("the name has no address")
    waiting: dict[asyncio.Future[None], socket.socket] = {}
    try:
        while addresses or waiting:
            if addresses:
                (family, kind, protocol, _, address), *addresses = addresses
                try:
                    line = socket.socket(family, kind, protocol)
                except OSError as error:
                    failure = error
                    continue
                line.setblocking(False)
                waiting[asyncio.ensure_future(loop.sock_connect(line, address))] = line
            limit = _STAGGER_SECONDS if addresses else None
            done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                line, problem = waiting.pop(attempt), attempt.exception()
                if problem is None:
                    return line
                line.close()
                failure = problem
        raise failure
    finally:
        for attempt, line in waiting.items():
            attempt.cancel()
            attempt.add_done_callback(functools.partial(_drop, line))


def _drop(line: socket.socket, attempt: asyncio.Future[None]) -> None:
    line.close()
    if not attempt.cancelled():
        attempt.exception()  # else asyncio reports it as never retrieved


def wait(line: socket.socket, seconds: float) -> None:
    """Set how long the next wait on a connection may last."""
    line.settimeout(None if seconds == float("inf") else max(seconds, 0.001))


def has_something_to_read(line: Any) -> bool:
    """Whether a connection has bytes to read, or has ended."""
    try:
        if os.name == "nt":
            return bool(select.select([line], [], [], 0)[0])
        poll = select.poll()  # select() fails for file numbers above 1,023
        poll.register(line, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


def shut_down(line: Any) -> None:
    """End a connection from any thread; closing it would not wake a thread that reads from it."""
    with contextlib.suppress(OSError, AttributeError):  # it is already closed
        # Not an SSL socket's own method: with it, another thread's next write could go out unencrypted.
        kind = socket.socket if isinstance(line, socket.socket) else type(line)
        kind.shutdown(line, socket.SHUT_RDWR)


def _numeric_address(host: str, port: int) -> list[Any]:
    """Return the address of a numeric host, without asking the resolver; empty for a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return []
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _addresses(host: str, port: int, left: Callable[[], float]) -> list[Any]:
    """Look a name up in a separate thread, since the system's resolver can be neither limited nor interrupted."""
    known = _numeric_address(host, port)
    if known:
        return known
    found: list[Any] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            found.append(error)
        done.set()

    threading.Thread(target=look_up, daemon=True).start()
    while not done.wait(min(_LOOK_SECONDS, max(left(), 0.0))):
        if left() <= 0:
            raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    addresses: list[Any] = found[0]
    return addresses


def _begun(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """Return a socket that has begun to connect."""
    line = socket.socket(family, kind, protocol)
    line.setblocking(False)
    number = line.connect_ex(address)
    if number not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN):
        line.close()
        raise OSError(number, os.strerror(number))
    return line
