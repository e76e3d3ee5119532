"""Runs of any kind, for tests: made by hand, and by Hypothesis."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from fgnb.runs.run import STATUSES, NodeError, Run

AT = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)

texts = st.text(st.characters() | st.sampled_from("\ud800\udfff\x00'\"\\"), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**52, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))  # which UTC has no use for
some = st.none() | texts


def make_run(**fields: Any) -> Run:
    """Return a run of which only some fields matter."""
    defaults: dict[str, Any] = {"workflow": "flow", "status": "success", "submitted_at": AT, "elapsed": 0.5}
    return Run(**(defaults | fields))


def runs() -> st.SearchStrategy[Run]:
    """Return a strategy of any runs that there can be, and some that there can't."""
    errors = st.builds(
        NodeError, node_id=texts, error_message=texts, node_name=some, error_type=some, stack_trace=some,
        begin_time=st.none() | times, end_time=st.none() | times,
    )  # fmt: skip
    return st.builds(
        Run, run_id=st.uuids().map(str), workflow=texts, workflow_id=some, execution_id=some, request_id=some,
        status=st.sampled_from([*STATUSES, "paused"]), input=values, headers=st.dictionaries(texts, texts, max_size=2),
        output=values, node_errors=st.lists(errors, max_size=2).map(tuple), begin_time=st.none() | times,
        end_time=st.none() | times, submitted_at=times, elapsed=st.floats(0, 1e6),
        tags=st.dictionaries(texts, values, max_size=2), connection=texts, reason=some, hint=some,
        http_status=st.none() | st.integers(100, 599), error_code=some, raw=values | st.binary(max_size=8),
    )  # fmt: skip
