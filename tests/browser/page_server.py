"""Serves an empty page, and the code and styles of widgets, so that Chromium reads and parses them once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgflux_nb.widgets.base.view import page_code, page_style
from tests.scripted import running

ADDRESS = "http://widget.test/"
HARNESS = (Path(__file__).parent / "fake_model.js").read_text(encoding="utf-8")
# Follows the browser's preference, so that a test can ask for the dark form.
_EMPTY = '<html style="color-scheme: light dark"><script src="/fake_model.js"></script><body></body></html>'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        kind, text = _found(self.path)
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=86400, immutable")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def _found(path: str) -> tuple[str, str]:
    stem, _, suffix = path.removeprefix("/").rpartition(".")
    if path == "/fake_model.js":
        return "text/javascript", HARNESS
    if suffix == "js":
        return "text/javascript", page_code(stem)
    return ("text/css", page_style(stem)) if suffix == "css" else ("text/html", _EMPTY)


@contextmanager
def page_server() -> Iterator[list[str]]:
    """Serve ``ADDRESS`` to a Chromium that is started with the returned arguments.

    The address is not a secure origin, unlike the loopback address.
    """
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _Handler)) as server:
        yield ["--no-proxy-server", f"--host-resolver-rules=MAP widget.test 127.0.0.1:{server.server_port}"]
