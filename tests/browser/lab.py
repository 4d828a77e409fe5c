"""Real JupyterLab: a server on a free port, and notebooks opened in Chromium."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Dialog, Locator, Page

from .widget_page import until

_OWN_FOLDERS = (
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "IPYTHONDIR",
)
KERNELS = {"forked": "Python 3, imports done", "python3": "Python 3", "oldest": "Python 3, oldest ipykernel"}
"""By name: of ``fork_kernel.py``, the environment's own, and the oldest that we allow, of scripts/make_venv.sh."""

OLDEST_IPYKERNEL = Path(sys.prefix) / "oldest-ipykernel"
_FORK = Path(__file__).parent / "fork_kernel.py"
_PANEL = "window.jupyterapp.shell.currentWidget"
# Every cell has run, or the notebook has stopped at an error, and the kernel is idle.
_IDLE = f"""() => {{
  const panel = {_PANEL};
  const busy = panel.content.widgets.some((cell) => cell.model.executionState === "running" || cell.prompt === "*");
  return !busy && panel.sessionContext.session?.kernel?.status === "idle";
}}"""
# Without a question about unsaved changes.
_CLOSE_ALL = "() => { for (const widget of [...window.jupyterapp.shell.widgets('main')]) widget.dispose(); }"
# Without a result: Playwright would send the whole document widget to Python, which takes three seconds of CPU time.
_OPEN = "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }"


class Lab:
    """A JupyterLab server with separate files, settings and kernels."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "notebooks"
        self.root.mkdir()
        self._pages: list[Page] = []  # in which JupyterLab is loaded and nothing is open
        self._log = folder / "lab.log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        folders = {name: str(folder / name.lower()) for name in _OWN_FOLDERS}
        _without_news(Path(folders["JUPYTERLAB_SETTINGS_DIR"]))
        self._sockets = tempfile.TemporaryDirectory(prefix="msgflux-")  # a socket's path must be short
        address = f"{self._sockets.name}/kernels"
        _write_kernels(Path(folders["JUPYTER_DATA_DIR"]), address)
        with self._log.open("wb") as log, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            fork = [sys.executable, str(_FORK), "serve", number := str(listening.fileno())]
            self._fork = subprocess.Popen(fork, pass_fds=[int(number)], stdout=log, stderr=subprocess.STDOUT)
            self._process = subprocess.Popen(
                [
                    *[sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="],
                    *["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={self.root}"],
                    *[f"--ServerApp.port={self.url.rpartition(':')[2]}", "--ServerApp.port_retries=0"],
                ],
                env={**os.environ, **folders},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        said = self._log.read_text(errors="replace")[-3000:]
        self.stop()
        raise AssertionError(f"JupyterLab did not start:\n{said}")

    def stop(self) -> None:
        """End the server and its kernels by their process ids."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._fork.kill()
        self._fork.wait(5)
        self._sockets.cleanup()

    def write(self, name: str, cells: Sequence[str], *, kernel: str = "python3") -> Path:
        """Write a notebook of code cells for one of ``KERNELS``; return its path."""
        spec = {"name": kernel, "display_name": KERNELS[kernel], "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": spec}
        )
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def open(self, browser: Browser, path: Path, **page: Any) -> Notebook:
        """Open a notebook of ``root``: in a new page with these options, or without options in a page that is kept.

        JupyterLab takes five seconds of CPU time to load and half a second to open a notebook.
        """
        if self._pages and not page:
            return Notebook(self._pages.pop(), self, path, keep=True)
        options = {"viewport": {"width": 1280, "height": 960}, **page}
        context = browser.new_context(**options)
        context.set_default_timeout(30_000)
        return Notebook(context.new_page(), self, path, keep=not page)

    def keep(self, page: Page) -> None:
        """Keep a page for the next notebook, unless it shows a dialog."""
        page.context.clear_permissions()
        page.evaluate(_CLOSE_ALL)
        if page.locator(".jp-Dialog").count():
            page.context.close()
        else:
            self._pages.append(page)

    def forget_pages(self) -> None:
        """Close the kept pages."""
        while self._pages:
            self._pages.pop().context.close()


