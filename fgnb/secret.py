"""A text that nothing shows: secret keys and tokens go through the program as `Secret`."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, NoReturn

from fgnb.errors import ConfigError

HIDDEN = "***"


class Secret:
    """A secret text; only `reveal` gives it out.

    ``repr``, ``str``, ``format``, ``vars``, tracebacks that show local variables, widgets and
    notebooks get ``***``; ``pickle`` and ``json`` refuse it. The text is kept in a closure, where
    what walks through attributes and slots does not look.

    Args:
        text: the secret; white space around it, as pasting brings it along, is cut off.

    Raises:
        ConfigError: it is not a text, or empty.

    >>> secret = Secret(" not-to-be-shown ")
    >>> f"the secret is {secret}", secret.reveal() == "not-to-be-shown"
    ('the secret is ***', True)
    """

    __slots__ = ("_reveal",)
    _reveal: Callable[[], str]

    def __init__(self, text: str | Secret) -> None:
        if isinstance(text, Secret):
            self._reveal = text._reveal
            return
        if not isinstance(text, str):
            raise ConfigError(f"a secret must be a text, not of type {type(text).__name__}")
        kept = text.strip()
        if not kept:
            raise ConfigError("a secret must not be empty")
        self._reveal = lambda: kept

    def reveal(self) -> str:
        """Return the text itself: for signing and sending, never for showing."""
        return self._reveal()

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled: have each process take it from its own environment")
