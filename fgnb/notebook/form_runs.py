"""The last runs of a form: each can be taken back into the fields, and compared with the latest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from fgnb.notebook.fields.field import called
from fgnb.notebook.fields.looks import Looks
from fgnb.render import html
from fgnb.render.run import elapsed_text
from fgnb.render.value import compact
from fgnb.runs.run import Run

SHOWN = 5  # the latest


class LastRuns:
    """A line for each of the last runs, the latest first, with its buttons.

    Args:
        looks: of the form.
        listen: makes a function hear of clicks.
        fill: takes a run's input back into the fields.
        compare: shows a run beside another one.
        safe: returns a run without secrets, to be shown.
    """

    def __init__(
        self,
        looks: Looks,
        listen: Callable[[Any, Callable[..., None], str | None], None],
        fill: Callable[[Run], None],
        compare: Callable[[Run, Run], None],
        safe: Callable[[Run], Run],
    ) -> None:
        self._looks, self._listen, self._safe = looks, listen, safe
        self._fill, self._compare = fill, compare
        self._runs: Sequence[Run] = ()
        self._rows: list[tuple[Any, Any, Any]] = []
        self._title = ipywidgets.HTML(
            html.span("last runs", f"{html.FONT};{html.MUTED};font-size:12px"), style=looks.html
        )
        self.box = ipywidgets.VBox([], layout=looks.column)

    def show(self, runs: Sequence[Run]) -> None:
        """Show the last of these runs."""
        self._runs = list(runs[-SHOWN:])[::-1]
        while len(self._rows) < len(self._runs):
            self._rows.append(self._row(len(self._rows)))
        for at, (run, (text, _, compare)) in enumerate(zip(self._runs, self._rows, strict=False)):
            text.value = _line(self._safe(run), len(runs) - at)
            compare.disabled = len(self._runs) < 2
            compare.tooltip = f"compare run {len(runs) - at} with {'the one before' if at == 0 else 'the latest'}"
        if self._runs and len(self.box.children) != 1 + len(self._runs):
            rows = [box for _, box, _ in self._rows[: len(self._runs)]]
            self.box.children = (self._title, *rows)

    def _row(self, at: int) -> tuple[Any, Any, Any]:
        text = ipywidgets.HTML(layout=self._looks.rest, style=self._looks.html)
        fill = ipywidgets.Button(
            description="Fill in", tooltip="take this run's input into the fields", layout=self._looks.wide_button
        )
        compare = ipywidgets.Button(description="Compare", layout=self._looks.wide_button)
        self._listen(fill, called(self._on_fill, at), None)
        self._listen(compare, called(self._on_compare, at), None)
        return text, ipywidgets.HBox([text, fill, compare], layout=self._looks.column), compare

    def _on_fill(self, at: int) -> None:
        self._fill(self._runs[at])

    def _on_compare(self, at: int) -> None:
        one, other = (1, 0) if at == 0 else (at, 0)
        self._compare(self._runs[one], self._runs[other])


def _line(run: Run, number: int) -> str:
    status = html.span(run.status, f"color:{html.status_colour(run.status)}")
    rest = f"{html.muted(elapsed_text(run.elapsed))} {html.escape(compact(run.input, 90))}"
    style = f"{html.FONT};white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
    return f'<div style="{style}">{html.muted(f"{number}:")} {status} {rest}</div>'
