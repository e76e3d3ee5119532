"""The graph of a workflow as a value that shows itself: a picture, a tree of text, Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fgnb.counted import counted
from fgnb.deployment import Workflow
from fgnb.render import html, svg
from fgnb.render.graph_boxes import Panel, panel_of
from fgnb.render.graph_marks import Failure, Marks, of_run, of_runs
from fgnb.render.graph_model import Chain, read
from fgnb.render.graph_text import mermaid, tree
from fgnb.render.text import cut, one_line
from fgnb.render.told import text
from fgnb.wiring import Shown

if TYPE_CHECKING:
    from fgnb.local.execution import Visit
    from fgnb.runs.run import Run

WIDEST = 1800  # pixels up to which a picture shrinks with the page
ALT = 400  # characters of what a picture says to those who don't see it
FAILURES = 10  # that are listed

Definition = Mapping[str, Any] | Workflow


@dataclass(frozen=True, kw_only=True)
class Graph(Shown):
    """A workflow drawn: its states from left to right, what is inside them, and what runs say of them.

    Ways after errors are dashed. At the end of a cell it shows a picture without scripts, which untrusted
    notebooks show, too; in a terminal a tree. `failures` are the nodes at which runs failed, with the
    message (secrets masked) and how many did.

    >>> import fgnb
    >>> graph = fgnb.connect("local").workflow("order-triage").graph()
    >>> print(graph.to_text())
    order-triage
    ├─ price (Price-the-order) → stock: calls price
    ├─ stock (Reserve-stock) → decide: calls stock
    ├─ decide (Ship-or-review) → end: calls decide
    └─ end (Done): ends
    """

    name: str
    chain: Chain = field(repr=False)
    marks: Marks = field(default_factory=Marks, repr=False)

    __hash__ = None  # type: ignore[assignment]  # marks are a mapping

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The nodes at which runs failed: ``node``, ``message``, ``count``."""
        return self.marks.failures

    def to_svg(self) -> str:
        """Return the picture: an SVG document of its own, which loads nothing."""
        return svg.draw(self._panel(), self._alt())

    def picture(self, *, max_width: float = WIDEST) -> str:
        """Return the picture alone as HTML: an ``<img>`` that untrusted notebooks show, too.

        Args:
            max_width: pixels up to which it shrinks with the page, to three quarters at most; a wider one
                keeps its size. What does not fit can be scrolled.
        """
        panel = self._panel()
        width = round(panel.width + 2 * svg.MARGIN)
        return html.image(svg.draw(panel, self._alt()), self._alt(), width, widest=max_width)

    def to_html(self, *, max_width: float = WIDEST) -> str:
        """Return the picture with its title, and below it the nodes that failed, with their messages.

        Args:
            max_width: as of `picture`.
        """
        parts = [html.heading(self.name)]
        parts += [f"<div>{html.muted(note)}</div>" for note in self.marks.notes]
        parts.append(f'<div style="margin:4px 0">{self.picture(max_width=max_width)}</div>')
        if self.failures:
            rows = [
                (html.strong(failure.node), f"{failure.count:,}", html.words(failure.message))
                for failure in self.failures[:FAILURES]
            ]
            parts.append(html.table(rows, head=["node", "failed", "message"]))
        if (more := len(self.failures) - FAILURES) > 0:
            note = f"… {counted(more, 'more node')}; see .failures"
            parts.append(f"<div>{html.muted(note)}</div>")
        return html.frame_box("".join(parts), html.OTHER_COLOUR)

    def to_text(self) -> str:
        """Return the graph as a tree of at most 100 columns."""
        return tree(self.name, self.chain, self.marks)

    def to_mermaid(self) -> str:
        """Return the graph as a flowchart of Mermaid, for documentation; without times and messages."""
        return mermaid(self.chain, self.marks)

    def _panel(self) -> Panel:
        return panel_of(self.chain, self.marks)

    def _alt(self) -> str:
        nodes = list(self.chain.nodes)
        told = f"workflow {one_line(self.name)}, {counted(len(nodes), 'state')}"
        told += f": {', '.join(one_line(node.id) for node in nodes[:20])}{', …' if len(nodes) > 20 else ''}"
        for failure in self.failures[:3]:
            told += f"; failed at {failure.node}: {one_line(failure.message)}"
        return cut(told.removesuffix(": "), ALT)

    def __repr__(self) -> str:
        count = sum(1 for _ in self.chain.walk())
        failed = f", failed at {', '.join(failure.node for failure in self.failures[:3])}" if self.failures else ""
        return f"<Graph of {self.name}, {counted(count, 'node')}{failed}>"


def show(graph: Graph) -> dict[str, str]:
    """Return the graph as a MIME bundle."""
    return {"text/plain": graph.to_text(), "text/html": graph.to_html()}


def graph_of(definition: Definition) -> Graph:
    """Return the graph of a workflow, or of a raw definition, however incomplete."""
    raw = _raw(definition)
    return Graph(name=_name(raw), chain=read(raw))


def graph_of_run(definition: Definition, run: Run, visits: Sequence[Visit] = ()) -> Graph:
    """Return the graph of a run: where it failed, and with a trace which way it took.

    Args:
        definition: of the workflow as it was run.
        run: the run.
        visits: an `fgnb.Trace` of it; without, nothing is said of the way.
    """
    raw = _raw(definition)
    chain = read(raw)
    return Graph(name=_name(raw, run.workflow), chain=chain, marks=of_run(chain, run, visits))


def graph_of_runs(definition: Definition, runs: Iterable[Run]) -> Graph:
    """Return the graph of many runs: at which nodes how many of them failed; they are read once."""
    raw = _raw(definition)
    chain = read(raw)
    return Graph(name=_name(raw), chain=chain, marks=of_runs(chain, runs))


def _raw(definition: Any) -> dict[str, Any]:
    if isinstance(definition, Workflow):
        return definition.definition
    return dict(definition) if isinstance(definition, Mapping) else {}


def _name(definition: Mapping[str, Any], other: str = "") -> str:
    return text(definition, "name") or other or "workflow"
