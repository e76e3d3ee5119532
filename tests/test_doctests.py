"""The examples in the docstrings run, and every public name has one."""

import doctest
import inspect
from importlib import import_module

import pytest

import fgnb
from tests.conftest import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "fgnb").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def is_exception(name: str) -> bool:
    value = getattr(fgnb, name)
    return isinstance(value, type) and issubclass(value, BaseException)


@pytest.mark.parametrize("name", [name for name in fgnb.__all__ if not is_exception(name)])
def test_every_public_name_is_told_with_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(fgnb, name)) or ""
    assert text.splitlines()[0].endswith("."), name
    assert ">>> " in text, name


@pytest.mark.parametrize("name", [name for name in fgnb.__all__ if not is_exception(name)])
def test_the_first_page_of_help_leads_to_every_name(name: str) -> None:
    assert f"`{name}`" in (fgnb.__doc__ or "")


@pytest.mark.parametrize("name", [name for name in fgnb.__all__ if is_exception(name)])
def test_every_exception_is_told_in_the_tree(name: str) -> None:
    assert name in (import_module("fgnb.errors").__doc__ or "").split()
    assert inspect.getdoc(getattr(fgnb, name))


@pytest.mark.parametrize("name", [name for name in fgnb.__all__ if isinstance(getattr(fgnb, name), type)])
def test_every_public_method_is_told(name: str) -> None:
    for member, value in vars(getattr(fgnb, name)).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or value
        if not member.startswith("_") and inspect.isfunction(function):
            assert inspect.getdoc(function), f"{name}.{member}"
