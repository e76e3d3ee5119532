"""What the explorer says of runs besides its table: how many there are, those chosen, where they fail."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.render import html
from fgnb.render.drawing import cell_label
from fgnb.render.messages import message_line
from fgnb.render.progress import line
from fgnb.render.run import card_html
from fgnb.render.runset import show
from fgnb.runs.compare import compare
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    from fgnb.runs.progress import Progress

SAVED = 50  # runs that a saved notebook shows
BESIDE = 1000  # that are compared
GRAPHS = 3  # workflows that are drawn
KINDS = 30  # of errors that are listed
MESSAGE = 160  # cells of an example


def heading(runs: RunSet, note: str, progress: Progress | None = None) -> str:
    """Return what stands above the table.

    Args:
        runs: the runs in the table.
        note: which of more they are, plain text.
        progress: how far the sweep is that they come from.
    """
    names = runs.workflows
    several = f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
    count = counted(len(runs), "run")
    title = html.strong(f"{count} of {several}" if names else "no runs")
    counts = ", ".join(f"{number:,} {status}" for status, number in runs.counts.items())
    told = [title, html.muted(counts)] if counts else [title]
    if progress is not None and not progress.over:
        told.append(html.pill("live", html.status_colour("success")))
        told.append(html.muted(line(progress)))
    below = f"<div>{html.muted(note)}</div>" if note else ""
    return f'<div style="{html.FONT}">{" &nbsp;".join(told)}{below}</div>'


def chosen_html(runs: RunSet) -> str:
    """Return the chosen runs: one as its card, with the workflow drawn; more side by side."""
    if not len(runs):
        return html.frame_box(
            html.muted("Select a run to see its card, two or more to compare them."), html.OTHER_COLOUR
        )
    if len(runs) == 1:
        return card_html(runs[0])
    compared = compare(*runs[:BESIDE])._repr_mimebundle_()["text/html"]
    left = len(runs) - BESIDE
    return compared + (f"<div>{html.muted(f'… {left:,} more are not compared')}</div>" if left > 0 else "")


def errors_html(runs: RunSet) -> str:
    """Return where runs fail: the workflow drawn with the share of failures at each node, and how often what failed."""
    failed = len(runs) - runs.counts.get("success", 0)
    if not failed:
        return html.frame_box(html.muted("None of the runs failed."), html.status_colour("success"))
    parts = [html.heading(f"{failed:,} of {counted(len(runs), 'run')} did not succeed")]
    names = runs.workflows
    if len(names) == 1:
        parts.append(graph_html(runs))
    else:
        for name in names[:GRAPHS]:
            parts.append(html.section(name, graph_html(RunSet(run for run in runs if run.workflow == name))))
    parts.append(html.section("node errors by count", _kinds(runs)))
    return html.frame_box("".join(parts), html.status_colour("fail"))


def graph_html(runs: RunSet) -> str:
    """Return runs of one workflow on its graph; where that is not known, say so."""
    try:
        return runs.graph().picture()
    except InputError as error:
        return f"<div>{html.muted(f'No graph: {error}')}</div>"


def _kinds(runs: RunSet) -> str:
    """Return a table of what failed; runs without a node error count by their status."""
    numbers: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for run in runs:
        if run.ok:
            continue
        first = {(error.node, error.error_type or ""): error.error_message for error in reversed(run.node_errors)}
        for kind, message in (first or {("", run.status): run.reason or ""}).items():
            numbers[kind] += 1
            examples.setdefault(kind, message)
    rows = [
        (
            html.strong(node) if node else html.muted("no node"),
            html.one_line(kind),
            f"{count:,}",
            f"{count / len(runs):.1%}",
            html.words(message_line(examples[node, kind], MESSAGE)),
        )
        for (node, kind), count in numbers.most_common(KINDS)
    ]
    more = f"… {counted(len(numbers) - KINDS, 'more kind')}; see .errors" if len(numbers) > KINDS else ""
    note = f"<div>{html.muted(more)}</div>" if more else ""
    return html.table(rows, head=["node", "type", "runs", "of all", "for example"]) + note


def saved(runs: RunSet, note: str) -> dict[str, str]:
    """Return what a notebook shows once the explorer's kernel is gone, or where the page has no widgets."""
    bundle = show(runs, rows=SAVED)
    return bundle | {"text/html": bundle["text/html"] + (f"<div>{html.muted(note)}</div>" if note else "")}


def plot_alt(what: str, runs: RunSet) -> str:
    """Return what a plot shows, for those who don't see it."""
    counts = ", ".join(f"{number:,} {cell_label(status)}" for status, number in runs.counts.items())
    return f"{what} of {counted(len(runs), 'run')}: {counts}"
