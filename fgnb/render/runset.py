"""A set of runs at the end of a cell: counts, the first rows and the last, not a wall."""

from __future__ import annotations

from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.listing import Table, listing
from fgnb.render.messages import message_line
from fgnb.render.run import elapsed_text
from fgnb.render.text import cut, one_line
from fgnb.render.value import compact
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet

ROWS = 10
_HEAD = ("run_id", "workflow", "status", "elapsed", "input", "output or error")
_GAP = ("…", *[""] * (len(_HEAD) - 1))


def show(runs: RunSet, rows: int = ROWS, *, rest: str = "see .frame") -> dict[str, str]:
    """Return the set as a MIME bundle, with so many `rows`: of more runs, the first and the last.

    `rest` says where those are that it does not show.
    """
    if not len(runs):
        return listing("no runs")
    counts = ", ".join(f"{count:,} {status}" for status, count in runs.counts.items())
    names = runs.workflows
    single = len(names) == 1  # and then not repeated in each row
    title = f"{counted(len(runs), 'run')}{f' of {names[0]}' if single else ''}: {counts}"
    cut_at = len(runs) if len(runs) <= rows else rows // 2
    told = [cells_of(run) for run in runs[:cut_at]]
    if cut_at < len(runs):
        told += [_GAP, *(cells_of(run) for run in runs[cut_at - rows :])]
    cells = [
        (
            html.one_line(run_id, html.MUTED),
            html.one_line(workflow),
            html.status(status) if status else "",
            *map(html.one_line, others),
        )
        for run_id, workflow, status, *others in told
    ]
    more = f"… {len(runs) - rows:,} more; {rest}" if len(runs) > rows else ""
    kept = [number for number, name in enumerate(_HEAD) if not (single and name == "workflow")]
    head, rows_kept, cells_kept = ([[row[n] for n in kept] for row in each] for each in ([_HEAD], told, cells))
    quantiles = ", ".join(f"{name} {elapsed_text(value)}" for name, value in runs.timing.items())
    table = Table(head=head[0], rows=rows_kept, cells=cells_kept, more=more)
    return listing(title, table, notes=[f"elapsed: {quantiles}"])


def cells_of(run: Run) -> tuple[str, ...]:
    """Return a run as cells of text: id, workflow, status, elapsed, input, output or error."""
    if run.ok:
        result = compact(run.output, 60)
    elif run.node_errors:
        error = run.node_errors[0]
        result = cut(f"{one_line(error.node_id)}: {message_line(error.error_message)}", 60)
    else:
        result = message_line(run.reason or "", 60)
    return run.run_id, run.workflow, run.status, elapsed_text(run.elapsed), compact(run.input, 40), result
