"""Fixtures of the browser tests. They close after this folder, since Playwright's loop would disturb other tests."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.scripted import Server, serving, stream

from .chromium import ARGUMENTS, find_chromium
from .lab import OLDEST_IPYKERNEL, Lab, Notebook
from .page_server import page_server
from .play_page import PlayPage
from .widget_page import Hear

_TIMEOUT_MS = 30_000  # an element that is not there by then will not come, even on a busy machine
_SIZE = ViewportSize(width=1000, height=800)
expect.set_options(timeout=_TIMEOUT_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    path = find_chromium()
    with page_server() as arguments, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def shared_page(browser: Browser) -> Iterator[Page]:
    """The page that all tests share: loading a document in it takes a third of the CPU time of a separate page."""
    context = browser.new_context(viewport=_SIZE)
    context.set_default_timeout(_TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(shared_page: Page) -> Iterator[Page]:
    """A page like a new one, without cookies and permissions; its old document ends when another is loaded."""
    yield shared_page
    shared_page.unroute_all()
    shared_page.emulate_media(reduced_motion="null", forced_colors="null")
    if shared_page.viewport_size != _SIZE:
        shared_page.set_viewport_size(_SIZE)
    shared_page.mouse.move(0, 0)
    shared_page.context.clear_cookies()
    shared_page.context.clear_permissions()


@pytest.fixture
def hear(page: Page) -> Iterator[Hear]:
    """Call a function at each event of the page, until the test ends."""
    heard: list[tuple[Any, Callable[..., Any]]] = []

    def hear_(event: Any, function: Callable[..., Any]) -> None:
        page.on(event, function)
        heard.append((event, function))

    yield hear_
    for event, function in heard:
        page.remove_listener(event, function)


@pytest.fixture
def play(page: Page) -> Iterator[PlayPage]:
    """The playground's page with the test's kernel; the page's code must not raise."""
    opened = PlayPage(page)
    yield opened
    assert opened.errors() == []


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab server for all tests of this folder."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


@pytest.fixture
def open_notebook(lab: Lab, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook by its path under ``lab.root``, or from a list of cells, which are written to a file first."""
    failed = request.session.testsfailed
    opened: list[Notebook] = []

    def open_(cells: list[str] | Path, name: str = "", *, kernel: str = "forked", **page: Any) -> Notebook:
        name = name or f"test-{len(list(lab.root.iterdir()))}.ipynb"
        path = cells if isinstance(cells, Path) else lab.write(name, cells, kernel=kernel)
        notebook = lab.open(browser, path, **page)
        opened.append(notebook)
        return notebook

    yield open_
    for notebook in opened:
        if not notebook.closed:
            notebook.shut_down_kernel()
            notebook.close()
    if request.session.testsfailed > failed:
        lab.forget_pages()


@pytest.fixture(params=["python3", "oldest"], ids=["newest ipykernel", "oldest ipykernel"])
def any_kernel_notebook(request: pytest.FixtureRequest, open_notebook: Callable[..., Notebook]) -> Any:
    """``open_notebook``, once with the environment's ipykernel and once with the oldest allowed one."""
    if request.param == "oldest" and not OLDEST_IPYKERNEL.exists():
        pytest.fail(f"there is no {OLDEST_IPYKERNEL}; scripts/make_venv.sh (`make test`) brings it", pytrace=False)
    return functools.partial(open_notebook, kernel=request.param)


@pytest.fixture
def image_server() -> Iterator[Server]:
    """A server like OpenAI's that streams a slow answer, and records request bodies in ``bodies``."""
    words = [piece for number in range(600) for piece in (f"word{number} ", 0.05)]
    with serving(stream(*words)) as server:
        yield server
