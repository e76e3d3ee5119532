"""What the service counts: executions over time, and how much of a quota is used."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Value(Struct, frozen=True, kw_only=True):
    """A figure of one period; `timestamp` is its begin in milliseconds since the epoch."""

    timestamp: int
    value: float


class WorkflowStatistics(Struct, frozen=True, kw_only=True):
    """Series of figures, a value per period; `duration` is the average in milliseconds."""

    count: tuple[Value, ...] = ()
    duration: tuple[Value, ...] = ()
    fail_count: tuple[Value, ...] = ()
    running_count: tuple[Value, ...] = ()


class Quota(Struct, frozen=True, kw_only=True):
    """How much of something there may be, and how much there is."""

    type: Literal["fgs_workflow_num"]
    quota: int
    used: int


class Quotas(Struct, frozen=True, kw_only=True):
    """The list of quotas."""

    resources: tuple[Quota, ...]


class QuotaAnswer(Struct, frozen=True, kw_only=True):
    """The answer to a question for quotas."""

    quotas: Quotas
