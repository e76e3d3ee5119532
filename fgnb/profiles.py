"""Profiles of ``fgnb.toml``: where the file is, what each setting must be, and that none is a secret."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from fgnb.errors import ConfigError, ConfigWarning, SecurityWarning, did_you_mean
from fgnb.secret import Secret

FILE_NAME = "fgnb.toml"
DEFAULT = "default"
LOCAL = "local"
NO_PROXY = "none"
CREDENTIAL_KINDS = ("environment", "file", "prompt", "metadata", "oidc", "pod-identity")
TRUSTED = (0,)  # users whose files count for everybody: root
MAX_SIZE = 1_000_000  # bytes; whoever has more mistook the file

_SECRET_WORDS = {"ak", "sk", "pwd"}
_SECRET_PARTS = ("accesskey", "apikey", "passphrase", "passwd", "password", "privatekey", "secret", "token")
_USER_IN_URL = re.compile(r"//[^/?#\s]*@")
_PROJECT = re.compile(r"[A-Za-z0-9]{1,64}")
_WORD = re.compile(r"[\w.:-]{1,64}")
_HOST = re.compile(r"[a-z0-9_.:-]+")
_NOT_IN_URL = frozenset(" ?#\\")
_BARE = ", without user name, password, query and fragment"


@dataclass(frozen=True, slots=True)
class Profile:
    """One table of a file: `values` are checked, with known keys only."""

    name: str
    path: Path
    values: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where its values come from, in words."""
        return _in_words(self.name, self.path)

    @property
    def is_users(self) -> bool:
        """Whether it is of the file in the user's configuration folder."""
        return self.path == _users_file()


def find(name: str | None = None, origin: str = "") -> Profile | None:
    """Return a profile from the nearest ``fgnb.toml``, else from the user's.

    The nearest is looked for from the working directory upwards, the user's lies in the user's config
    directory. A profile comes from one file as a whole; the other file is not mixed in.

    Args:
        name: None means `DEFAULT`, which need not exist.
        origin: who named it, for the error.

    Returns:
        The profile, or None. A key that no setting has is a `ConfigWarning` and left out; relative paths
        are relative to the file.

    Raises:
        ConfigError: no file has a profile of this name; or a file can't be read, is not TOML, holds
            something outside of a profile, a value that its setting can't have, or a secret. No message
            repeats a value.
    """
    seen: list[tuple[str, Path]] = []
    for path in _files():
        tables = _read(path)
        if (wanted := name or DEFAULT) in tables:
            return Profile(wanted, path, _values(tables[wanted], wanted, path))
        seen += [(table, path) for table in tables]
    if name is None:
        return None
    hint = did_you_mean(name, [table for table, _ in seen], form="'{}'")
    exist = "\n".join(f"  {_in_words(table, path)}" for table, path in seen)
    exist = f"\nThere are:\n{exist}" if seen else f"\nThere are no profiles: [{name}] in a file {FILE_NAME} begins one."
    raise ConfigError(f"no profile is called '{name}' ({origin}){hint}{exist}")


def names() -> list[str]:
    """Return the names of all profiles, of the nearest ``fgnb.toml`` first; a file that can't be read has none."""
    found: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in _files():
            with contextlib.suppress(ConfigError):
                found |= dict.fromkeys(_read(path))
    return list(found)


def read_text(path: Path) -> str:
    """Return the text of a file of settings.

    Raises:
        ConfigError: it can't be read, is larger than `MAX_SIZE`, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        if len(content) > MAX_SIZE:
            raise ConfigError(f"{path} is larger than {MAX_SIZE:,} bytes: too large for a file of settings")
        try:
            return content.decode("utf-8-sig")  # editors on Windows like to begin with a byte order mark
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1:,} is not UTF-8"
    raise ConfigError(f"can't read {path}: {reason}")


def _in_words(name: str, path: Path) -> str:
    return f"profile '{name}' of {path}"


def _users_file() -> Path:
    return Path(platformdirs.user_config_dir("fgnb", appauthor=False)) / FILE_NAME


def _files() -> Iterator[Path]:
    users = _users_file()
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody has deleted it
        folders: tuple[Path, ...] = ()
    else:
        folders = (here, *here.parents)
    nearest = next((file for folder in folders if _may_count(file := folder / FILE_NAME)), None)
    if nearest is not None:
        yield nearest
    if nearest != users and os.path.lexists(users):
        yield users


def _may_count(path: Path) -> bool:
    """Return whether a file is there and nobody else's: in a shared folder, anyone could say where tokens go."""
    if not os.path.lexists(path):
        return False
    if os.name != "posix" or os.getuid() == 0 or path.lstat().st_uid in (*TRUSTED, os.getuid()):
        return True
    warnings.warn(f"{path} is passed over, since it belongs to another user", SecurityWarning, stacklevel=2)
    return False


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a file, none of which holds a secret."""
    text = read_text(path)
    try:
        tables = tomllib.loads(text)
        reason = ""
    except ValueError as error:  # not only TOMLDecodeError: also a number of too many digits
        reason = str(error)
    except RecursionError:
        reason = "nested too deep"
    if reason:
        # Outside of the handler: tomllib's own exception holds the whole text in newer Pythons.
        raise ConfigError(f"{path} is not TOML: {reason}")
    for name, key, value in _walk(tables):
        if _names_secret(key) or (isinstance(value, str) and _USER_IN_URL.search(value)):
            raise ConfigError(
                f"{path}: '{key}' in '{name}' looks like a secret, which {FILE_NAME} never holds. Keys and tokens come"
                " from environment variables, the credentials file of Huawei Cloud's SDK, a callable or a prompt;"
                " a proxy with a password from the variable HTTPS_PROXY or connect(proxy=...). Remove it, and renew"
                " it if others have seen the file."
            )
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: '{name}' stands outside of a profile: put it below a line [{DEFAULT}]")
    return tables


def _walk(tables: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield every key of every depth with its profile and its value; no recursion, ``a.a.a = 1`` may go deep."""
    waiting: list[tuple[str, str, Any]] = [(name, name, value) for name, value in tables.items()]
    while waiting:
        name, key, value = waiting.pop()
        yield name, key, value
        if isinstance(value, dict):
            waiting += [(name, inner, held) for inner, held in value.items()]
        elif isinstance(value, list):
            waiting += [(name, key, item) for item in value]


