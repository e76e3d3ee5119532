"""The commands about runs that are there already: history, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fgnb.cli.completing import workflows
from fgnb.cli.group import as_json_option, print_table
from fgnb.counted import counted
from fgnb.errors import HistoryError, InputError

if TYPE_CHECKING:
    from fgnb.runs.history import History
    from fgnb.runs.run import Run
    from fgnb.runs.runset import RunSet

SHOWN = 20


@click.command(short_help="Show, export, import or delete the runs that were recorded.")
@click.argument("workflow", required=False, shell_complete=workflows)
@click.option("--status", multiple=True, metavar="STATUS", help="Only runs of this status; may be repeated.")
@click.option("--since", metavar="TIME", help="Only runs since a time, or so long ago: 2026-11-24, 90s, 2h, 7d.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Only runs with this tag; may be repeated.")
@click.option("--name", metavar="NAME", help="Only the sweep of this name, the latest run of each input.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help=f"Only the newest N; {SHOWN} if they are shown.")
@click.option("-o", "--output", metavar="FILE", help="Write the runs to FILE: .parquet, .jsonl or .jsonl.gz.")
@click.option("--import", "source", metavar="FILE", help="Add the runs of FILE, but for those that are there.")
@click.option("--prune", metavar="AGE", help="Delete runs that ended longer ago than AGE, such as 90d.")
@as_json_option
def history(
    workflow: str | None, status: tuple[str, ...], since: str | None, tags: tuple[str, ...], name: str | None,
    limit: int | None, output: str | None, source: str | None, prune: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the runs of the history, oldest first: all of them, or those of WORKFLOW.

    It is the file that FGNB_HISTORY names, else one in your data folder. --json prints a run per line.

    \b
    fgnb history order-triage --status fail --since 7d
    fgnb history --name march -o march.parquet
    fgnb history --import march.parquet
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb import jsontext
    from fgnb.cli.tables import json_or_text
    from fgnb.runs.files import check_name, iter_runs, write_runs
    from fgnb.runs.record import record_of

    kept = _history()
    if source is not None:
        click.echo(f"{counted(kept.add(iter_runs(source)), 'run')} added to {kept.path}")
        return
    if prune is not None:
        click.echo(f"{counted(kept.prune(max_age=_age(prune)), 'run')} deleted from {kept.path}")
        return
    if output is not None:
        check_name(output)
    shortened = output is None and not as_json and limit is None
    chosen = {name: json_or_text(value) for name, _, value in (text.partition("=") for text in tags)}
    most = SHOWN + 1 if shortened else limit  # one more, which tells that there are more
    runs = kept.select(workflow, status=list(status) or None, since=since, tags=chosen or None, name=name, limit=most)
    if output is not None:
        write_runs(runs, output)
        click.echo(f"{output} has {counted(len(runs), 'run')}")
    elif as_json:
        for run in runs:
            click.echo(jsontext.dumps(record_of(run)))
    elif shortened and len(runs) > SHOWN:
        _show(runs[-SHOWN:])
        click.echo(f"The newest {SHOWN}; there are more: --limit N, or -o FILE for all.")
    else:
        _show(runs)


def _history() -> History:
    from fgnb.runs.keeping import history_at

    kept = history_at()
    if kept is None:
        raise HistoryError("the history is off: FGNB_HISTORY says so")
    return kept


def _age(text: str) -> float:
    from datetime import UTC, datetime

    from fgnb.runs.query import moment

    return (datetime.now(UTC) - moment(text)).total_seconds()


def _show(runs: RunSet) -> None:
    from fgnb.render.runset import cells_of

    if not runs:
        click.echo("no runs")
        return
    rows = []
    for run in runs:
        run_id, *rest = cells_of(run)
        rows.append((f"{run.submitted_at.astimezone():%Y-%m-%d %H:%M:%S}", run_id, *rest))
    heads = ("submitted", "run", "workflow", "status", "elapsed", "input", "output or error")
    print_table(heads, rows, one_line=True)


@click.command(short_help="Tell what differs between two sets of runs.")
@click.argument("before")
@click.argument("after")
@click.option("--ignore", multiple=True, metavar="PATH", help="Leave a path out, with all below; may be repeated.")
@click.option("--rtol", type=float, default=0.0, help="Numbers may differ by this share of the larger one.")
@click.option("--atol", type=float, default=0.0, help="Numbers may differ by this much.")
@click.option("--key", "keys", multiple=True, metavar="PATH=MEMBER", help="Match a list's items by a member.")
@click.option("--on", multiple=True, metavar="PATH", help="Match by this path of the inputs; may be repeated.")
@as_json_option
@click.pass_context
def compare(
    ctx: click.Context, before: str, after: str, ignore: tuple[str, ...], rtol: float, atol: float,
    keys: tuple[str, ...], on: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Compare BEFORE with AFTER, matched by input: did the new version change anything?

    Each is a file of runs (.parquet, .jsonl), the name of a sweep in the history, or the id of a run.
    The exit code is 0 if each run has its counterpart and nothing changed, else 1; 2 if the command itself
    is wrong.

    \b
    fgnb compare march.parquet april.parquet --ignore output.trace_id
    fgnb compare march april --key output.items=sku --json
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb.runs.compare import compare as compared
    from fgnb.runs.compare_sets import SetComparison

    by_key = dict(_pair(text) for text in keys)
    comparison = compared(_given(before), _given(after), ignore=ignore, rtol=rtol, atol=atol, key=by_key, on=on or None)
    differs = len(comparison) > 0
    if isinstance(comparison, SetComparison):  # two files of which one was cut off must not look the same
        differs = differs or comparison.counts["unmatched"] > 0 or not comparison.counts["pairs"]
    click.echo(_json(comparison) if as_json else comparison._repr_mimebundle_()["text/plain"])
    ctx.exit(1 if differs else 0)


def _pair(text: str) -> tuple[str, str]:
    path, found, member = text.partition("=")
    if not found:
        raise click.BadParameter(f"a list and a member of its items, such as output.items=sku, not {text}")
    return path, member


def _given(text: str) -> Run | RunSet:
    from fgnb.runs.files import read_runs

    if Path(text).exists():
        return read_runs(text)
    kept = _history()
    found = kept.find([text])
    try:
        return found[0] if found else kept.select(name=text)
    except InputError:
        raise InputError(f"'{text}' is no file, no run and no sweep of the history {kept.path}") from None


def _json(comparison: Any) -> str:
    from fgnb import jsontext
    from fgnb.runs.compare import RunComparison
    from fgnb.runs.differences import MISSING

    def side(name: str, value: Any) -> dict[str, Any]:
        return {} if value is MISSING else {name: value}  # missing is not null

    if isinstance(comparison, RunComparison):
        rows = [
            {"path": path, **side("before", one), **side("after", other)}
            for path, (one, other) in comparison.rows.items()
        ]
        return jsontext.dumps({"changes": rows}).decode()
    rows = [
        {
            "input_key": comparison.key_of(change.pair), "path": change.path, "kind": change.kind,
            **side("before", change.before), **side("after", change.after),
        }
        for change in comparison.differences
    ]  # fmt: skip
    return jsontext.dumps({"counts": comparison.counts, "changes": rows}).decode()
