"""The examples in the docstrings run."""

import doctest
from importlib import import_module

import pytest

# Those with examples; a module that loses its last one must be taken off the list.
MODULES = [
    "fgnb.local.conditions",
    "fgnb.local.functions",
    "fgnb.notebook.form",
    "fgnb.render.graph",
    "fgnb.render.graph_marks",
    "fgnb.render.graph_model",
    "fgnb.render.graph_text",
    "fgnb.render.layout",
    "fgnb.session",
    "fgnb.shortcuts",
    "fgnb.values",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
