"""Hostile strings (the field guide's test 29), and a server that gets a request if a page treats them as markup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.scripted import running


@contextmanager
def counting() -> Iterator[tuple[int, list[str]]]:
    """A server with an empty page, which lists the other paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/page", "/favicon.ico"):
                paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield server.server_port, paths


def dangerous(port: int, place: str = "") -> list[str]:
    """Return strings that must stay text; ``place`` says in the server's paths where a string was shown."""
    at = f"http://127.0.0.1:{port}/{place}"
    return [
        f"{at}?q=s",
        "/etc/hostname",
        "<img src=x onerror=alert(1)>",
        f"![a]({at}q)",
        "</script><script>alert(2)</script>",
        '<button data-commandlinker-command="x">go</button>',
        f"<style>*{{background:url({at})}}</style>",
        '<a href="javascript:alert(3)">x</a> javascript:alert(3)',
        f"<img src={at}i.png>",
    ]
