"""Keys where users of the official SDK keep them: its credentials file, and its providers of temporary keys.

The file is read here. The providers (an agency by metadata, OIDC or pod identity; a federated user)
are the SDK's own: an extra (``pip install 'fgnb[huaweicloud]'``), imported at use, upon which it
writes ``~/.huaweicloud/application_id``. Its accessors are asked anew each time rather than kept:
Kubernetes replaces the token files that they read.
"""

from __future__ import annotations

import configparser
import logging
import os
import re
import shlex
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from fgnb.errors import ConfigError, ConfigWarning, SecurityWarning, did_you_mean, nearest
from fgnb.secret import Secret

FILE_VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
DEFAULT_FILE = "~/.huaweicloud/credentials"
TIMEOUT = (5.0, 10.0)  # seconds to connect and between bytes, for STS and IAM; the SDK has 3 for metadata, 5 for pods

_SECTION = "basic"
_KEYS = ("ak", "sk", "security_token", "project_id", "iam_endpoint", "idp_id", "id_token_file")
_OIDC_VARIABLES = ("HUAWEICLOUD_OIDC_PROVIDER_URN", "HUAWEICLOUD_OIDC_AGENCY_URN")
_OIDC_TOKEN = "HUAWEICLOUD_OIDC_ID_TOKEN"  # noqa: S105  # a name
_OIDC_TOKEN_FILE = "HUAWEICLOUD_OIDC_TOKEN_FILE"  # noqa: S105  # a name
_POD_URI = "HC_CONTAINER_CREDENTIALS_FULL_URI"
_POD_TOKEN_FILE = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105  # a name

# The SDK logs the texts of failures, in which a secret may stand.
_SILENT = logging.Logger("fgnb.client.providers")
_SILENT.addHandler(logging.NullHandler())

_warned_of: set[Path] = set()  # files that others can read


class CredentialsFile:
    """The SDK's credentials file: INI, of whose section ``[basic]`` the keys are read.

    Its path is ``HUAWEICLOUD_SDK_CREDENTIALS_FILE``, else ``~/.huaweicloud/credentials``. No error
    and no warning repeats what stands in it.
    """

    def __init__(self) -> None:
        named = os.environ.get(FILE_VARIABLE, "").strip()
        self.path = Path(os.path.expanduser(named or DEFAULT_FILE))  # noqa: PTH111  # without a home: no error
        self.origin = f"file {self.path}"
        self.is_named = bool(named)
        self._read: tuple[int, int] | None = None  # the stamp of what was read last

    @property
    def exists(self) -> bool:
        """Whether there is anything at its path."""
        return self._look() is not None

    def changed(self) -> bool:
        """Whether it was written since it was read."""
        return _stamp(self._look()) != self._read

    def _look(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except OSError:
            return None

    def read(self) -> dict[str, Secret]:
        """Return the section's keys that have a value.

        Raises:
            ConfigError: the file can't be read, is not INI, or has no such section.
        """
        status = self._look()  # first, so that a change meanwhile is seen the next time
        self._read = _stamp(status)
        values, unknown, problem = self._content()
        if problem:
            raise ConfigError(f"{self.origin} {problem}")
        if status is not None and status.st_mode & 0o044 and os.name != "nt" and self.path not in _warned_of:
            self._warn_of_readers()
        for key, number in unknown.items():
            self._warn_of_key(key, number)
        return values

    def _content(self) -> tuple[dict[str, Secret], dict[str, int | None], str]:
        """Return the known keys' values, the unknown keys with their lines, and what is wrong.

        Raises nothing: tracebacks may show local variables, and what the parser raises repeats lines.
        """
        # Keys are taken as they stand: the SDK's parser has its own idea of a '%' and fails at most.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            text = self.path.read_text("utf-8-sig")
            parser.read_string(text)
        except OSError as error:
            named = f" (environment variable {FILE_VARIABLE})" if self.is_named else ""
            return {}, {}, f"can't be read: {error.strerror}{named}"
        except UnicodeDecodeError:
            return {}, {}, "is not UTF-8"
        except configparser.Error as error:
            return {}, {}, f"{_line(error)}: not an INI file, or something is there twice"
        if not parser.has_section(_SECTION):
            problem = f"has no section [{_SECTION}]: put 'ak = ...' and 'sk = ...' below a line [{_SECTION}]"
            return {}, {}, problem
        section = parser[_SECTION]
        names = [re.split("[=:]", line, maxsplit=1)[0].strip().lower() for line in text.splitlines()]
        lines = {name: number for number, name in reversed([*enumerate(names, 1)])}
        unknown = {key: lines.get(key) for key in sorted(section.keys() - set(_KEYS))}
        return {key: Secret(section[key]) for key in _KEYS if section.get(key, "").strip()}, unknown, ""

    def _warn_of_readers(self) -> None:
        _warned_of.add(self.path)
        message = f"{self.origin} can be read by others: chmod 600 {shlex.quote(str(self.path))}"
        warnings.warn(message, SecurityWarning, stacklevel=2)

    def _warn_of_key(self, key: str, number: int | None) -> None:
        # A secret on a line of its own that ends in '=' looks like a key: one that resembles none is not named.
        what = f"unknown key '{key}'" if nearest(key, _KEYS) else "an unknown key"
        where = f"{self.origin}, line {number}" if number else self.origin
        hint = did_you_mean(key, _KEYS) or f"; known are {', '.join(_KEYS)}"
        warnings.warn(f"{where}: {what} was passed over{hint}", ConfigWarning, stacklevel=2)


def _stamp(status: os.stat_result | None) -> tuple[int, int] | None:
    return None if status is None else (status.st_mtime_ns, status.st_size)


def _line(error: configparser.Error) -> str:
    number = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), None)
    return f"line {number}" if number else "content"


