"""The command that runs a workflow over a file of inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fgnb.cli.completing import workflows
from fgnb.cli.group import INTERRUPTED, Where, as_json_option, connected, connection
from fgnb.counted import counted
from fgnb.errors import SweepStopped

if TYPE_CHECKING:
    from fgnb.runs.job import Job
    from fgnb.runs.runset import RunSet

DISPLAY = 0.25  # seconds between two updates of what is shown


@click.command(short_help="Run a workflow over each input in a file.")
@click.argument("workflow", shell_complete=workflows)
@click.argument("inputs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", metavar="FILE", help="Write the runs to FILE: .parquet, .jsonl or .jsonl.gz.")
@click.option("-c", "--concurrency", type=int, default=32, show_default=True, metavar="N", help="Runs at once.")
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Default 310.")
@click.option("--name", metavar="NAME", help="Name the sweep in the history, to go on with it.")
@click.option("--resume", is_flag=True, help="Go on with the sweep of this name: send what has no final record.")
@click.option("--retry-unknown", is_flag=True, help="With --resume: send again what may have run.")
@connection
@as_json_option
@click.pass_context
def sweep(
    ctx: click.Context, workflow: str, inputs: Path, output: str | None, concurrency: int, timeout: float | None,
    name: str | None, resume: bool, retry_unknown: bool, where: Where, as_json: bool,
) -> None:  # fmt: skip
    """Run WORKFLOW over each input in INPUTS, a .csv or .jsonl file.

    A CSV file's columns are keys, or paths such as order.qty. A cell is what it is as JSON, such as 5,
    true or "5", else text; an empty one is left out. The runs go to FILE in the order of the inputs.

    The exit code is 0 if all runs succeeded, 1 if one did not, 2 if the command itself is wrong, 130
    after an interrupt, when FILE has the runs that there are.

    \b
    fgnb sweep order-triage orders.csv -o runs.parquet
    fgnb sweep order-triage orders.jsonl -o runs.jsonl --name march --resume
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb.cli.tables import inputs_in
    from fgnb.render.progress import line
    from fgnb.render.runset import show
    from fgnb.runs.files import check_name, write_runs

    if retry_unknown and not resume:
        raise click.UsageError("--retry-unknown is for --resume")
    if output is not None:
        check_name(output)
    stopped = None
    with connected(where, quiet=as_json) as session:
        job = session.sweep(
            workflow, inputs=inputs_in(inputs), concurrency=concurrency, timeout=timeout, name=name,
            resume="retry-unknown" if retry_unknown else resume, background=True, progress=False,
        )  # fmt: skip
        try:
            runs = _watched(job)
        except SweepStopped as error:
            stopped, runs = error, error.runs
        except KeyboardInterrupt:
            job.cancel(drop=True)
            runs = job.wait()
        if output is not None:
            write_runs(runs, output)
        progress = job.progress
    if as_json:
        told = {"runs": len(runs), "counts": runs.counts, "elapsed": progress.elapsed, "output": output}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        click.echo(line(progress))
        if len(runs) and runs.counts.get("success", 0) < len(runs):
            click.echo("Those that did not succeed:")
            failed = runs.filter(lambda run: not run.ok)
            click.echo(show(failed, rest=f"all are in {output}" if output else "-o FILE writes all")["text/plain"])
        if output is not None:
            click.echo(f"{output} has {counted(len(runs), 'run')}")
    if stopped is not None:
        raise stopped
    if progress.state == "cancelled":
        ctx.exit(INTERRUPTED)
    ctx.exit(0 if runs.counts.get("success", 0) == len(runs) else 1)


def _watched(job: Job) -> RunSet:
    from fgnb.notebook.progress import open_display

    display = open_display(job.progress)
    try:
        while True:
            try:
                return job.wait(DISPLAY)
            except TimeoutError:
                display.update(job.progress)
    finally:
        display.close(job.progress)
