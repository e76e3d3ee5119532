"""The command line's group of commands, and what several of them share: where to connect, how to show errors."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from fgnb import __version__
from fgnb.cli.completing import profile_names
from fgnb.errors import ConfigError, FgnbError, FgnbWarning

if TYPE_CHECKING:
    from fgnb.session import Session

Where = dict[str, str | None]
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
    service of fgnb runs them, which has a few sample workflows: fgnb workflows. Where that led to is
    said on the standard error, but with --json.

    Exit codes: 0 if all is well; 1 if a run did not succeed, a file is not valid, or a comparison
    found a difference; 2 if the command could not be carried out, for its options, its settings, or
    a service that refused or did not answer; 130 after an interrupt.
    """


def connection(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where to connect, as one argument `where` for `connected`."""

    @click.option("--endpoint", metavar="URL", help="A compatible service, or 'local'; default FGNB_ENDPOINT.")
    @click.option(
        "--profile",
        metavar="NAME",
        shell_complete=profile_names,
        help="A profile of fgnb.toml; default FGNB_PROFILE, else 'default'.",
    )
    @click.option("--region", metavar="ID", help="A region of Huawei Cloud; default FGNB_REGION.")
    @click.option("--project-id", metavar="ID", help="A project there; default HUAWEICLOUD_SDK_PROJECT_ID, else IAM's.")
    @functools.wraps(command)
    def with_where(
        *args: Any, endpoint: str | None, profile: str | None, region: str | None, project_id: str | None, **kwargs: Any
    ) -> None:
        where = {"target": endpoint, "profile": profile, "region": region, "project_id": project_id}
        command(*args, where=where, **kwargs)

    return with_where


def connected(where: Where, *, quiet: bool) -> Session:
    """Return a session as those options say, which its ``with`` closes; unless `quiet`, say which service it is."""
    from fgnb.config import GIVEN
    from fgnb.shortcuts import connect

    given = "given on the command line"
    try:
        session = connect(
            where["target"], profile=where["profile"], region=where["region"], project_id=where["project_id"]
        )
    except ConfigError as error:  # which was written for who called connect()
        raise ConfigError(str(error).replace(GIVEN, given)) from None
    if not quiet:
        endpoint = session.settings.endpoint
        service = "the embedded service" if session.settings.is_local else endpoint.value
        click.echo(f"fgnb: at {service} ({endpoint.origin.replace(GIVEN, given)})", err=True)
    return session


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, one_line: bool = False) -> None:
    """Print texts as a table, control characters visible; `one_line` cuts cells for which there is no room."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fgnb.visible import visible

    table = Table(*heads, box=None, pad_edge=False)
    overflow: Literal["ellipsis"] | None = "ellipsis" if one_line else None
    for row in rows:
        table.add_row(*(Text(visible(cell), overflow=overflow, no_wrap=one_line) for cell in row))
    # What goes into a file or another program is not cut to some width, nor does it get escape sequences,
    # whatever FORCE_COLOR says: a kernel sets it for all that it starts.
    is_terminal = sys.stdout.isatty()
    Console(width=None if is_terminal else 1000, force_terminal=is_terminal).print(table)
