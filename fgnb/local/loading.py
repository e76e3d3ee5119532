"""Definitions and functions from files, and everything that is wrong with a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fgnb import jsontext, yamltext
from fgnb.counted import counted
from fgnb.errors import ConfigError, DefinitionError, InputError, Problem, SyntaxProblem
from fgnb.lines import Lines
from fgnb.local.definitions import compile_definition
from fgnb.spelling import misspelt
from fgnb.values import to_json

YAML_SUFFIXES = (".yaml", ".yml")
SUFFIXES = (*YAML_SUFFIXES, ".json")


def read_file(path: Path) -> Any:
    """Return the value of a YAML or JSON file.

    The suffix says which it is; a file of another one is JSON if it begins with a bracket.

    Raises:
        ConfigError: the file can't be read.
        InputError: it is not YAML or JSON; names the file and the place.
    """
    try:
        return read_text(path.read_text("utf-8"), str(path), suffix=path.suffix)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read {path}: {_reason(error)}") from None


def read_text(text: str, origin: str, *, suffix: str = "") -> Any:
    """Return the value of a YAML or JSON text as `read_file` does; `origin` says in errors where it is from.

    Raises:
        InputError: it is not YAML or JSON; names the origin and the place.
    """
    try:
        return _parsed(text, suffix)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else f"byte {error.start + 1:,} is not UTF-8"


def _parsed(text: str, suffix: str) -> Any:
    if suffix == ".json" or (suffix not in YAML_SUFFIXES and text.lstrip().startswith(("{", "["))):
        return jsontext.loads(text)
    return yamltext.loads(text)


def validate(source: str | Path | Mapping[str, Any]) -> None:
    """Check a workflow definition; nothing is sent, no connection is made.

    A field that the service does not know but that is nearly one of its own, such as
    ``action_mod``, is a UserWarning: the service would pass over it.

    Args:
        source: a YAML or JSON file, or the definition itself.

    Raises:
        DefinitionError: with every problem found, each with its JSONPath and its state's id.
        ConfigError: the file can't be read.
        InputError: it is not YAML or JSON, or the definition has no JSON form; with the place.

    >>> import fgnb
    >>> definition = fgnb.connect("local").workflow("order-triage").definition
    >>> fgnb.validate(definition)
    >>> fgnb.validate(definition | {"start": "nowhere"})
    Traceback (most recent call last):
        ...
    fgnb.errors.DefinitionError: workflow 'order-triage' has 1 problem
      $.start: there is no state 'nowhere'
    """
    load_definition(source)


def load_definition(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid definition from a YAML or JSON file, or the definition itself; see `validate`."""
    if isinstance(source, Mapping):
        value = to_json(source, root="$")
    elif isinstance(source, str) and "\n" in source:
        raise InputError("a definition is a file's name or a mapping; this is a text of several lines: parse it first")
    elif isinstance(source, (str, Path)):
        value = read_file(Path(source))
    else:
        raise InputError(f"a definition is a file or a mapping, not a {type(source).__name__}")
    name = compile_definition(value).definition.name
    for problem in misspelt(value):
        warnings.warn(f"workflow '{name}': {problem}", UserWarning, stacklevel=callers_level())
    definition: dict[str, Any] = value
    return definition


def callers_level() -> int:
    """Return the stack level, as warnings count it, of the first caller outside of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fgnb."):
        frame, level = frame.f_back, level + 1
    return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a place in a file; `line` and `column` count from 1, None where they are not known.

    `path` is a JSONPath and `state` the id of a state, None where the file could not be read so far.
    """

    message: str
    line: int | None = None
    column: int | None = None
    path: str | None = None
    state: str | None = None

    def __str__(self) -> str:
        return str(Problem(self.path, self.message, self.state)) if self.path else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A file of a definition, which is None unless it is valid, and what is to be said about it."""

    path: Path
    definition: dict[str, Any] | None = None
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    def located(self, finding: Finding, kind: str = "") -> str:
        """Return a finding as ``file:line:column: kind message``, which editors and terminals can follow."""
        places = [str(place) for place in (self.path, finding.line, finding.column) if place is not None]
        return f"{':'.join(places)}: {kind}{finding}"


def check_file(path: Path) -> CheckedFile:
    """Read a file, and find everything that is wrong with it or the definition in it."""
    try:
        text = path.read_text("utf-8")
        value = _parsed(text, path.suffix)
    except (OSError, UnicodeDecodeError) as error:
        return CheckedFile(path=path, problems=(Finding(message=f"can't be read: {_reason(error)}"),))
    except SyntaxProblem as error:
        return CheckedFile(path=path, problems=(Finding(message=error.reason, line=error.line, column=error.column),))
    except InputError as error:
        return CheckedFile(path=path, problems=(Finding(message=str(error)),))
    lines = Lines(text)
    likely = _placed(misspelt(value) if isinstance(value, dict) else [], lines)
    try:
        compile_definition(value)
    except DefinitionError as error:
        return CheckedFile(path=path, problems=_placed(error.problems, lines), warnings=likely)
    return CheckedFile(path=path, definition=value, warnings=likely)


def _placed(problems: Iterable[Problem], lines: Lines) -> tuple[Finding, ...]:
    found = [
        Finding(message=each.message, line=lines.of(each.path), path=each.path, state=each.state) for each in problems
    ]
    return tuple(sorted(found, key=lambda finding: finding.line or 0))


def check_files(paths: Iterable[Path]) -> list[CheckedFile]:
    """Check files whose workflows are to stand side by side, and so must not share a name."""
    checked: list[CheckedFile] = []
    first: dict[str, Path] = {}
    for path in paths:
        file = check_file(path)
        name = file.definition["name"] if file.definition else None
        if name is not None and first.setdefault(name, path) != path:
            problem = Finding(message=f"the name '{name}' is already used by {first[name]}", path="$.name")
            file = replace(file, definition=None, problems=(problem,))
        checked.append(file)
    return checked


def load_definitions(folder: str | Path) -> list[dict[str, Any]]:
    """Return the definitions of all YAML and JSON files of a folder, by file name.

    Raises:
        ConfigError: it is not a folder, holds no such file, or some of them are not valid or share
            a name; with every problem of every file.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix in SUFFIXES)
    except OSError as error:
        raise ConfigError(f"can't read the folder of workflows {folder}: {error.strerror}") from None
    if not files:
        raise ConfigError(f"the folder {folder} holds no workflow ({', '.join('*' + suffix for suffix in SUFFIXES)})")
    checked = check_files(files)
    bad = [file for file in checked if file.problems]
    if bad:
        lines = [f"  {file.located(problem)}" for file in bad for problem in file.problems]
        title = f"{len(bad):,} of {counted(len(checked), 'file')} in the folder {folder} can't be served"
        raise ConfigError("\n".join([title, *lines]))
    return [file.definition for file in checked if file.definition is not None]


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
