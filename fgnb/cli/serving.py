"""The commands that serve the embedded service and show a demo."""

from __future__ import annotations

import contextlib
from typing import Literal

import click

from fgnb.errors import ConfigError


@click.command(short_help="Serve the embedded service to other programs.")
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


@click.command(short_help="Show the main job in a terminal.")
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show the main job in a terminal: cells that run a workflow, and their DataFrames."""
    from fgnb.notebook.demo import play

    ctx.exit(0 if play() else 1)
