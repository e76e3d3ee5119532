"""The commands about runs: run, and its results as text or JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from fgnb.cli.completing import workflows
from fgnb.cli.group import INTERRUPTED, Where, as_json_option, connected, connection
from fgnb.errors import InputError, RunInterrupted


@click.command(short_help="Run a workflow and show the result.")
@click.argument("workflow", shell_complete=workflows)
@click.option(
    "-i", "--input", "source", metavar="JSON|@FILE", default="{}",
    help="The input; a file may be JSON or YAML, and @- is what comes in.",
)  # fmt: skip
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Default 310.")
@connection
@as_json_option
@click.pass_context
def run(ctx: click.Context, workflow: str, source: str, timeout: float | None, where: Where, as_json: bool) -> None:
    """Run WORKFLOW and show the result.

    The exit code is 0 if the run succeeded, 1 if it did not, 2 if the command itself is wrong.

    \b
    fgnb run order-triage -i '{"sku": "A-100", "qty": 3}'
    fgnb run order-triage -i @order.yaml --json
    jq .order export.json | fgnb run order-triage -i @-
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb.render.run import card_text

    value = _read_input(source)
    try:
        with connected(where, quiet=as_json) as session:
            done = session.run(workflow, value, timeout=timeout, check=False)
    except RunInterrupted as interrupted:
        click.echo(f"fgnb: {interrupted}", err=True)
        ctx.exit(INTERRUPTED)
    click.echo(_run_json(done) if as_json else card_text(done, width=_width()))
    ctx.exit(0 if done.ok else 1)


def _read_input(source: str) -> Any:
    from fgnb import jsontext
    from fgnb.local.loading import read_file, read_text

    if source == "@-":
        with click.open_file("-", encoding="utf-8") as stream:
            return read_text(stream.read(), "what came in")
    if source.startswith("@"):
        return read_file(Path(source[1:]))
    try:
        return jsontext.loads(source)
    except InputError as error:
        if source == "-" or Path(source).is_file():
            raise InputError(f"{error}\nTo read it from there: -i @{source}") from None
        raise


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _run_json(done: Any) -> str:
    record = dataclasses.asdict(done)
    del record["raw"]  # the answer as it came holds nothing that the other members do not
    return json.dumps(record, ensure_ascii=False, indent=2, default=lambda time: time.isoformat())
