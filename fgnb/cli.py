"""The command line: run a workflow, list workflows, serve the embedded service, show a demo."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from fgnb import __version__
from fgnb.errors import FgnbError, InputError, RunInterrupted

INTERRUPTED = 130  # exit code, as of a shell


class _Group(click.Group):
    """Shows fgnb's own errors as one message without a traceback; exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FgnbError as error:
            click.echo(f"fgnb: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fgnb")
def main() -> None:
    """Run FunctionGraph express workflows.

    Without --endpoint and FGNB_ENDPOINT, the embedded service of fgnb runs them, which has a few
    sample workflows: fgnb workflows.
    """


_endpoint = click.option(
    "--endpoint", metavar="URL", help="A compatible service; default FGNB_ENDPOINT, else embedded."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@main.command()
@click.argument("workflow")
@click.option(
    "-i", "--input", "source", metavar="JSON|@FILE", default="{}", help="The input; a file may be JSON or YAML."
)
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Default 310.")
@_endpoint
@_as_json
@click.pass_context
def run(
    ctx: click.Context, workflow: str, source: str, timeout: float | None, endpoint: str | None, as_json: bool
) -> None:
    """Run WORKFLOW and show the result.

    The exit code is 0 if the run succeeded, 1 if it did not, 2 if the command itself is wrong.

    \b
    fgnb run order-triage -i '{"sku": "A-100", "qty": 3}'
    fgnb run order-triage -i @order.yaml --json
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb.render.run import card_text
    from fgnb.session import connect

    value = _read_input(source)
    try:
        done = connect(endpoint).run(workflow, value, timeout=timeout, check=False)
    except RunInterrupted as interrupted:
        click.echo(f"fgnb: {interrupted}", err=True)
        ctx.exit(INTERRUPTED)
    click.echo(_run_json(done) if as_json else card_text(done, width=_width()))
    ctx.exit(0 if done.ok else 1)


def _read_input(source: str) -> Any:
    from fgnb import jsontext, yamltext

    if not source.startswith("@"):
        return jsontext.loads(source)
    path = Path(source[1:])
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't read {path}: {error}") from None
    return yamltext.loads(text) if path.suffix in (".yaml", ".yml") else jsontext.loads(text)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _run_json(done: Any) -> str:
    record = dataclasses.asdict(done)
    del record["raw"]  # the answer as it came holds nothing that the other members do not
    return json.dumps(record, ensure_ascii=False, indent=2, default=lambda time: time.isoformat())


@main.command()
@_endpoint
@_as_json
def workflows(endpoint: str | None, as_json: bool) -> None:
    """List the workflows of the service."""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fgnb.render.text import visible
    from fgnb.session import connect

    found = connect(endpoint).client.list()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
        return
    table = Table("name", "id", "updated", "description", box=None, pad_edge=False)
    for workflow in found:
        cells = (workflow.name, workflow.id, workflow.updated_time or "", workflow.description or "")
        table.add_row(*(Text(visible(cell)) for cell in cells))
    # What goes into a file or another program is not cut to some width.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--functions", multiple=True, metavar="FILE|MODULE", help="Python with @fgnb.function; repeatable.")
@click.option("--workflows", "folder", metavar="FOLDER", help="Definitions to load: *.yaml, *.yml, *.json.")
@click.option(
    "--limit",
    default=300.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds a run may take.",
)
def serve(host: str, port: int, functions: tuple[str, ...], folder: str | None, limit: float) -> None:
    """Serve the embedded service on this machine, for fgnb, the official SDKs and other programs.

    \b
    fgnb serve --port 9000 --functions orders.py --workflows definitions/
    """  # noqa: D301
    from fgnb.local import server
    from fgnb.local.loading import load_definitions, load_functions
    from fgnb.local.service import Service

    for source in functions:
        load_functions(source)
    service = Service(limit=limit, definitions=load_definitions(folder) if folder else ())
    with contextlib.suppress(KeyboardInterrupt):  # that is how it is meant to end
        server.serve(service, host=host, port=port, ready=lambda url: click.echo(f"fgnb serves at {url}"))


@main.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show the main job in a terminal: cells that run a workflow, and their DataFrames."""
    from fgnb.notebook.demo import play

    ctx.exit(0 if play() else 1)