class TemporaryKey(NamedTuple):
    """What a provider gives, in the order of `fgnb.AccessKey`'s arguments."""

    access_key: str
    secret_key: Secret
    security_token: Secret | None
    expires_at: datetime


def metadata() -> TemporaryKey:
    """Return a key of the agency of the ECS this runs on, from its metadata service.

    Raises:
        ConfigError: the SDK is not installed, this is no ECS, or it has no agency.
    """
    accessor = _sdk("auth.internal", "MetadataAccessor")
    return _key("the metadata service (is this an ECS with an agency?)", lambda: accessor().get_credential())


def oidc() -> TemporaryKey:
    """Return a key of an agency, from STS in return for an OpenID Connect token.

    The environment variables ``HUAWEICLOUD_OIDC_…`` and ``HUAWEICLOUD_SDK_STS_ENDPOINT`` are the SDK's.

    Raises:
        ConfigError: the SDK is not installed, a variable or the token is missing, or STS refused.
    """
    provider = _sdk("auth.provider", "OidcStsCredentialProvider")
    _required(*_OIDC_VARIABLES)
    if not os.environ.get(_OIDC_TOKEN):
        if not os.environ.get(_OIDC_TOKEN_FILE):
            raise ConfigError(f"environment variable {_OIDC_TOKEN_FILE} or {_OIDC_TOKEN} must be set")
        _check_file(f"environment variable {_OIDC_TOKEN_FILE}", os.environ[_OIDC_TOKEN_FILE])

    def ask() -> Any:
        with _http() as http:
            return provider.get_basic().get_credentials().sts_accessor.get_credential(http_client=http)

    return _key("STS", ask)


def pod_identity() -> TemporaryKey:
    """Return a key of the agency of the CCE pod this runs in.

    Raises:
        ConfigError: the SDK is not installed, a variable or the token is missing, or the endpoint refused.
    """
    accessor = _sdk("auth.internal", "PodIdentityAccessor")
    uri, file = _required(_POD_URI, _POD_TOKEN_FILE)
    _check_file(f"environment variable {_POD_TOKEN_FILE}", file)
    return _key("the pod identity endpoint", lambda: accessor(uri, file).get_credential())


def federated(idp_id: str, id_token_file: str, iam_endpoint: str | None = None) -> TemporaryKey:
    """Return a key of a federated user, from IAM in return for an identity provider's token.

    Args:
        idp_id: the identity provider's name in IAM.
        id_token_file: where its token stands.
        iam_endpoint: by default the SDK's, that is ``HUAWEICLOUD_SDK_IAM_ENDPOINT`` or the global one.

    Raises:
        ConfigError: the SDK is not installed, the token is missing, or IAM refused.
    """
    accessor, helper = _sdk("auth.internal", "FederalAccessor"), _sdk("auth.internal", "IamHelper")
    _check_file("id_token_file", id_token_file)
    endpoint = iam_endpoint or helper.get_iam_endpoint()

    def ask() -> Any:
        with _http() as http:
            return accessor().get_credential(
                http_client=http, iam_endpoint=endpoint, idp_id=idp_id, id_token_file=id_token_file
            )

    return _key("IAM", ask)


def _sdk(module: str, name: str) -> Any:
    try:
        return getattr(import_module(f"huaweicloudsdkcore.{module}"), name)
    except (ImportError, AttributeError):
        raise ConfigError(
            "a recent version of the official SDK's core is needed: pip install -U 'fgnb[huaweicloud]'"
        ) from None


def _required(*variables: str) -> list[str]:
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise ConfigError(f"environment variable{plural} {' and '.join(missing)} must be set")
    return [os.environ[name] for name in variables]


def _check_file(setting: str, path: str) -> None:
    if not (Path(path).is_file() and os.access(path, os.R_OK)):
        raise ConfigError(f"{setting}: the file '{path}' does not exist or can't be read")


@contextmanager
def _http() -> Iterator[Any]:
    config = _sdk("http.http_config", "HttpConfig")(timeout=TIMEOUT)
    handler = _sdk("exceptions.exception_handler", "DefaultExceptionHandler")()
    client = _sdk("http.http_client", "HttpClient")(config, None, handler, _SILENT)
    try:
        yield client
    finally:
        client.close()
        client.executor.shutdown()


def _key(service: str, ask: Callable[[], Any]) -> TemporaryKey:
    # Of what the SDK raises, only the type and the HTTP status are said: its texts repeat whole
    # answers. For the same reason it is not chained: nothing is raised within the except block.
    try:
        credential = ask()
        token = credential.security_token
        return TemporaryKey(
            credential.access,
            Secret(credential.secret),
            Secret(token) if token else None,
            _moment(credential.expire_at),
        )
    except Exception as error:
        reason = type(error).__name__
        if (status := _status(error)) is not None:
            reason = f"status {status}, {reason}"
    raise ConfigError(f"{service} gave no usable access key ({reason})")


def _moment(seconds: float) -> datetime:
    # The SDK reads the service's UTC text as if it were local time. Back the same way gives what the
    # text said, except for an hour a year that the local clock skips, where it may be an hour off.
    return datetime(*time.localtime(seconds)[:6], tzinfo=UTC)


def _status(error: BaseException | None) -> int | None:
    while error is not None:
        for holder in (error, getattr(error, "response", None)):
            if isinstance(status := getattr(holder, "status_code", None), int):
                return status
        error = error.__context__  # the SDK puts some answers into plain exceptions
    return None
