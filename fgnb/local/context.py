"""What a handler is told about its call; the getters are named as in the service's Python runtime.

Page 02_0420 of the service's developer guide, and the runtime's own source for the names and defaults.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fgnb.local.ids import new_id

MEMORY = 128  # MB; the smallest size of the service
CPU = 200 + MEMORY // 128 * 100  # millicores, by the runtime's own rule


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """The second argument of every handler.

    `headers` are those of the run; `timeout` is in seconds, `started` on the monotonic clock. There is
    no agency here that could lend credentials: the getters for keys and tokens give empty texts, as in
    the service for a function without one.
    """

    function_name: str
    project_id: str
    workflow_id: str
    execution_id: str
    state_id: str
    timeout: float
    headers: Mapping[str, Any] = field(default_factory=dict)
    user_data: Mapping[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    state: Any = None
    invoke_property: Any = None
    instance_id: str | None = None
    _request_id: str = ""

    # --- the call ---

    def getRequestID(self) -> str:
        """Return the id of this call."""
        self._request_id = self._request_id or new_id()  # made when asked for: few functions ask
        return self._request_id

    def get_invoke_id(self) -> str:
        """Return the id of this call."""
        return self.getRequestID()

    def get_trace_id(self) -> str:
        """Return the id of this call."""
        return self.getRequestID()

    def getRemainingTimeInMilliSeconds(self) -> int:
        """Return how long the function may still run."""
        return max(0, round((self.timeout - (time.monotonic() - self.started)) * 1000))

    def getRunningTimeInSeconds(self) -> float:
        """Return how long the function may run in all: its timeout."""
        return self.timeout

    def getLogger(self) -> logging.Logger:
        """Return the function's logger, ``fgnb.function.<name>``."""
        return logging.getLogger(f"fgnb.function.{self.function_name}")

    # --- the workflow ---

    def getWorkflowID(self) -> str:
        """Return the id of the workflow."""
        return self.workflow_id

    def getWorkflowRunID(self) -> str:
        """Return the id of the execution."""
        return self.execution_id

    def getWorkflowStateID(self) -> str:
        """Return the id of the state that makes this call."""
        return self.state_id

    # --- the function ---

    def getFunctionName(self) -> str:
        """Return the function's name."""
        return self.function_name

    def getProjectID(self) -> str:
        """Return the id of the project."""
        return self.project_id

    def getTenantID(self) -> str:
        """Return the id of the project, which is the tenant's."""
        return self.project_id

    def getPackage(self) -> str:
        """Return the function's package: ``default``."""
        return "default"

    def getVersion(self) -> str:
        """Return the function's version: ``latest``."""
        return "latest"

    def getAlias(self) -> str:
        """Return the alias the function was called by: none."""
        return ""

    def getMemorySize(self) -> int:
        """Return the memory of the smallest function of the service in MB; none is enforced here."""
        return MEMORY

    def getCPUNumber(self) -> int:
        """Return the CPU of the smallest function of the service in millicores; none is enforced here."""
        return CPU

    def getUserData(self, key: str, default: str | None = None) -> str | None:
        """Return an environment variable of the function: what it was registered with as ``user_data``."""
        return self.user_data.get(key, default)

    # --- credentials ---

    def getAccessKey(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getSecretKey(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getToken(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getAuthToken(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getSecurityAccessKey(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getSecuritySecretKey(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    def getSecurityToken(self) -> str:
        """Return an empty text: there is no agency."""
        return ""

    # --- what the runtime keeps with a call ---

    def set_state(self, state: Any) -> None:
        """Keep a value with this call."""
        self.state = state

    def get_state(self) -> Any:
        """Return the value kept with this call."""
        return self.state

    def set_instance_id(self, instance_id: str) -> None:
        """Keep the id of an instance with this call."""
        self.instance_id = instance_id

    def get_instance_id(self) -> str | None:
        """Return the id of an instance kept with this call."""
        return self.instance_id

    def get_invoke_property(self) -> Any:
        """Return what the runtime knows besides: nothing."""
        return self.invoke_property
