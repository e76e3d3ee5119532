"""Small frames made of rows, each column of a given type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fgnb.runs.columns import texts
from fgnb.runs.differences import MISSING


def typed(rows: Iterable[Sequence[Any]], dtypes: Mapping[str, Any], index: Any = None) -> pd.DataFrame:
    """Return rows as a frame whose columns have the names and types of `dtypes`; `MISSING` becomes ``<NA>``."""
    columns = list(zip(*rows, strict=True)) or [()] * len(dtypes)
    arrays = {name: _array(column, dtype) for (name, dtype), column in zip(dtypes.items(), columns, strict=True)}
    series = {name: pd.Series(array, index=index, dtype=array.dtype) for name, array in arrays.items()}
    return pd.DataFrame(series, index=index)


def text_index(values: Iterable[str], name: str) -> pd.Index[Any]:
    """Return texts as an index."""
    array = texts(values)
    # The type is given, since that of texts with lone surrogates is object.
    index: pd.Index[Any] = pd.Index(array, dtype=array.dtype, name=name)
    return index


def _array(values: Iterable[Any], dtype: Any) -> Any:
    if dtype == "string":
        return texts(values)
    return pd.Series([pd.NA if value is MISSING else value for value in values], dtype=dtype).array
