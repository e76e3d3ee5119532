"""Calls from a lower floor to a higher one, by name.

A lower floor never imports a higher one (see CONTRIBUTING.md). Where it offers something that only
a higher floor can do, such as a run that shows itself, it calls a hook by name; ``fgnb/__init__.py``
says which function stands behind each name. The function's module is imported at the first call.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

hooks: dict[str, str] = {}


def call(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call the function that ``fgnb/__init__.py`` put behind `name`."""
    module, _, function = hooks[name].partition(":")
    return getattr(import_module(module), function)(*args, **kwargs)


class Shown:
    """A value that shows itself in a notebook or terminal through the hook of its class's name."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle: dict[str, str] = call(f"show {type(self).__name__}", self)
        return bundle
