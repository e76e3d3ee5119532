"""What a run would send, before anything is sent, with secrets masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fgnb.wiring import Shown

PEEK = 3  # inputs of a sweep that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Shown):
    """A request that was not sent.

    Attributes:
        workflow: the workflow as it was named.
        method, url: where it would go; the id of a workflow or project that has to be looked up first
            stands there as ``<...>``. In the embedded service of this process the URL is a path.
        headers: those of the request, except for what HTTP adds; secrets are ``***``.
        body: the JSON value that would be sent, secrets masked.
        size: bytes of the body as it would be sent.
        timeout: seconds to wait for the answer.
        is_sweep: whether a sweep was asked for; then `body` is that of its first run.
        inputs: of a sweep, the first inputs; none where an iterator would give them, each only once.
        total: of a sweep, how many inputs there are, or None where that is not known.
        tags: what the run would be called here; they are not sent.

    >>> import fgnb
    >>> preview = fgnb.connect("local").preview("order-triage", {"sku": "A-100", "password": "x"})
    >>> preview.method, preview.body
    ('POST', {'input': {'sku': 'A-100', 'password': '***'}})
    """

    workflow: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    size: int
    timeout: float
    is_sweep: bool = False
    inputs: Sequence[Any] = ()
    total: int | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