def _names_secret(key: str) -> bool:
    words = re.split(r"[^a-z0-9]+", key.casefold())
    return not _SECRET_WORDS.isdisjoint(words) or any(part in "".join(words) for part in _SECRET_PARTS)


def _values(table: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    origin = _in_words(name, path)
    known = [key for key in _RULES if key != "profile"]
    values = {}
    for key, value in table.items():
        if key in known:
            read = checked(key, value, origin)
            values[key] = path.parent / read if isinstance(read, Path) else read
        else:
            hint = did_you_mean(key, known, form="'{}'")
            warnings.warn(f"{origin}: '{key}' is not a setting and was passed over{hint}", ConfigWarning, stacklevel=3)
    return values


def checked(name: str, value: Any, origin: str) -> Any:
    """Return a setting's value as it is used: seconds as float, a path as Path, a URL without ``/`` at its end.

    Raises:
        ConfigError: the setting can't have this value, which the message does not repeat unless it is
            a mere word in place of an endpoint.
    """
    read, expected = _RULES[name]
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError):
        pass  # the message is raised outside of the handler: these texts repeat what may be secret
    if name == "endpoint" and isinstance(value, str) and _WORD.fullmatch(value):
        hint = did_you_mean(value, [LOCAL], form="'{}'")
        raise ConfigError(f"'{value}' ({origin}) is neither '{LOCAL}' nor the URL of a service{hint}")
    raise ConfigError(f"{name} ({origin}) must be {expected}")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _positive(value: Any) -> float:
    number = _number(value)
    if number == 0:
        raise ValueError
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _path(value: Any) -> Path:
    return Path(os.path.expanduser(_text(os.fspath(value))))  # noqa: PTH111  # Path's raises where there is no home


def _project(value: Any) -> str:
    if not _PROJECT.fullmatch(value):
        raise ValueError
    return str(value)


def _kind(value: Any) -> str:
    if value not in CREDENTIAL_KINDS:
        raise ValueError
    return str(value)


def _url(value: Any) -> str:
    """Return an http URL, which may hold a user name and a password."""
    text = _text(value)
    if not (text.isascii() and _NOT_IN_URL.isdisjoint(text)):
        raise ValueError
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or parts.port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError
    return parts.geturl().rstrip("/")


def _bare_url(value: Any) -> str:
    if "@" in value:
        raise ValueError
    return _url(value)


def _endpoint(value: Any) -> str:
    return LOCAL if value == LOCAL else _bare_url(value)


def _proxy(value: Any) -> Secret:
    if value == NO_PROXY:
        return Secret(NO_PROXY)
    url = _url(value)
    if urlsplit(url).path:
        raise ValueError
    return Secret(url)  # it may hold a password


_RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "profile": (_text, "the name of a profile"),
    "region": (_text, "the id of a region, such as cn-north-4"),
    "endpoint": (_endpoint, f"'{LOCAL}' or an http or https URL such as https://functiongraph.example.com{_BARE}"),
    "iam_endpoint": (_bare_url, f"an http or https URL such as https://iam.example.com{_BARE}"),
    "project_id": (_project, "1 to 64 letters and digits"),
    "credentials": (_kind, f"one of {', '.join(CREDENTIAL_KINDS)}"),
    "timeout": (_positive, "a number of seconds above 0"),
    "connect_timeout": (_positive, "a number of seconds above 0"),
    "retry_for": (_number, "a number of seconds, or 0 for never"),
    "verify": (_flag, "true or false; certificate authorities of your own are ca_bundle"),
    "ca_bundle": (_path, "the path of a file or folder of certificate authorities"),
    "proxy": (_proxy, f"an http or https URL such as http://proxy.example.com:8080, or '{NO_PROXY}'"),
    "log_bodies": (_flag, "true or false"),
}
