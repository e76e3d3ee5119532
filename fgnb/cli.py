"""The command line: run and list workflows, check and deploy definitions, serve the embedded service, show a demo."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fgnb import __version__
from fgnb.errors import ConfigError, FgnbError, FgnbWarning, RunInterrupted

if TYPE_CHECKING:
    from fgnb.deployment import Deployment
    from fgnb.local.loading import CheckedFile
    from fgnb.session import Session

INTERRUPTED = 130  # exit code, as of a shell


class _Group(click.Group):
    """Shows fgnb's own errors as one message without a traceback; exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except FgnbError as error:
            click.echo(f"fgnb: {error}", err=True)
            ctx.exit(2)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *more: Any, **named: Any
) -> None:
    ours = issubclass(category, FgnbWarning)
    text = f"fgnb: warning: {message}\n" if ours else warnings.formatwarning(message, category, filename, lineno)
    click.echo(text, err=True, nl=False)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fgnb")
def main() -> None:
    """Run FunctionGraph express workflows.

    Where: --endpoint, --region or --profile; FGNB_ENDPOINT or FGNB_PROFILE; the profile 'default' of
    the nearest fgnb.toml; the cloud, if there are credentials and FGNB_REGION. Else the embedded
    service of fgnb runs them, which has a few sample workflows: fgnb workflows.
    """


