"""Numbers as they are said with what they count."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "run"), counted(2000, "run"), counted(0, "fix", "fixes")
    ('1 run', '2,000 runs', '0 fixes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
