"""The lines of a YAML or JSON text at which its values stand."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

from fgnb.errors import InputError
from fgnb.paths import Path, parse_path

MAX_TEXT = 1_000_000  # characters, which take the YAML reader some seconds


class Lines:
    """Finds lines by path; JSON is looked at as the YAML that it is, too.

    Args:
        text: what was read without a problem; where lines can't be had nevertheless, there are none.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _root(self) -> Any:
        if len(self.text) > MAX_TEXT:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of anchors used twice, which are allowed
                return YAML(typ="safe", pure=True).compose(self.text)
        except (YAMLError, RecursionError):
            return None

    def of(self, place: str) -> int | None:
        """Return the line, from 1, of the value at a JSONPath such as ``$.states[0].transition``.

        Where there is none, it is the line of the innermost value around it.
        """
        if self._root is None:
            return None
        try:
            path = parse_path(place)[1:]
        except InputError:
            path = ()
        return _line(self._root, path)


def _line(node: Any, path: Path) -> int:
    line: int = node.start_mark.line + 1
    for step in path:
        if isinstance(node, MappingNode):
            mark, node = next(((key.start_mark, value) for key, value in node.value if key.value == step), (None, None))
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            return line
        if mark is None:
            return line
        line = mark.line + 1
    return line
