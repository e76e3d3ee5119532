"""A JupyterLab that also serves Notebook 7, with nothing of the user's own, as a process of its own."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import unmeasured

# No question, toast or autosave comes between a test and the page; all cells are in the page.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}  # fmt: skip


class Server:
    """Starts in `folder` at once; `wait` until it answers.

    Attributes:
        url: its address, on the loopback interface.
        token: what a page has to show once.
        root: the folder whose notebooks it serves.
        log: what it writes.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.log, self.token = folder / "root", folder / "log.txt", secrets.token_hex(16)
        self.root.mkdir()
        for name, value in SETTINGS.items():
            file = folder / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(value))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}", "--ServerApp.terminals_enabled=False",
            f"--IdentityProvider.token={self.token}",
            "--ServerApp.shutdown_no_activity_timeout=1200", "--MappingKernelManager.cull_idle_timeout=1200",
            "--MappingKernelManager.cull_connected=True",  # if the tests are killed, it ends by itself
            "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
        ]  # fmt: skip
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                env=unmeasured() | {name: str(folder / place) for name, place in own.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its kernels end with it
            )

    def wait(self, timeout: float = 90) -> None:
        """Wait until it answers."""
        until = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/api", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"JupyterLab did not start:\n{self.log.read_text()}") from None
                time.sleep(0.1)

    def close(self) -> None:
        """End it and its kernels."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
