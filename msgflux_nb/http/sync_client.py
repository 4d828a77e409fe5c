"""The sync client: the standard library's ``http.client`` over connections that can be cancelled.

Each wait is limited by what is left of the call's limits, and ends at once when another thread cancels it or the kernel
is interrupted.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from .bounds import Bounds
from .connector import connected
from .guard import without_frames
from .limits import Abort, Patience
from .route import IDLE_KEPT, Route
from .sync_answer import Line, SyncAnswer
from .tcp import has_something_to_read, shut_down

__all__ = ["SyncClient"]


class SyncClient:
    """Sends requests over its own connections, and reuses them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Route, list[socket.socket]] = {}

    def open(
        self,
        route: Route,
        message: Callable[[], bytes],
        *,
        connect_seconds: float,
        remaining: Callable[[], float],
        abort: Abort,
        limits: Bounds,
        stream: bool,
    ) -> SyncAnswer:
        """Send a request and wait for the head of its answer.

        Args:
            route: the route to the server.
            message: builds the request's bytes, at the last moment.
            connect_seconds: limit for connecting.
            remaining: returns the seconds that the next wait may last.
            abort: lets another thread end the answer.
            limits: the limits on size.
            stream: whether the answer is streamed as events.

        Raises:
            httpx.TransportError: no connection, no answer in time, or an answer that is not HTTP.
            NotAnApiError: the head is larger than its limit.
        """
        seconds = min(connect_seconds, remaining())
        line = self._take(route) or connected(route, seconds, abort)
        answer = SyncAnswer(
            Line(line, Patience(remaining), limits, stream=stream),
            lambda whole: self._done(route, line, abort, whole),
        )
        try:
            abort.watch(lambda: shut_down(line))
            answer.begin(message())
        except BaseException as error:
            answer.close()
            raise without_frames(error) from None
        return answer

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for lines in idle.values():
            for line in lines:
                line.close()

    def _take(self, route: Route) -> socket.socket | None:
        while True:
            with self._lock:
                kept = self._idle.get(route)
                line = kept.pop() if kept else None
            if line is None or not has_something_to_read(line):
                return line
            line.close()  # the server has closed it, or sent unexpected bytes

    def _done(self, route: Route, line: socket.socket, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        ended = line
        with self._lock:
            kept = self._idle.setdefault(route, [])
            if whole and not abort.asked and len(kept) < IDLE_KEPT:
                kept.append(line)
                if not has_something_to_read(kept[0]):
                    return
                ended = kept.pop(0)  # the one idle for longest, which the server has probably closed
        shut_down(ended)  # a process forked meanwhile would keep it open
        ended.close()
