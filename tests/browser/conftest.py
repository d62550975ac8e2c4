"""A real JupyterLab server and a headless Chromium for the tests of this folder.

`lab` opens a notebook of given cells and runs them; the page talks to 127.0.0.1 only, and the tests can see that.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "labextension" / "dist"  # as built from this working tree, whatever is installed
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# --no-sandbox: Chromium refuses to start as superuser otherwise. The rest keeps it quiet: no GPU, no calls home.
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

CONFIG = """
import os
c.ServerApp.ip = "127.0.0.1"; c.ServerApp.port = int(os.environ["NUMGUARD_PORT"]); c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False; c.ServerApp.allow_root = True
c.IdentityProvider.token = ""; c.ServerApp.disable_check_xsrf = True
c.LabApp.expose_app_in_browser = True; c.JupyterNotebookApp.expose_app_in_browser = True
extensions = [os.path.join(os.environ["NUMGUARD_HOME"], "extensions")]
c.LabApp.extra_labextensions_path = c.JupyterNotebookApp.extra_labextensions_path = extensions
c.LabApp.extension_manager = "readonly"; c.LabApp.news_url = None
c.KernelRestarter.time_to_dead = 1.0  # seconds between two looks at a kernel
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.workspaces_dir = os.path.join(os.environ["NUMGUARD_HOME"], "workspaces")
c.LabApp.user_settings_dir = os.path.join(os.environ["NUMGUARD_HOME"], "settings")
"""

EDITOR_HAS_FOCUS = "() => window.jupyterapp.shell.currentWidget.content.activeCell.editor?.hasFocus()"
KERNEL_IS_IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"""

SOURCES = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map(c => c.sharedModel.getSource())"""
CURSOR = """() => { const n = window.jupyterapp.shell.currentWidget.content;
  return [n.activeCellIndex, n.activeCell.editor.getCursorPosition().line + 1]; }"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium; playwright's own is never downloaded."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": CHROMIUM_ARGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A tall window, so that a picture shows a whole report; with the clipboard allowed."""
    return {
        **browser_context_args,
        "viewport": {"width": 1400, "height": 1700},
        "permissions": ["clipboard-read", "clipboard-write"],
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab of its own: (address, folder of its notebooks)."""
    home = tmp_path_factory.mktemp("jupyter")
    work = tmp_path_factory.mktemp("notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The news popup covers a corner of the page even with news_url = None.
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    (home / "config.py").write_text(CONFIG)
    env = {
        **os.environ,
        "NUMGUARD_PORT": str(port),
        "NUMGUARD_HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PATH": str(home / "data"),
    }
    # A kernel that starts only where the file `no-start` is not there.
    start = [
        "sh",
        "-c",
        'test -e "$0" || exec "$@"',
        str(work / "no-start"),
        sys.executable,
        "-m",
        "ipykernel_launcher",
    ]
    spec = home / "data" / "kernels" / "mortal" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        json.dumps({"argv": [*start, "-f", "{connection_file}"], "display_name": "Mortal", "language": "python"})
    )
    assert EXTENSION.is_dir(), "the extension is not built: make extension"
    (home / "extensions").mkdir()
    (home / "extensions" / "jupyter-numguard").symlink_to(EXTENSION)
    log = (home / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--config", str(home / "config.py"), f"--ServerApp.root_dir={work}"],
        env=env,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status", process, home / "server.log")
        yield address, work
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # the tests are over: what a server does instead of ending is not theirs
            process.kill()
            process.wait()
        log.close()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


class Lab:
    """JupyterLab in a page. `foreign` lists every request that went elsewhere than to the server."""

    IDLE = KERNEL_IS_IDLE

    def __init__(self, page: Page, address: str, folder: Path) -> None:
        self.page, self.address, self.folder = page, address, folder
        self.foreign: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.foreign.append(request.url)

    def open(self, name: str, cells: list[str] | None = None, kernel: str = "python3") -> None:
        """Open the notebook `name`, first written with `cells` where they are given; wait until its kernel is idle."""
        if cells is not None:
            self.write(name, cells, kernel)
        self.page.goto(f"{self.address}/lab/tree/{name}?reset")
        self.ready()

    def write(self, name: str, cells: list[str], kernel: str = "python3") -> None:
        """A notebook file of these cells, never run."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        # Without a kernel named here JupyterLab asks which one to use.
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(notebook, self.folder / name)

    @property
    def panel(self) -> Locator:
        """The side panel."""
        return self.page.locator("#jupyter-numguard-panel")

    @property
    def status(self) -> Locator:
        """What the side panel says first of the report."""
        return self.panel.locator(".jp-Numguard [role=status]").first

    @property
    def cells(self) -> Locator:
        """The code cells of the notebook that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")

    def sources(self) -> list[str]:
        """The text of all cells."""
        out: list[str] = self.page.evaluate(SOURCES)
        return out

    def cursor(self) -> list[int]:
        """Index of the active cell, and the 1-based line of the cursor in it."""
        out: list[int] = self.page.evaluate(CURSOR)
        return out

    def ready(self) -> None:
        """Wait for the notebook on the page and its kernel."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=90_000)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        self.page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)

    def command(self, name: str, **arguments: Any) -> None:
        """Run a command of JupyterLab."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        """Run all cells and wait until the last has its number."""
        self.command("notebook:run-all-cells")
        last = self.page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-InputPrompt")
        last.get_by_text("]:").wait_for()
        self.page.wait_for_function("e => /\\[\\d+\\]/.test(e.textContent)", arg=last.element_handle(), timeout=60_000)
        self.page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)

    def go_to(self, place: str) -> None:
        """Click on a place in the panel and wait until the cursor stands in its cell. JupyterLab, still drawing what ran, took
        the focus back in one complete run: then, as a person does, a second click."""
        button = self.panel.get_by_role("button", name=f"Go to {place}")
        button.click()
        try:
            self.page.wait_for_function(EDITOR_HAS_FOCUS, timeout=10_000)
        except TimeoutError:
            button.click()
            self.page.wait_for_function(EDITOR_HAS_FOCUS)

    def run(self, index: int) -> None:
        """Run one cell and wait for its end."""
        self.page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index)
        self.command("notebook:run-cell")
        self.page.wait_for_function(KERNEL_IS_IDLE)

    def settings(self, **values: Any) -> None:
        """The reader's settings of numguard; a page that is opened later has them."""
        self.settings_of("jupyter-numguard:plugin", **values)

    def settings_of(self, plugin: str, **values: Any) -> None:
        """The reader's settings of any part of JupyterLab."""
        url = f"{self.address}/lab/api/settings/{plugin}"
        assert self.page.request.put(url, data={"raw": json.dumps(values)}).ok

    def interrupt(self) -> None:
        """Interrupt the kernel, as the server does for any page."""
        kernels = self.page.request.get(f"{self.address}/api/kernels").json()
        for kernel in kernels:
            if kernel["execution_state"] == "busy":
                assert self.page.request.post(f"{self.address}/api/kernels/{kernel['id']}/interrupt").ok

    def save(self) -> None:
        """Save the notebook and wait until it is saved."""
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    def theme(self, name: str) -> None:
        """Switch to "JupyterLab Light" or "JupyterLab Dark"."""
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)


@pytest.fixture
def lab(page: Page, server: tuple[str, Path]) -> Iterator[Lab]:
    """JupyterLab in a fresh page."""
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    lab = Lab(page, *server)
    yield lab
    lab.settings()
