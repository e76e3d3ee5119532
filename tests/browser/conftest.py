"""A real JupyterLab and a real Notebook 7 in a real Chromium that gets nowhere but to this machine.

The fixtures live as long as this folder's tests, not the session: while Playwright's synchronous
interface is open, its event loop counts as running in this thread, and `asyncio.run` of other tests fails.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.browser import chromium
from tests.browser.book import App, Book
from tests.browser.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Error, Page

PICTURES = os.environ.get("FGNB_PICTURES")  # where to leave pictures; read now, since no FGNB_ variable reaches a test
STARTING = "reading 'schema'"  # an error that Notebook 7.6 itself meets when it starts
LOOPBACK = ("127.0.0.1", "localhost")
FAILED = pytest.StashKey[bool]()  # of a test: whether it has failed


class Watch:
    """What the pages did that they must not do."""

    def __init__(self, context: BrowserContext) -> None:
        self.offsite: list[str] = []
        self.errors: list[str] = []
        context.on("request", lambda request: self._see(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._see(socket.url)))
        context.on("weberror", lambda problem: self._meet(problem.error))

    def _see(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname not in LOOPBACK:
            self.offsite.append(url)

    def _meet(self, error: Error) -> None:
        if not (STARTING in error.message and "/static/notebook/" in (error.stack or "")):
            self.errors.append(error.message)

    def taken(self) -> tuple[list[str], list[str]]:
        """Return and forget the addresses elsewhere and the errors."""
        found = (list(self.offsite), list(self.errors))
        self.offsite.clear()
        self.errors.clear()
        return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """Tell the fixtures whether their test has failed, so that they leave a picture of it."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="package")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if chromium.found() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("there is no chromium on the PATH")
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="package")
def _context(_server: Server) -> Iterator[BrowserContext]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = chromium.open_context(playwright)
        yield context
        context.close()


@pytest.fixture(scope="package")
def _watch(_context: BrowserContext) -> Watch:
    return Watch(_context)


@pytest.fixture(scope="package")
def lab(_server: Server, _context: BrowserContext, _watch: Watch) -> Page:
    """JupyterLab in a page that all tests share."""
    page = _context.new_page()
    _server.wait()
    Book.start_lab(page, _server)
    return page


@pytest.fixture(scope="package")
def notebook7(_server: Server, _context: BrowserContext, _watch: Watch) -> Page:
    """A page for notebooks in Notebook 7, each of which it loads anew."""
    page = _context.new_page()
    _server.wait()
    return page


@pytest.fixture
def watch(_watch: Watch) -> Iterator[Watch]:
    """What the pages of this test did; the test fails if they asked another host for anything or met an error."""
    _watch.taken()
    yield _watch
    offsite, errors = _watch.taken()
    assert offsite == []
    assert errors == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for pictures: that of FGNB_PICTURES, or the test's own."""
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def opened(
    request: pytest.FixtureRequest, _server: Server, watch: Watch, pictures: Path
) -> Iterator[Callable[[App, Path], Book]]:
    """A function that opens a file of the server's root in ``"lab"`` or ``"notebook7"``; it goes in the end."""
    books: list[Book] = []

    def start(app: App, path: Path) -> Book:
        book = Book(request.getfixturevalue(app), app, _server, path, pictures)
        books.append(book)
        book.open()
        return book

    yield start
    for book in books:
        if request.node.stash.get(FAILED, False):
            book.picture(f"failed-{request.node.name}")
        book.page.set_viewport_size(chromium.SIZE)
        book.close()
        book.path.unlink(missing_ok=True)


@pytest.fixture
def notebook(
    request: pytest.FixtureRequest, _server: Server, opened: Callable[[App, Path], Book]
) -> Callable[[App, Sequence[str]], Book]:
    """A function that opens a notebook of these cells in ``"lab"`` or ``"notebook7"``."""
    numbers = itertools.count()

    def start(app: App, cells: Sequence[str]) -> Book:
        path = _server.root / f"{request.node.originalname}-{app}-{next(numbers)}.ipynb"
        Book.write(path, cells)
        return opened(app, path)

    return start


@pytest.fixture
def committed(_server: Server, opened: Callable[[App, Path], Book]) -> Callable[[App, Path], Book]:
    """A function that opens a copy of a notebook of the documentation, with its pictures."""

    def start(app: App, source: Path) -> Book:
        shutil.copytree(source.parent / "pictures", _server.root / "pictures", dirs_exist_ok=True)
        return opened(app, Path(shutil.copy(source, _server.root)))

    return start
