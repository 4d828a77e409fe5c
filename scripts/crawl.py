"""Crawl the built site in Chromium; ``make docs`` builds it first.

``python scripts/crawl.py`` opens every page of build/site from a server on the loopback, at three widths, light and
dark. It fails on a dead link or anchor, an error in the console, a request to another host, a page wider than its
window, a replay that does not play, or a search without a result.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

SITE = Path(__file__).parent.parent / "build" / "site"
CHROMIUMS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (1280, 800, 400)
REPLAYS = ".msgflux-twin :is(input[type=range], [role=slider])[aria-label=replay]"
_LINKS = "() => [...document.querySelectorAll('a[href]')].map((link) => link.href)"
_IDS = "() => [...document.querySelectorAll('[id]')].map((node) => node.id)"
_PLAY = """(slider) => [...slider.closest('.msgflux-twin').querySelectorAll('button')]
  .find((button) => /^play/.test(button.getAttribute('aria-label') ?? button.textContent.trim())).click()"""
_PLACE = "(slider) => Number(slider.value ?? slider.getAttribute('aria-valuenow'))"
_ELSEWHERE = f"([selector, place, was]) => ({_PLACE})(document.querySelectorAll(selector)[place]) !== was"
_WIDER = "() => document.scrollingElement.scrollWidth - window.innerWidth"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the parent's name
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback; yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Crawl:
    """A crawl of the site.

    Attributes:
        problems: the problems as sentences.
        replays: the number of replays that were played.
    """

    def __init__(self, browser: Browser, site: Path, address: str) -> None:
        self.site, self.address = site, address
        self.problems: list[str] = []
        self.replays = 0
        self._links: dict[str, set[str]] = {}
        self._ids: dict[str, set[str]] = {}
        self._browser = browser
        self._at = ""

    def page(self, width: int, scheme: Any) -> Page:
        """Return a page that records its errors."""
        page = self._browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        page.on("console", lambda said: self._note(f"console: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("request", lambda asked: self._check_request(asked.url))
        page.on("response", lambda got: self._note(f"{got.status} for {got.url}") if got.status >= 400 else None)
        return page

    def _note(self, problem: str) -> None:
        self.problems.append(f"{self._at}: {problem}")

    def _check_request(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self._note(f"asks {url}")

    def open(self, page: Page, name: str) -> None:
        """Open a page and check its width."""
        self._at = name
        page.goto(self.address + name, wait_until="load")
        wider = page.evaluate(_WIDER)
        if wider > 1:
            self._note(f"{wider} pixels wider than a window of {page.viewport_size}")

    def read(self, page: Page, name: str) -> None:
        """Open a page, collect its links and anchors, and play its replays."""
        self.open(page, name)
        url = self.address + name
        self._links[url] = set(page.evaluate(_LINKS))
        self._ids[url] = set(page.evaluate(_IDS))
        sliders = page.locator(REPLAYS)
        for place in range(sliders.count()):
            slider = sliders.nth(place)
            saved = slider.evaluate(_PLACE)  # at its end
            slider.evaluate(_PLAY)
            try:
                page.wait_for_function(_ELSEWHERE, arg=[REPLAYS, place, saved], timeout=30_000)
                begun = slider.evaluate(_PLACE)
                page.wait_for_function(_ELSEWHERE, arg=[REPLAYS, place, begun], timeout=30_000)
            except TookTooLong as error:
                self._note(f"replay {place + 1} does not play: {str(error).splitlines()[0]}")
            self.replays += 1

    def search(self, page: Page) -> None:
        """Search for a word that is on the site."""
        self.open(page, "search.html?q=token")
        try:
            page.wait_for_selector("#search-results li a", timeout=30_000)
        except TookTooLong:
            self._note("a search for token finds nothing")

    def dead_links(self) -> list[str]:
        """Return links within the site without a page or an anchor."""
        dead = []
        for source, links in self._links.items():
            for link in links:
                url, anchor = urldefrag(link)
                if not url.startswith(self.address):
                    continue
                if url.endswith("/"):
                    url += "index.html"
                there = (self.site / unquote(url.removeprefix(self.address).partition("?")[0])).is_file()
                if not there or (anchor and url in self._ids and unquote(anchor) not in self._ids[url]):
                    dead.append(f"{source.removeprefix(self.address)}: {link.removeprefix(self.address)} is not there")
        return sorted(dead)


def crawl(site: Path, browser: Browser) -> Crawl:
    """Crawl a site."""
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts)
    with served(site) as address:
        seen = Crawl(browser, site, address)
        for place, (width, scheme) in enumerate((width, scheme) for width in WIDTHS for scheme in ("light", "dark")):
            page = seen.page(width, scheme)
            for name in names:
                (seen.read if place == 0 else seen.open)(page, name)
            if place == 0:
                seen.search(page)
            page.context.close()
        seen.problems += seen.dead_links()
    return seen


def main() -> int:
    """Crawl build/site; return 0, or 1 if something is wrong."""
    if not (SITE / "index.html").is_file():
        print(f"there is no site in {SITE}; make docs builds it", file=sys.stderr)
        return 1
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        print("Chromium is needed: scripts/install_system.sh chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        seen = crawl(SITE, browser)
        browser.close()
    pages = len(list(SITE.rglob("*.html")))
    print(
        "\n".join(seen.problems)
        or f"{pages} pages at three widths, light and dark: all well, {seen.replays} replays play"
    )
    return int(bool(seen.problems))


if __name__ == "__main__":
    sys.exit(main())