def _connection(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where to connect, as one argument `where` for `_connected`."""

    @click.option("--endpoint", metavar="URL", help="A compatible service, or 'local'; default FGNB_ENDPOINT.")
    @click.option("--profile", metavar="NAME", help="A profile of fgnb.toml; default FGNB_PROFILE, else 'default'.")
    @click.option("--region", metavar="ID", help="A region of Huawei Cloud; default FGNB_REGION.")
    @functools.wraps(command)
    def with_where(*args: Any, endpoint: str | None, profile: str | None, region: str | None, **kwargs: Any) -> None:
        command(*args, where={"target": endpoint, "profile": profile, "region": region}, **kwargs)

    return with_where


def _connected(where: dict[str, str | None]) -> contextlib.closing[Session]:
    from fgnb.shortcuts import connect

    return contextlib.closing(connect(where["target"], profile=where["profile"], region=where["region"]))


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@main.command()
@click.argument("workflow")
@click.option(
    "-i", "--input", "source", metavar="JSON|@FILE", default="{}", help="The input; a file may be JSON or YAML."
)
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Default 310.")
@_connection
@_as_json
@click.pass_context
def run(
    ctx: click.Context, workflow: str, source: str, timeout: float | None, where: dict[str, str | None], as_json: bool
) -> None:
    """Run WORKFLOW and show the result.

    The exit code is 0 if the run succeeded, 1 if it did not, 2 if the command itself is wrong.

    \b
    fgnb run order-triage -i '{"sku": "A-100", "qty": 3}'
    fgnb run order-triage -i @order.yaml --json
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    from fgnb.render.run import card_text

    value = _read_input(source)
    try:
        with _connected(where) as session:
            done = session.run(workflow, value, timeout=timeout, check=False)
    except RunInterrupted as interrupted:
        click.echo(f"fgnb: {interrupted}", err=True)
        ctx.exit(INTERRUPTED)
    click.echo(_run_json(done) if as_json else card_text(done, width=_width()))
    ctx.exit(0 if done.ok else 1)


def _read_input(source: str) -> Any:
    from fgnb import jsontext
    from fgnb.local.loading import read_file

    return read_file(Path(source[1:])) if source.startswith("@") else jsontext.loads(source)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _run_json(done: Any) -> str:
    record = dataclasses.asdict(done)
    del record["raw"]  # the answer as it came holds nothing that the other members do not
    return json.dumps(record, ensure_ascii=False, indent=2, default=lambda time: time.isoformat())


@main.command()
@_connection
@_as_json
def workflows(where: dict[str, str | None], as_json: bool) -> None:
    """List the workflows of the service."""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fgnb.render.text import visible

    with _connected(where) as session:
        found = session.client.list()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
        return
    table = Table("name", "id", "updated", "description", box=None, pad_edge=False)
    for workflow in found:
        cells = (workflow.name, workflow.id, workflow.updated_time or "", workflow.description or "")
        table.add_row(*(Text(visible(cell)) for cell in cells))
    # What goes into a file or another program is not cut to some width.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


_files = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@main.command()
@_files
@_as_json
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check the workflow definition in each FILE (YAML or JSON); nothing is sent.

    Every problem is named with its line, its state and its JSONPath. The exit code is 0 if all are
    valid, 1 if one is not, 2 if the command itself is wrong.
    """
    from fgnb.local.loading import check_file

    checked = [check_file(file) for file in files]
    if as_json:
        click.echo(json.dumps([_file_record(file) for file in checked], ensure_ascii=False, indent=2))
    else:
        _warn(checked)
        for file in checked:
            _echo_lines(file.located(problem) for problem in file.problems)
            if file.definition is not None:
                click.echo(f"{file.path}: workflow '{file.definition['name']}' is valid")
    ctx.exit(1 if any(file.problems for file in checked) else 0)


def _warn(checked: list[CheckedFile]) -> None:
    for file in checked:
        _echo_lines((file.located(finding, "warning: ") for finding in file.warnings), err=True)


def _echo_lines(lines: Iterable[str], *, err: bool = False) -> None:
    from fgnb.render.text import one_line

    for line in lines:
        click.echo(one_line(line), err=err)


def _file_record(file: CheckedFile) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "name": file.definition["name"] if file.definition is not None else None,
        "valid": file.definition is not None,
        "problems": [dataclasses.asdict(finding) for finding in file.problems],
        "warnings": [dataclasses.asdict(finding) for finding in file.warnings],
    }


@main.command()
@_files
@click.option("--dry-run", is_flag=True, help="Send nothing, show what would change.")
@_connection
@_as_json
@click.pass_context
def deploy(
    ctx: click.Context, files: tuple[Path, ...], dry_run: bool, where: dict[str, str | None], as_json: bool
) -> None:
    """Create or update the workflow in each FILE (YAML or JSON), by its name.

    All files are checked before the first is sent, and a workflow that has not changed is left alone.
    The exit code is 0 if all are deployed (or shown), 1 if a file is not valid or the service refuses
    it, which ends the command, 2 if the command itself is wrong.

    \b
    fgnb deploy definitions/*.yaml --endpoint http://127.0.0.1:9000 --dry-run
    """  # noqa: D301
    from fgnb.local.loading import check_files
    from fgnb.render.deployment import show

    checked = check_files(files)
    _warn(checked)
    _echo_lines((file.located(problem) for file in checked for problem in file.problems), err=True)
    valid = [(file.path, file.definition) for file in checked if file.definition is not None]
    if len(valid) < len(checked):
        ctx.exit(1)
    records = []
    with _connected(where) as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said above, with their lines
        for path, definition in valid:
            try:
                done = session.deploy(definition, dry_run=dry_run)
            except FgnbError as error:
                click.echo(f"fgnb: {path}: {error}", err=True)
                break
            records.append({"file": str(path), **_deployment_record(done)})
            if not as_json:
                click.echo(show(done)["text/plain"])
    if as_json:
        click.echo(json.dumps(records, ensure_ascii=False, indent=2))
    if session.settings.is_local and not dry_run:
        click.echo("fgnb: the embedded service ends with this command; --endpoint names one that stays", err=True)
    ctx.exit(0 if len(records) == len(valid) else 1)


def _deployment_record(done: Deployment) -> dict[str, Any]:
    changes = []
    for change in done.changes:
        record = {"path": change.path, "kind": change.kind}
        if change.kind != "added":  # what is not there is left out, since null is a value
            record["before"] = change.before
        if change.kind != "removed":
            record["after"] = change.after
        changes.append(record)
    head = {"name": done.name, "id": done.id, "action": done.action, "dry_run": done.dry_run}
    return head | {"changes": changes, "reordered": list(done.reordered)}


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address; others need --ak.")
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
@click.option(
    "--isolation",
    type=click.Choice(["thread", "process"]),
    default="thread",
    show_default=True,
    help="Where functions run: a process can be ended, whatever its function does.",
)
@click.option("--ak", metavar="KEY", help="Accept only requests signed with this access key.")
@click.option(
    "--sk",
    metavar="SECRET",
    envvar="FGNB_SERVE_SK",
    help="Its secret key; FGNB_SERVE_SK keeps it out of the list of processes, else it is asked for.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Decides an open point otherwise; see help(fgnb.Options).",
)
def serve(
    host: str,
    port: int,
    functions: tuple[str, ...],
    folder: str | None,
    limit: float,
    isolation: Literal["thread", "process"],
    ak: str | None,
    sk: str | None,
    options: tuple[str, ...],
) -> None:
    """Serve the embedded service on this machine, for fgnb, the official SDKs and other programs.

    \b
    fgnb serve --port 9000 --functions orders.py --workflows definitions/
    fgnb serve --host 0.0.0.0 --ak team --isolation process
    fgnb serve --option unresolved=null --option max_depth=3
    """  # noqa: D301
    from fgnb.local import server
    from fgnb.local.loading import load_definitions, load_functions
    from fgnb.local.options import read_options
    from fgnb.local.service import Service

    if sk is not None and ak is None:
        raise ConfigError(
            "a secret key (--sk or FGNB_SERVE_SK) protects nothing without its access key: give --ak, too"
        )
    if ak is not None and sk is None:
        sk = click.prompt("secret key", hide_input=True, err=True)
    chosen = read_options(dict(_pair(option) for option in options))
    for source in functions:
        load_functions(source)
    service = Service(
        limit=limit,
        definitions=load_definitions(folder) if folder else (),
        keys={ak: sk or ""} if ak is not None else None,
        options=chosen,
        isolation=isolation,
        traces=0,
    )
    for workflow, missing in service.missing_functions().items():
        names = ", ".join(f"'{name}'" for name in missing)
        click.echo(f"fgnb: workflow '{workflow}' calls {names}, which no --functions registers", err=True)
    with contextlib.suppress(KeyboardInterrupt):  # that is how it is meant to end
        server.serve(service, host=host, port=port, ready=lambda url: click.echo(f"fgnb serves at {url}"))


def _pair(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals:
        raise ConfigError(f"an option is written NAME=VALUE, not '{option}'")
    return name.strip(), value.strip()


@main.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show the main job in a terminal: cells that run a workflow, and their DataFrames."""
    from fgnb.notebook.demo import play

    ctx.exit(0 if play() else 1)
