"""The command line: run workflows, look at what they did, check and deploy definitions, serve the embedded service."""

from fgnb.cli import completing, definitions, kept, runs, serving, sweeps
from fgnb.cli.group import main

__all__ = ["main"]

for _command in (
    runs.run,
    sweeps.sweep,
    kept.history,
    kept.compare,
    definitions.workflows,
    definitions.validate,
    definitions.deploy,
    serving.serve,
    serving.demo,
    completing.completion,
):
    main.add_command(_command)