class Notebook:
    """A notebook, open in JupyterLab."""

    def __init__(self, page: Page, lab: Lab, path: Path, *, keep: bool = False) -> None:
        """Open a notebook, in an empty page or in a kept one.

        Args:
            page: the page.
            lab: the server.
            path: the path of the file.
            keep: whether ``close`` keeps the page for the next notebook.
        """
        self.page = page
        self.path = path
        self.dialogs: list[str] = []
        self.closed = False
        self._lab = lab
        self._keep = keep
        page.on("dialog", self._answer)
        address = str(path.relative_to(lab.root))
        if page.url == "about:blank":
            page.goto(f"{lab.url}/lab/tree/{address}?reset")
        else:
            page.evaluate(_OPEN, address)
        self._wait_until_open()

    def _answer(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # JupyterLab asks before a page with unsaved changes is left
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _wait_until_open(self) -> None:
        self.page.wait_for_function(
            f"() => window.jupyterapp && {_PANEL}?.content?.widgets?.length > 0 && {_PANEL}.context.isReady",
            timeout=60_000,
        )
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")

    def wait_for_kernel(self) -> None:
        """Wait until the kernel answers."""
        self.page.wait_for_function(f"() => {_PANEL}.sessionContext.session?.kernel?.status === 'idle'", timeout=60_000)

    def run_all(self, *, timeout_seconds: float = 120, failures: list[str] | None = None) -> None:
        """Run every cell and wait until all are done; a failed cell raises an AssertionError.

        Args:
            timeout_seconds: the limit for all cells together.
            failures: gets the errors of cells in place of the AssertionError; the cells after an error run too.
        """
        if failures is None:
            self._execute("notebook:run-all-cells")
            self.wait_idle(timeout_seconds=timeout_seconds)
        else:
            end = time.monotonic() + timeout_seconds
            for index in range(self.page.evaluate(f"() => {_PANEL}.content.widgets.length")):
                self.run_cell(index, timeout_seconds=max(1, end - time.monotonic()))
        failed = ["\n".join(output["traceback"]) for output in self.outputs() if output["output_type"] == "error"]
        if failures is not None:
            failures += failed
        else:
            assert not failed, failed[0]

    def run_cell(self, index: int, *, timeout_seconds: float = 60) -> None:
        """Run one cell and wait until it is done."""
        self.start_cell(index)
        self.wait_idle(timeout_seconds=timeout_seconds)

    def start_cell(self, index: int) -> None:
        """Start one cell without waiting for its end."""
        self.page.evaluate(f"(index) => {{ {_PANEL}.content.activeCellIndex = index; }}", index)
        self._execute("notebook:run-cell")

    def show_cell(self, index: int) -> None:
        """Scroll to a cell: JupyterLab draws only outputs near the visible part."""
        self.page.evaluate(f"(index) => {_PANEL}.content.scrollToItem(index, 'start')", index)

    def cell(self, index: int) -> Locator:
        """One cell, with its outputs."""
        return self.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def interrupt(self) -> None:
        """Interrupt the kernel, as the notebook's own button does."""
        self.page.evaluate(f"() => {_PANEL}.sessionContext.session.kernel.interrupt()")

    @property
    def busy(self) -> bool:
        """Return whether the kernel is running something."""
        return bool(self.page.evaluate(f"() => {_PANEL}.sessionContext.session.kernel.status === 'busy'"))

    def wait_idle(self, *, timeout_seconds: float = 60) -> None:
        """Wait until no cell runs."""
        self.page.wait_for_function(_IDLE, timeout=timeout_seconds * 1000)

    def outputs(self) -> list[dict[str, Any]]:
        """Return all outputs of the notebook in the page."""
        found: list[dict[str, Any]] = self.page.evaluate(
            f"() => {_PANEL}.content.model.toJSON().cells.flatMap((cell) => cell.outputs ?? [])"
        )
        return found

    def save(self, *, showing: str = "") -> dict[str, Any]:
        """Save as the menu does, and return the content of the file.

        Args:
            showing: text of an output. The kernel updates outputs a moment after a view; this waits for the text.
        """
        until(
            lambda: not showing or any(showing in text for text in _texts(self.outputs())),
            what=f"an output with {showing!r}",
        )
        self.page.evaluate(f"() => {_PANEL}.context.save()")
        saved: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return saved

    def reload(self) -> None:
        """Load the page again, from the saved file; the kernel goes on."""
        self.page.reload()
        self._wait_until_open()
        self.wait_for_kernel()

    def theme(self, name: str) -> None:
        """Change to ``JupyterLab Light`` or ``JupyterLab Dark``."""
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
        light = str(name.endswith("Light")).lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def restart_kernel(self) -> None:
        """Restart the kernel, as the menu does after its confirmation."""
        self.page.evaluate(f"() => {_PANEL}.sessionContext.session.kernel.restart()")
        self.wait_for_kernel()

    def shut_down_kernel(self) -> None:
        """End the kernel, as closing the notebook would."""
        self.page.evaluate(f"() => {_PANEL}.sessionContext.shutdown()")

    def close(self) -> None:
        """Close the notebook; nothing is saved."""
        self.closed = True
        self.page.remove_listener("dialog", self._answer)
        if self._keep:
            self._lab.keep(self.page)
        else:
            self.page.context.close()

    def _execute(self, command: str) -> None:
        self.wait_for_kernel()  # JupyterLab asks which kernel is meant when a command comes before it
        # Without awaiting: the promise of a command ends only when its cells have.
        self.page.evaluate("(command) => { window.jupyterapp.commands.execute(command); }", command)
        self.page.wait_for_timeout(100)

    @property
    def playground(self) -> Locator:
        """The first live playground."""
        return self.page.locator(".msgflux-playground").first


def _without_news(settings: Path) -> None:
    """Switch off JupyterLab's question about news, which would cover a notebook."""
    folder = settings / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True)
    answers = {"checkForUpdates": False, "fetchNews": "false"}
    (folder / "notification.jupyterlab-settings").write_text(json.dumps(answers))


def _write_kernels(data: Path, address: str) -> None:
    """Write the kernels of ``fork_kernel.py`` and of the oldest allowed ipykernel, which is found before ours."""
    path = os.pathsep.join(filter(None, [str(OLDEST_IPYKERNEL), os.environ.get("PYTHONPATH")]))
    oldest = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    forked = [sys.executable, "-S", str(_FORK), "ask", address, "{connection_file}"]
    for name, argv, env in (("forked", forked, {}), ("oldest", oldest, {"PYTHONPATH": path})):
        folder = data / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": KERNELS[name], "language": "python", "env": env}
        (folder / "kernel.json").write_text(json.dumps(spec))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _texts(outputs: list[dict[str, Any]]) -> list[str]:
    """Return the texts of outputs, for every kind of viewer."""
    return [
        "".join(text) for output in outputs for text in output.get("data", {}).values() if isinstance(text, str | list)
    ]
