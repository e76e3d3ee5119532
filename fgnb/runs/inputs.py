"""What a sweep runs over: grids, lists taken side by side, DataFrames, any iterable, one input after the other."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, Literal, cast

from fgnb.errors import InputError
from fgnb.paths import Path, assign, format_path, parse_path
from fgnb.runs.runset import RunSet
from fgnb.values import to_json

How = Literal["grid", "zip"]
WHOLE = "."  # the column of inputs that are no objects
ROWS = 1000  # of a DataFrame that are turned into inputs at once


class Inputs:
    """The inputs of a sweep, made one by one; each iteration begins anew, except over an iterator.

    Attributes:
        total: how many there are, or None if that is not known before the end.
    """

    def __init__(self, make: Callable[[], Iterator[Any]], total: int | None) -> None:
        self._make = make
        self.total = total

    def __iter__(self) -> Iterator[Any]:
        """Yield fresh JSON values.

        Raises:
            InputError: one can't be sent; with its number and the path in it.
        """
        for number, value in enumerate(self._make()):
            yield to_json(value, root=f"inputs[{number}]")


def inputs_of(given: Any, *, base: Mapping[str, Any] | None = None, how: How = "grid") -> Inputs:
    """Return the inputs that `given` means.

    Args:
        given: a mapping of lists, whose keys may be paths (``"order.qty"``): every combination of their
            values (``how="grid"``, the last key changes fastest), or the first values of all, the second ones,
            ... (``how="zip"``); a DataFrame: an object per row, columns may be paths, missing cells are left
            out, and one in the column ``.`` is the whole input, as in `RunSet.inputs`; a set of runs: their inputs,
            exactly; any other iterable: its items as they are, taken as they are needed.
        base: what stands in every input that is an object, below what `given` says.
        how: ``grid`` or ``zip``, for a mapping.

    Raises:
        InputError: it means no inputs, or they contradict each other.
    """
    if how not in ("grid", "zip"):
        raise InputError(f"how must be 'grid' or 'zip', not {how!r}")
    if base is not None and not isinstance(base, Mapping):
        raise InputError(f"base must be a mapping, not {base!r:.80}")
    below = to_json(dict(base or {}), root="base")
    pandas = sys.modules.get("pandas")  # never imported here: a DataFrame proves that it is loaded
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return _rows(given, below)
    if isinstance(given, Mapping):
        return _combined(given, below, how)
    if isinstance(given, RunSet):
        runs = given
        return Inputs(lambda: (_over(below, run.input, number) for number, run in enumerate(runs)), len(runs))
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InputError(
            "a sweep takes a mapping of lists, a DataFrame or an iterable of inputs, not"
            f" {type(given).__name__} {given!r:.80}"
        )
    items: Iterable[Any] = given
    total = len(items) if isinstance(items, Sized) else None
    return Inputs(lambda: (_over(below, item, number) for number, item in enumerate(items)), total)


def _combined(given: Mapping[Any, Any], base: dict[str, Any], how: How) -> Inputs:
    paths = _paths(given)
    lists: list[list[Any] | range] = []
    for name, values in given.items():
        if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
            raise InputError(
                f"a sweep takes a list of values for each key, not {type(values).__name__} {values!r:.60};"
                " what is the same in all inputs goes into base=",
                path=str(name),
            )
        lists.append(values if isinstance(values, range) else list(values))
    _settable(paths, base)
    if how == "zip":
        lengths = {name: len(values) for name, values in zip(given, lists, strict=True)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
            raise InputError(f"how='zip' takes lists of one length, not {told}")
        return Inputs(lambda: (_set(base, paths, values) for values in zip(*lists, strict=True)), len(lists[0]))
    # itertools.product copies its arguments, which a grid of millions along one key should not cost
    return Inputs(lambda: (_set(base, paths, values) for values in _product(lists)), math.prod(map(len, lists)))


def _product(lists: list[list[Any] | range]) -> Iterator[tuple[Any, ...]]:
    if len(lists) == 1:
        yield from ((value,) for value in lists[0])
        return
    for first in lists[0]:
        for rest in _product(lists[1:]):
            yield (first, *rest)


def _rows(frame: Any, base: dict[str, Any]) -> Inputs:
    names = [name for name in frame.columns if name != WHOLE]
    paths = _paths(names) if names or WHOLE not in frame.columns else []
    _settable(paths, base)

    def rows() -> Iterator[Any]:
        for start in range(0, len(frame), ROWS):
            part = frame.iloc[start : start + ROWS]
            columns = [_cells(part[name]) for name in names]
            wholes = _cells(part[WHOLE]) if WHOLE in frame.columns else itertools.repeat(_LEFT_OUT, len(part))
            rows = zip(*columns, strict=True) if columns else itertools.repeat((), len(part))
            for whole, values in zip(wholes, rows, strict=True):
                if whole is not _LEFT_OUT:
                    yield whole
                    continue
                there = [(path, value) for path, value in zip(paths, values, strict=True) if value is not _LEFT_OUT]
                yield _set(base, [path for path, _ in there], [value for _, value in there])

    return Inputs(rows, len(frame))


_LEFT_OUT: Any = object()


def _cells(column: Any) -> list[Any]:
    missing = column.isna().tolist()  # what pandas calls missing, None in a column of objects too
    return [_LEFT_OUT if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]


def _paths(names: Iterable[Any]) -> list[Path]:
    paths: dict[Path, str] = {}
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"a key must be a text, not {type(name).__name__} {name!r}")
        path = parse_path(name)
        if path in paths:
            raise InputError(f"'{paths[path]}' and '{name}' are the same place")
        paths[path] = name
    if not paths:
        raise InputError("a sweep needs at least one key to vary")
    for path, name in paths.items():
        for end in range(1, len(path)):
            if path[:end] in paths:
                raise InputError(f"'{name}' lies inside '{paths[path[:end]]}', which is set as a whole")
    return list(paths)


def _settable(paths: list[Path], base: dict[str, Any]) -> None:
    for path in paths:
        assign(base, path, None)  # raises where a path can't be set


def _set(base: dict[str, Any], paths: Iterable[Path], values: Iterable[Any]) -> dict[str, Any]:
    result = dict(base)
    for path, value in zip(paths, values, strict=True):
        if len(path) == 1:
            result[cast("str", path[0])] = value
        else:
            result = assign(result, path, value)
    return result


def _over(base: dict[str, Any], item: Any, number: int) -> Any:
    if not base:
        return item
    value = to_json(item, root=f"inputs[{number}]")
    if not isinstance(value, dict):
        raise InputError(
            f"base= goes below inputs that are objects, not {type(value).__name__}",
            path=format_path((number,), "inputs"),
        )
    return _merged(base, value)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
