"""The command line: run workflows, check and deploy definitions, serve the embedded service, show a demo."""

from fgnb.cli import definitions, runs, serving
from fgnb.cli.group import main

__all__ = ["main"]

for _command in (
    runs.run,
    definitions.workflows,
    definitions.validate,
    definitions.deploy,
    serving.serve,
    serving.demo,
):
    main.add_command(_command)
