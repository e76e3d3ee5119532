"""JSON values compared exactly: 1, 1.0 and true differ, and so do -0.0 and 0.0, and orders of keys."""

from typing import Any


def exact(value: Any) -> Any:
    """Return something that is equal only for values that are the same to the type and the order."""
    if isinstance(value, dict):
        return [(key, exact(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [exact(item) for item in value]
    return type(value), repr(value)
