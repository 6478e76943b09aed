"""JupyterLab on a free port and a headless Chromium, as a student's browser."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from lab_utils.start import JUPYTER_OVERRIDES, write_jupyter_config
from lab_utils.waiting import wait_until
from tests.labs import Lab

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OVERRIDES = {
    **JUPYTER_OVERRIDES,
    # Cells that are out of sight stay in the page, so that the test sees every output.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@dataclass(frozen=True)
class Jupyter:
    """A running JupyterLab and the folder that it shows."""

    folder: Path
    port: int
    token: str

    def address(self, name: str) -> str:
        """Where the notebook `name` of the folder is opened, by itself in the window."""
        return f"http://127.0.0.1:{self.port}/doc/tree/{name}?token={self.token}"

    def end_kernels(self) -> None:
        """Stop what notebooks have left running: idle Sparks take memory and time from the tests that follow."""
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"token {self.token}"},
            timeout=60,
            trust_env=False,
        ) as client:
            for kernel in client.get("/api/kernels").raise_for_status().json():
                client.delete(f"/api/kernels/{kernel['id']}").raise_for_status()


@pytest.fixture
def jupyter(jupyter_server: Jupyter) -> Iterator[Jupyter]:
    """The session's JupyterLab, without kernels at the end."""
    yield jupyter_server
    jupyter_server.end_kernels()


@pytest.fixture(scope="session")
def jupyter_server(session_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """JupyterLab for the session's stack."""
    home = tmp_path_factory.mktemp("jupyter")
    folder = home / "notebooks"
    folder.mkdir()
    write_jupyter_config(home / "config", OVERRIDES)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    token = secrets.token_urlsafe(16)
    environment = {
        **session_lab.environment,
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    options = [f"--port={port}", "--port-retries=0", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    with (home / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: answers(port), 120, "JupyterLab", every=0.2)
        yield Jupyter(folder, port, token)
    finally:
        server.terminate()
        server.wait(30)


def answers(port: int) -> bool:
    """Whether a web server answers there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """An empty window of Chromium, which may not talk to anything but this machine."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser_path is not None, "No Chromium found; install it with: sudo apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=browser_path,
            headless=True,
            args=[*sandbox, *quiet, "--disable-sync", "--disable-quic"],
            viewport={"width": 1280, "height": 900},
        )
        opened = context.new_page()
        opened.set_default_timeout(120_000)
        yield opened
        context.close()
