"""Times as whole microseconds since 1970, as SQLite and Arrow keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Return a time, which has a time zone, as microseconds."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """Return the time, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND
