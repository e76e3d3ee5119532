"""The commands about definitions: list workflows, check files, deploy them."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fgnb.cli.group import Where, as_json_option, connected, connection, print_table
from fgnb.errors import FgnbError

if TYPE_CHECKING:
    from fgnb.deployment import Deployment
    from fgnb.local.loading import CheckedFile


@click.command(short_help="List the workflows.")
@connection
@as_json_option
def workflows(where: Where, as_json: bool) -> None:
    """List the workflows of the service."""
    import msgspec

    with connected(where, quiet=as_json) as session:
        found = session.client.list()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
        return
    rows = [(each.name, each.id, each.updated_time or "", each.description or "") for each in found]
    print_table(("name", "id", "updated", "description"), rows)


_files = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.command(short_help="Check workflow definitions.")
@_files
@as_json_option
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


@click.command(short_help="Create or update workflows.")
@_files
@click.option("--dry-run", is_flag=True, help="Send nothing, show what would change.")
@connection
@as_json_option
@click.pass_context
def deploy(ctx: click.Context, files: tuple[Path, ...], dry_run: bool, where: Where, as_json: bool) -> None:
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
    with connected(where, quiet=as_json) as session, warnings.catch_warnings():
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
