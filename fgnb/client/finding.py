"""Finds credentials: in the environment, the SDK's file, by a question, a function, or the SDK's providers."""

from __future__ import annotations

import getpass
import inspect
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import NoReturn

from fgnb.client import providers
from fgnb.client.credentials import AccessKey, Credentials, IamToken
from fgnb.client.source import Source
from fgnb.errors import ConfigError, did_you_mean
from fgnb.profiles import CREDENTIAL_KINDS
from fgnb.secret import Secret

AK, SK, SECURITY_TOKEN = "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"
IDP_ID, ID_TOKEN_FILE = "HUAWEICLOUD_SDK_IDP_ID", "HUAWEICLOUD_SDK_ID_TOKEN_FILE"
AUTH_TOKEN = "FGNB_AUTH_TOKEN"  # noqa: S105  # a name


def find(*, clock: Callable[[], float] = time.time) -> Source | None:
    """Return where the default chain finds credentials: the environment, then the SDK's file; None if in neither.

    Raises:
        ConfigError: what is there is incomplete or can't be read.
    """
    return _environment(clock) or _file(clock)


def source(given: object = None, *, clock: Callable[[], float] = time.time) -> Source:
    """Return the source that `given` stands for.

    Args:
        given: credentials, a function without arguments that returns some (called when they are
            needed, and again before they expire), ``environment``, ``file``, ``prompt`` (asks at
            once), ``metadata``, ``oidc``, ``pod-identity``, or None for the default chain.
        clock: seconds since 1970.

    Raises:
        ConfigError: it stands for none, or nothing is there. The message does not repeat it.
    """
    if given is None:
        file = providers.CredentialsFile().origin
        return find(clock=clock) or _nothing(
            f"neither {AK} and {SK} nor {AUTH_TOKEN} are set, and {file} does not exist"
        )
    if isinstance(given, AccessKey | IamToken):
        return Source("given to connect()", held=given, clock=clock)
    if isinstance(given, str):
        return _of_kind(given, clock)
    if callable(given):
        origin = f"function {getattr(given, '__qualname__', type(given).__qualname__)}"
        return Source(origin, fetch=lambda: _called(origin, given), clock=clock)
    raise ConfigError(
        "credentials must be fgnb.AccessKey(...), fgnb.IamToken(...), a function that returns one of them, "
        f"or one of {_KINDS}; not of type {type(given).__name__}"
    )


_PROVIDERS = {
    "metadata": ("agency of this ECS", providers.metadata),
    "oidc": ("agency through OIDC", providers.oidc),
    "pod-identity": ("agency of this pod", providers.pod_identity),
}
_KINDS = ", ".join(f"'{kind}'" for kind in CREDENTIAL_KINDS)


def _of_kind(kind: str, clock: Callable[[], float]) -> Source:
    if kind in _PROVIDERS:
        return _temporary(*_PROVIDERS[kind], clock)
    if kind == "prompt":
        key = _made(kind, lambda: AccessKey(_answer("Access key (AK): "), _answer("Secret key (SK): ")))
        return Source(kind, held=key, clock=clock)
    if kind == "environment":
        return _environment(clock) or _nothing(f"environment variables {AK} and {SK} (or {AUTH_TOKEN}) are not set")
    if kind == "file":
        return _file(clock) or _nothing(f"{providers.CredentialsFile().origin} does not exist")
    # It may be a token, so it is not repeated.
    hint = did_you_mean(kind, CREDENTIAL_KINDS, form="'{}'")
    raise ConfigError(f"credentials, as a text, must be one of {_KINDS}{hint}; a token goes into fgnb.IamToken(...)")


def _nothing(why: str) -> NoReturn:
    raise ConfigError(f"no credentials: {why}; set them there, or give credentials=fgnb.AccessKey(...)")


def _temporary(origin: str, provider: Callable[[], providers.TemporaryKey], clock: Callable[[], float]) -> Source:
    return Source(origin, fetch=lambda: _made(origin, lambda: AccessKey(*provider())), clock=clock)


def _made(origin: str, make: Callable[[], Credentials]) -> Credentials:
    try:
        return make()
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None


def _both(origin: str, values: Mapping[str, Secret], one: str, other: str) -> bool:
    """Return whether both are there rather than none; if only one is, raise ConfigError."""
    if (one in values) != (other in values):
        present, missing = (one, other) if one in values else (other, one)
        raise ConfigError(f"{origin}: {present} is set, but {missing} is missing")
    return one in values


