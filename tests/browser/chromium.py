"""The system's Chromium, started so that it reaches this machine only."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host is ever found
]  # fmt: skip
SIZE = {"width": 1400, "height": 1000}


def found() -> str | None:
    """Return where it is, if it is."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def open_context(playwright: Playwright) -> BrowserContext:
    """Start it, and return a context for pages; it ends with Playwright."""
    browser = playwright.chromium.launch(executable_path=found(), args=ARGUMENTS)
    return browser.new_context(viewport=SIZE)
