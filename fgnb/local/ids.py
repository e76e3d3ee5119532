"""Ids of requests and executions: random UUIDs as texts, without the value that the standard library makes first."""

from __future__ import annotations

import os


def new_id() -> str:
    """Return a random UUID (RFC 9562, version 4)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
