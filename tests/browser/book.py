"""A notebook open in a browser: its cells run, its outputs are read and looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbformat

from tests.browser.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

App = Literal["lab", "notebook7"]
Theme = Literal["light", "dark"]

# What is asked of the page, with `panel`, the notebook's widget, at hand.
# A page that doesn't answer is an error: Playwright's `evaluate` would wait for ever.
_PANEL = """
([path, argument]) => {
  const app = window.jupyterapp;
  const panel = app && [...app.shell.widgets('main')].find(each => each.context && each.context.path === path);
  const limit = new Promise((_, reject) => setTimeout(() => reject(new Error('no answer from the page')), 30000));
  const answer = (async () => { %s })();
  return Promise.race([answer, limit]);
}
"""
_OPEN = """
  await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
"""
_RUN = """
  app.shell.activateById(panel.id);
  panel.content.activeCellIndex = argument;
  window.ran = {};
  const ran = window.ran;
  app.commands.execute('notebook:run-cell').then(() => { ran.done = true; }, error => { ran.error = String(error); });
"""
_IDLE = """
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  if (window.ran.error) throw new Error(window.ran.error);
  return Boolean(window.ran.done && kernel && kernel.status === 'idle');
"""
_READY = """
  if (!panel) return false;
  await panel.context.ready; await panel.revealed;
  await panel.sessionContext.ready;
  return panel.sessionContext.session.kernel.status === 'idle';
"""
_VALUE = """
  const kernel = panel.sessionContext.session.kernel;
  const future = kernel.requestExecute({code: '', silent: true, user_expressions: {value: argument}});
  const {value} = (await future.done).content.user_expressions;
  if (value.status !== 'ok') throw new Error(value.ename + ': ' + value.evalue);
  return value.data['text/plain'];
"""


class Book:
    """A notebook in JupyterLab or Notebook 7, with a kernel of its own.

    Args:
        page: the page of the application.
        app: which application it is.
        server: where it is served.
        path: its file, below the server's root.
        pictures: the folder for pictures.
    """

    def __init__(self, page: Page, app: App, server: Server, path: Path, pictures: Path) -> None:
        self.page, self.app, self.path = page, app, path
        self._server = server
        self._name = path.name
        self._pictures = pictures

    @staticmethod
    def write(path: Path, cells: Sequence[str]) -> None:
        """Write a notebook of code cells."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, path)

    @staticmethod
    def start_lab(page: Page, server: Server) -> None:
        """Have a page show JupyterLab, ready to open notebooks."""
        page.goto(f"{server.url}/lab?reset&token={server.token}")
        page.wait_for_function("() => window.jupyterapp", timeout=90_000)
        page.evaluate("async () => { await window.jupyterapp.restored; }")

    def open(self, timeout: float = 60) -> None:
        """Open it, and wait for its kernel."""
        self.page.bring_to_front()  # a page behind another one gets a tick a second
        if self.app == "lab":
            self._ask(_OPEN)
        else:
            self.page.goto(f"{self._server.url}/notebooks/{self._name}?token={self._server.token}")
            self.page.wait_for_function("() => window.jupyterapp", timeout=timeout * 1000)
            self.page.evaluate("async () => { await window.jupyterapp.restored; }")
        self._until(_READY, timeout=timeout)

    def _ask(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(_PANEL % script, [self._name, argument])

    def _until(self, script: str, argument: Any = None, timeout: float = 60) -> None:
        until(lambda: self._ask(script, argument), timeout)  # Playwright's own waiting takes a promise for true

    def start(self, number: int) -> None:
        """Start a cell, counted from 0."""
        self._ask(_RUN, number)

    def wait(self, timeout: float = 60) -> None:
        """Wait until the cell that was started has ended and the kernel is idle."""
        self._until(_IDLE, timeout=timeout)

    def run(self, number: int, timeout: float = 60) -> list[dict[str, Any]]:
        """Run a cell to its end and return its outputs, of which one may be an error."""
        self.start(number)
        self.wait(timeout)
        return self.outputs(number)

    def run_all(self, timeout: float = 60) -> None:
        """Run all cells, of which none may fail."""
        for number in range(self._ask("return panel.content.widgets.length;")):
            for output in self.run(number, timeout):
                assert output["output_type"] != "error", f"{output['ename']}: {output['evalue']}"

    def outputs(self, number: int) -> list[dict[str, Any]]:
        """Return the outputs of a cell, as they would be saved."""
        found: list[dict[str, Any]] = self._ask(
            "return panel.content.widgets[argument].model.outputs.toJSON();", number
        )
        return found

    def value(self, expression: str) -> str:
        """Return the text of an expression's value in the kernel."""
        text: str = self._ask(_VALUE, expression)
        return text

    def cell(self, number: int) -> Locator:
        """Return the place of a cell in the page."""
        return self.page.locator(".jp-Notebook:visible .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        """Return the place of a cell's outputs in the page."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def theme(self, theme: Theme) -> None:
        """Show the application light or dark."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme.capitalize()}",
        )
        is_light = "true" if theme == "light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light={is_light}]", state="attached")
        self.page.wait_for_timeout(300)  # the style sheet comes in after the attribute

    def width(self, width: int) -> None:
        """Make the page so many pixels wide."""
        self.page.set_viewport_size({"width": width, "height": 1000})

    def picture(self, name: str, of: Locator | None = None) -> Path:
        """Take a picture of the page, or of one place in it."""
        file = self._pictures / f"{re.sub(r'[^0-9a-zA-Z-]+', '-', name)}.png"
        if of is None:
            self.page.screenshot(path=file)
        else:
            size, box = self.page.viewport_size, of.bounding_box()
            assert size is not None
            if box is not None and box["height"] > size["height"] - 300:  # a page scrolls no further for a picture
                self.page.set_viewport_size({"width": size["width"], "height": round(box["height"]) + 300})
            of.scroll_into_view_if_needed()
            of.screenshot(path=file)
            self.page.set_viewport_size(size)
        assert file.stat().st_size > 1000
        return file

    def save(self) -> nbformat.NotebookNode:
        """Save it and return what the file holds."""
        self._ask("await panel.context.save();")
        return nbformat.read(self.path, as_version=4)

    def reopen(self) -> None:
        """Save it, close it, and open it again as somebody else would: it is not trusted, its kernel knows nothing."""
        self.save()
        self._shut_down()
        self._leave()
        foreign = nbformat.read(self.path, as_version=4)
        foreign.metadata["reopened"] = True  # so that its signature isn't ours
        nbformat.write(foreign, self.path)
        self.open()

    def _shut_down(self) -> None:
        self._ask("if (panel.sessionContext.session) await panel.sessionContext.shutdown();")

    def _leave(self) -> None:
        if self.app == "lab":
            self._ask("await panel.context.save(); panel.close();")
            self._until("return !panel;")
        else:
            self.page.goto("about:blank")

    def close(self) -> None:
        """Save it, shut its kernel down and close it."""
        if self._ask("return Boolean(panel);"):
            self.save()
            self._shut_down()
            self._leave()


def expect(place: Locator) -> Any:
    """Return Playwright's assertions on a place in the page, which wait; imported here for who has no Playwright."""
    from playwright.sync_api import expect as expected

    return expected(place)


def until(condition: Callable[[], Any], timeout: float = 10, every: float = 0.05) -> Any:
    """Return what `condition` gives as soon as that is true; fail if it never is."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"still {found!r} after {timeout} s"
        time.sleep(every)
    return found
