"""FunctionGraph express workflows in Jupyter: cells and forms run them, DataFrames hold the results.

In a notebook, where ``%fgworkflow -h`` tells the options::

    %load_ext fgnb

    %%fgworkflow order-triage -o run
    sku: A-100
    qty: {{ n }}

The same in Python, on the embedded service, which needs no account::

    import fgnb
    fgnb.connect("local")                             # or region="cn-north-4", profile="prod", a URL
    run = fgnb.run("order-triage", {"sku": "A-100", "qty": 3})
    run.status, run.output, run.frame, run.errors     # the run, and DataFrames
    runs = fgnb.sweep("order-triage", {"sku": ["A-100", "B-7"], "qty": range(1, 50)})
    runs.frame, runs.errors, runs.summary(), runs.graph(), runs.plot.elapsed()

Where it stands:

- Connecting: `connect`, `Session`, `AccessKey`, `IamToken`, `Secret`
- Running: `run`, `arun`, `submit`, `form`, `sweep`; `Run`, `NodeError`, `PendingRun`, `Job`, `RunSet`, `Preview`
- Afterwards: `history`, `explore`, `read_runs`, `compare`, `Comparison`, `RunComparison`, `SetComparison`, `trace`,
  `Trace`, `Graph`
- Workflows: `workflows`, `workflow`, `Workflow`, `validate`, `deploy`, `Deployment`, `Change`, `function`, `Options`
- Errors: ``help("fgnb.errors")`` shows the tree; every one says what happened, where, and what to do next.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fgnb.wiring import call as _call
from fgnb.wiring import hooks as _hooks

if TYPE_CHECKING:
    from fgnb.client.credentials import AccessKey, IamToken
    from fgnb.deployment import Change, Deployment, Workflow
    from fgnb.errors import (
        AccessKeyLocked,
        AccessKeyUnknown,
        AnswerLost,
        AuthenticationFailed,
        ClockSkewed,
        ConfigError,
        ConfigWarning,
        ConnectionFailed,
        DefinitionError,
        FgnbError,
        FgnbWarning,
        GatewayTimeout,
        HistoryError,
        HistoryWarning,
        InputError,
        InvalidRequest,
        NotSent,
        OutcomeUnknown,
        PermissionDenied,
        RateLimited,
        RequestRejected,
        RequestTooLarge,
        ResourceNotFound,
        RunCancelled,
        RunError,
        RunInterrupted,
        SecurityWarning,
        ServerFault,
        ServiceError,
        ServiceUnavailable,
        SignatureRejected,
        SweepInterrupted,
        SweepStopped,
        TokenRejected,
        WorkflowFailed,
        WorkflowNotFound,
        WorkflowTimedOut,
    )
    from fgnb.local.functions import function
    from fgnb.local.loading import validate
    from fgnb.local.options import Options
    from fgnb.render.graph import Graph
    from fgnb.runs.compare import Comparison, RunComparison, compare
    from fgnb.runs.compare_sets import SetComparison
    from fgnb.runs.files import read_runs
    from fgnb.runs.job import Job
    from fgnb.runs.pending import PendingRun
    from fgnb.runs.preview import Preview
    from fgnb.runs.run import NodeError, Run
    from fgnb.runs.runset import RunSet
    from fgnb.runs.trace import Trace
    from fgnb.secret import Secret
    from fgnb.session import Session
    from fgnb.shortcuts import (
        arun,
        connect,
        deploy,
        explore,
        form,
        history,
        run,
        submit,
        sweep,
        trace,
        workflow,
        workflows,
    )

__version__ = "0.1.0"

__all__ = [
    "AccessKey",
    "AccessKeyLocked",
    "AccessKeyUnknown",
    "AnswerLost",
    "AuthenticationFailed",
    "Change",
    "ClockSkewed",
    "Comparison",
    "ConfigError",
    "ConfigWarning",
    "ConnectionFailed",
    "DefinitionError",
    "Deployment",
    "FgnbError",
    "FgnbWarning",
    "GatewayTimeout",
    "Graph",
    "HistoryError",
    "HistoryWarning",
    "IamToken",
    "InputError",
    "InvalidRequest",
    "Job",
    "NodeError",
    "NotSent",
    "Options",
    "OutcomeUnknown",
    "PendingRun",
    "PermissionDenied",
    "Preview",
    "RateLimited",
    "RequestRejected",
    "RequestTooLarge",
    "ResourceNotFound",
    "Run",
    "RunCancelled",
    "RunComparison",
    "RunError",
    "RunInterrupted",
    "RunSet",
    "Secret",
    "SecurityWarning",
    "ServerFault",
    "ServiceError",
    "ServiceUnavailable",
    "Session",
    "SetComparison",
    "SignatureRejected",
    "SweepInterrupted",
    "SweepStopped",
    "TokenRejected",
    "Trace",
    "Workflow",
    "WorkflowFailed",
    "WorkflowNotFound",
    "WorkflowTimedOut",
    "arun",
    "compare",
    "connect",
    "deploy",
    "explore",
    "form",
    "function",
    "history",
    "read_runs",
    "run",
    "submit",
    "sweep",
    "trace",
    "validate",
    "workflow",
    "workflows",
]

# Everything is imported at first use: `import fgnb` and `%load_ext fgnb` cost next to nothing.
_HOMES = {
    "AccessKey": "fgnb.client.credentials",
    "IamToken": "fgnb.client.credentials",
    "Secret": "fgnb.secret",
    "Change": "fgnb.deployment",
    "Comparison": "fgnb.runs.compare",
    "RunComparison": "fgnb.runs.compare",
    "SetComparison": "fgnb.runs.compare_sets",
    "Deployment": "fgnb.deployment",
    "NodeError": "fgnb.runs.run",
    "PendingRun": "fgnb.runs.pending",
    "Preview": "fgnb.runs.preview",
    "Run": "fgnb.runs.run",
    "Options": "fgnb.local.options",
    "RunSet": "fgnb.runs.runset",
    "Trace": "fgnb.runs.trace",
    "Graph": "fgnb.render.graph",
    "Workflow": "fgnb.deployment",
    "function": "fgnb.local.functions",
    "validate": "fgnb.local.loading",
    "Session": "fgnb.session",
    **dict.fromkeys(
        [
            "arun",
            "connect",
            "deploy",
            "explore",
            "form",
            "history",
            "run",
            "submit",
            "sweep",
            "trace",
            "workflow",
            "workflows",
        ],
        "fgnb.shortcuts",
    ),
    "compare": "fgnb.runs.compare",
    "Job": "fgnb.runs.job",
    "read_runs": "fgnb.runs.files",
}

_hooks.update(
    {
        "show Run": "fgnb.render.run:show",
        "show RunSet": "fgnb.render.runset:show",
        "show RunComparison": "fgnb.render.comparison:show",
        "show SetComparison": "fgnb.render.set_comparison:show",
        "show Trace": "fgnb.render.trace:show",
        "show Workflow": "fgnb.render.workflow:show",
        "show Deployment": "fgnb.render.deployment:show",
        "show Graph": "fgnb.render.graph:show",
        "graph of definition": "fgnb.render.graph:graph_of",
        "graph of run": "fgnb.render.graph:graph_of_run",
        "graph of runs": "fgnb.render.graph:graph_of_runs",
        "definition of": "fgnb.shortcuts:definition_of",
        "trace of": "fgnb.shortcuts:trace_of",
        "frame Deployment": "fgnb.render.deployment:frame",
        "show Job": "fgnb.render.progress:show_job",
        "show PendingRun": "fgnb.render.waiting:show_pending",
        "show Preview": "fgnb.render.preview:show",
        "known definition": "fgnb.shortcuts:known_definition",
        "show live": "fgnb.notebook.progress:show_live",
        "plots": "fgnb.render.plots:Plots",
        "progress": "fgnb.notebook.progress:open_display",
        "connect worker": "fgnb.connection:connect_worker",
        "find runs": "fgnb.shortcuts:find_runs",
        "form": "fgnb.notebook.form:Form",
        "explore": "fgnb.notebook.explore:Explorer",
        "cell name": "fgnb.notebook.cellname:cell_name",
        "load extension": "fgnb.notebook.magics:load",
        "unload extension": "fgnb.notebook.magics:unload",
    }
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fgnb' has no attribute '{name}'")
    value = getattr(import_module(_HOMES.get(name, "fgnb.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def load_ipython_extension(shell: Any) -> None:
    """Make ``%load_ext fgnb`` register the magics; called by IPython."""
    _call("load extension", shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again; called by IPython for ``%unload_ext fgnb``."""
    _call("unload extension", shell)