def _environment(clock: Callable[[], float]) -> Source | None:
    names = (AK, SK, SECURITY_TOKEN, IDP_ID, ID_TOKEN_FILE, AUTH_TOKEN)
    values = {name: Secret(os.environ[name]) for name in names if os.environ.get(name, "").strip()}
    token = values.pop(AUTH_TOKEN, None)
    if token and values:
        raise ConfigError(f"environment: {AUTH_TOKEN} and {', '.join(values)} exclude each other: unset one side")
    if token:
        origin = f"environment variable {AUTH_TOKEN}"
        return Source(origin, held=_made(origin, lambda: IamToken(token)), clock=clock)
    if _both("environment", values, IDP_ID, ID_TOKEN_FILE):  # wins over keys, as in the SDK
        origin = f"environment variables {IDP_ID} and {_end_of(ID_TOKEN_FILE)}"
        return _temporary(
            origin, partial(providers.federated, values[IDP_ID].reveal(), values[ID_TOKEN_FILE].reveal()), clock
        )
    if _both("environment", values, AK, SK):
        origin = f"environment variables {AK} and {_end_of(SK)}"
        key = _made(origin, lambda: AccessKey(values[AK].reveal(), values[SK], values.get(SECURITY_TOKEN)))
        return Source(origin, held=key, clock=clock)
    if values:
        raise ConfigError(f"environment: {SECURITY_TOKEN} is set, but {AK} and {SK} are missing")
    return None


def _end_of(name: str) -> str:
    """Return a variable's name without what they all begin with: a table of settings has 50 characters for them."""
    return name.replace("HUAWEICLOUD_SDK", "…")


def _file(clock: Callable[[], float]) -> Source | None:
    file = providers.CredentialsFile()
    if not (file.is_named or file.exists):
        return None
    values = file.read()
    federated = _both(file.origin, values, "idp_id", "id_token_file")
    return Source(
        file.origin,
        held=None if federated else _of_file(file.origin, values),
        fetch=lambda: _of_file(file.origin, file.read()),
        stale=file.changed,
        project_id=_plain(values, "project_id"),
        iam_endpoint=_plain(values, "iam_endpoint"),
        clock=clock,
    )


def _of_file(origin: str, values: Mapping[str, Secret]) -> Credentials:
    if _both(origin, values, "idp_id", "id_token_file"):
        idp, file, iam = values["idp_id"].reveal(), values["id_token_file"].reveal(), _plain(values, "iam_endpoint")
        return _made(origin, lambda: AccessKey(*providers.federated(idp, file, iam)))
    if _both(origin, values, "ak", "sk"):
        return _made(origin, lambda: AccessKey(values["ak"].reveal(), values["sk"], values.get("security_token")))
    raise ConfigError(f"{origin}: neither ak and sk nor idp_id and id_token_file are there")


def _plain(values: Mapping[str, Secret], key: str) -> str | None:
    """Return a value that is not secret; in `values` all are, since tracebacks may show local variables."""
    return values[key].reveal() if key in values else None


def _called(origin: str, function: Callable[[], object]) -> Credentials:
    # What it raises may hold a secret: only the type is said, and nothing is raised within the except block.
    try:
        answer = function()
    except ConfigError as error:  # fgnb's own, which repeat no secret
        problem = f"could not be used: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # the user's own
        problem = f"raised {type(error).__name__}; call it by yourself to see why"
    else:
        if isinstance(answer, AccessKey | IamToken):
            return answer
        if inspect.iscoroutine(answer):
            answer.close()  # else Python complains that it was never awaited
        kind = type(answer).__name__
        del answer  # it may be a secret, and tracebacks may show local variables
        problem = f"returned a value of type {kind}: it must return fgnb.AccessKey(...) or fgnb.IamToken(...)"
    raise ConfigError(f"credentials: {origin} {problem}")


def _answer(question: str) -> str:
    instead = f"set environment variables {AK} and {SK}, or use credentials='file'"
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it comes before the echoing question
        try:
            answer = getpass.getpass(question)
        except (getpass.GetPassWarning, EOFError, OSError, NotImplementedError):  # the last is ipykernel's
            raise ConfigError(f"no way to ask without showing the answer: {instead}") from None
    if not answer.strip():
        raise ConfigError(f"nothing was entered: {instead}")
    return answer
