"""Definitions and functions from files."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fgnb import jsontext, yamltext
from fgnb.errors import ConfigError, DefinitionError, InputError, Problem

SUFFIXES = (".yaml", ".yml", ".json")


def load_definition(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition from a YAML or JSON file, or a mapping as it is.

    Raises:
        ConfigError: the file can't be read.
        InputError: it is not YAML or JSON; names the file and the place.
        DefinitionError: it holds something else than an object.
    """
    if isinstance(source, Mapping):
        return dict(source)
    if not isinstance(source, (str, Path)):
        raise InputError(f"a definition is a file or a mapping, not a {type(source).__name__}")
    path = Path(source)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read the definition {path}: {error}") from None
    try:
        value = jsontext.loads(text) if path.suffix == ".json" else yamltext.loads(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise DefinitionError([Problem("$", f"expected an object, got {type(value).__name__}")], name=str(path))
    return value


def load_definitions(folder: str | Path) -> list[dict[str, Any]]:
    """Return the definitions of all YAML and JSON files of a folder, by file name.

    Raises:
        ConfigError: it is not a folder, or holds no such file.
        InputError, DefinitionError: as for `load_definition`.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix in SUFFIXES)
    except OSError as error:
        raise ConfigError(f"can't read the folder of workflows {folder}: {error.strerror}") from None
    if not files:
        raise ConfigError(f"the folder {folder} holds no workflow ({', '.join('*' + suffix for suffix in SUFFIXES)})")
    return [load_definition(path) for path in files]


def load_functions(source: str) -> None:
    """Import a module, by name or file, whose functions register themselves with `fgnb.function`.

    Raises:
        ConfigError: it can't be found, or its import fails.
    """
    try:
        if source.endswith(".py"):
            path = Path(source)
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ConfigError(f"there is no Python file {source}")
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, "")
            importlib.import_module(source)
    except ConfigError:
        raise
    except Exception as error:  # whatever a user's module raises
        raise ConfigError(f"can't load functions from {source}: {type(error).__name__}: {error}") from error
