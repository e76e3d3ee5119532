"""Where credentials come from, when they are refreshed, and that no secret ever shows."""

import contextlib
import copy
import dataclasses
import getpass
import io
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.client import finding, providers
from fgnb.client.credentials import AccessKey, IamToken
from fgnb.client.finding import find, source
from fgnb.client.source import Source
from fgnb.errors import ConfigError, ConfigWarning, SecurityWarning
from fgnb.secret import Secret
from tests.stub import Stub, answer, reset

AK = "ABCDEFGHIJKLMNOP"
CANARY = "canary7f3a9csecret"
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
KINDS = "'environment', 'file', 'prompt', 'metadata', 'oidc', 'pod-identity'"


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def key(ends=None, name=AK):
    return AccessKey(name, CANARY, CANARY, ends)


def everything(error):
    """All that an exception and whatever hangs on it says, also what a traceback would suppress."""
    said, todo = "", [error]
    while todo:
        each = todo.pop()
        said += "".join(traceback.format_exception(each, chain=False)) + repr(each.args) + repr(vars(each))
        todo += [chained for chained in (each.__cause__, each.__context__) if chained is not None]
    return said


@contextlib.contextmanager
def refused(*texts):
    with pytest.raises(ConfigError) as caught:
        yield
    for text in texts:
        assert text in str(caught.value)
    assert CANARY not in everything(caught.value)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in (finding.AK, finding.SK, finding.SECURITY_TOKEN, finding.AUTH_TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.fixture
def write(home):
    def write(text, *, mode=0o600):
        path = home / ".huaweicloud" / "credentials"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def stub():
    stub = Stub(reset)
    yield stub
    stub.close()


# Values


@pytest.mark.parametrize("value", [key(NOW), key(), IamToken(CANARY), IamToken(Secret(CANARY), NOW)])
@pytest.mark.parametrize(
    "show",
    [
        repr, str, "{}".format, "%r".__mod__, dataclasses.asdict, dataclasses.astuple, copy.copy, copy.deepcopy,
        lambda v: pd.Series([v]).to_string(), lambda v: pd.DataFrame({"a": [v]}).to_html(),
        lambda v: json.dumps(v, default=str), lambda v: vars(Source("x", held=v)),
        lambda v: Source("x", held=v).describe(),
    ],
)  # fmt: skip
def test_no_secret_is_shown(value, show):
    assert CANARY not in str(show(value))
    assert CANARY not in repr(show(value))


@pytest.mark.parametrize("value", [key(NOW), IamToken(CANARY)])
@pytest.mark.parametrize("write_", [pickle.dumps, json.dumps, msgspec.json.encode, vars])
def test_no_secret_is_written(value, write_):
    with pytest.raises(TypeError) as caught:
        write_(value)
    assert CANARY not in everything(caught.value)


def test_a_traceback_that_shows_values_shows_no_secret_of_a_key_that_could_not_be_made():
    with pytest.raises(ConfigError) as caught:
        AccessKey("a b", CANARY)
    assert repr(caught.traceback[-1].frame.f_locals["self"]) == "AccessKey(…)"


def test_values():
    assert repr(key(NOW)) == "AccessKey('ABCD…', secret_key=***, security_token=***, expires_at='2027-01-15T08:00:00Z')"
    assert repr(AccessKey(AK, "x")) == "AccessKey('ABCD…', secret_key=***)"
    assert repr(IamToken("x", NOW)) == "IamToken(***, expires_at='2027-01-15T08:00:00Z')"
    assert key() == key()
    assert key() != key(name="other")
    assert copy.deepcopy(key(NOW)) == dataclasses.replace(key(NOW)) == key(NOW)
    assert AccessKey(f" {AK}\n", f"{CANARY}\n").secret_key.reveal() == CANARY
    with pytest.raises(dataclasses.FrozenInstanceError):
        key().access_key = "x"


@pytest.mark.parametrize(
    "moment",
    [
        NOW, int(NOW), "2027-01-15T08:00:00Z", " 2027-01-15T09:00:00.000000+01:00",
        datetime(2027, 1, 15, 8, tzinfo=UTC), datetime(2027, 1, 15, 9, tzinfo=timezone(timedelta(hours=1))),
    ],
)  # fmt: skip
def test_the_end_is_kept_in_utc(moment):
    for value in (AccessKey(AK, "x", expires_at=moment), IamToken("x", moment)):
        assert value.expires_at == datetime(2027, 1, 15, 8, tzinfo=UTC)
        assert value.expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    "wrong",
    [
        CANARY, "2027-01-15T08:00:00", datetime(2027, 1, 15), True, float("nan"), float("inf"), 10**400, b"x",  # noqa: DTZ001
        "0001-01-01T00:00:00+23:00",
    ],
)  # fmt: skip
def test_a_wrong_end_is_refused(wrong):
    with refused("expires_at must be"):
        AccessKey(AK, CANARY, expires_at=wrong)
    with refused("expires_at must be"):
        IamToken(CANARY, wrong)


@pytest.mark.parametrize("wrong", ["", " ", f"{CANARY},", f"{CANARY} x", f"{CANARY}\nx", f"{CANARY}é", None, 5, b"x"])
def test_a_wrong_access_key_is_refused(wrong):
    with refused("access_key must be a text of printable ASCII characters without blanks and commas"):
        AccessKey(wrong, CANARY)


@pytest.mark.parametrize("wrong", ["", f"{CANARY}é", f"{CANARY}\nx", None, CANARY.encode()])
def test_a_wrong_secret_is_refused_by_name(wrong):
    with refused("secret_key must be"):
        AccessKey(AK, wrong)
    with refused("token must be"):
        IamToken(wrong)
    if wrong is not None:
        with refused("security_token must be"):
            AccessKey(AK, CANARY, wrong)


@given(st.text())
def test_every_access_key_that_is_taken_fits_into_the_header(text):
    try:
        taken = AccessKey(text, "x").access_key
    except ConfigError:
        return
    assert taken.isascii()
    assert taken.isprintable()
    assert not set(" ,") & set(taken)


# Refreshing


def counted(*answers):
    """A fetch that gives these in turn, the last one again and again; `calls` counts."""
    todo = list(answers)

    def fetch():
        fetch.calls += 1
        each = todo.pop(0) if len(todo) > 1 else todo[0]
        if isinstance(each, Exception):
            raise each
        return each

    fetch.calls = 0
    return fetch


def test_nothing_is_fetched_before_it_is_needed():
    fetch = counted(key(NOW + 7200))
    asked = Source("here", fetch=fetch, clock=Clock())
    assert (asked.current(), asked.describe(), fetch.calls) == (None, "not asked yet", 0)
    assert asked.get() == asked.get() == asked.current() == key(NOW + 7200)
    assert fetch.calls == 1
    assert asked.describe() == "access key ABCD…, until 2027-01-15T10:00:00Z"


def test_they_are_refreshed_when_less_than_forty_minutes_are_left():
    fetch, clock = counted(key(NOW + 7200), key(NOW + 14400)), Clock()
    asked = Source("here", fetch=fetch, clock=clock)
    asked.get()
    clock.now = NOW + 7200 - 2400 - 1
    assert asked.current() == asked.get() == key(NOW + 7200)
    clock.now += 1
    assert asked.current() is None
    assert asked.get() == key(NOW + 14400)
    assert fetch.calls == 2


def test_short_lived_ones_are_fetched_once_a_minute_at_most():
    fetch, clock = counted(key(NOW + 900)), Clock()
    asked = Source("here", fetch=fetch, clock=clock)
    for clock.now in (NOW, NOW + 1, NOW + 59.9):
        asked.current() or asked.get()
    assert fetch.calls == 1
    clock.now = NOW + 60
    assert asked.current() is None
    asked.get()
    assert fetch.calls == 2


def test_those_that_end_within_a_minute_are_fetched_at_their_end():
    fetch, clock = counted(key(NOW + 20), key(NOW + 40)), Clock()
    asked = Source("here", fetch=fetch, clock=clock)
    asked.get()
    clock.now = NOW + 19
    assert asked.current() == key(NOW + 20)
    clock.now = NOW + 20
    assert asked.current() is None
    assert asked.get() == key(NOW + 40)


def test_those_that_come_expired_are_handed_out_and_asked_for_again_after_a_minute():
    fetch, clock = counted(key(NOW - 5)), Clock()
    asked = Source("here", fetch=fetch, clock=clock)
    assert asked.get() == asked.current() == key(NOW - 5)
    assert asked.describe() == "access key ABCD…, expired at 2027-01-15T07:59:55Z"
    clock.now += 60
    assert asked.current() is None


def test_a_refresh_that_fails_keeps_the_present_ones_as_long_as_they_are_valid(caplog):
    fetch, clock = counted(key(NOW + 3600), ConfigError("here: no answer")), Clock()
    asked = Source("here", fetch=fetch, clock=clock)
    asked.get()
    clock.now = NOW + 3600 - 100
    assert asked.get() == asked.get() == asked.current() == key(NOW + 3600)
    assert fetch.calls == 2  # not asked again at once
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("fgnb.client", "WARNING")
    assert "going on with access key ABCD…, until 2027-01-15T09:00:00Z: here: no answer" in record.message
    clock.now = NOW + 3600
    assert asked.current() is None
    with pytest.raises(ConfigError, match=r"expired at 2027.*, and could not be refreshed: here: no") as caught:
        asked.get()
    assert str(caught.value.__cause__) == "here: no answer"


def test_a_first_failure_is_not_remembered():
    asked = Source("here", fetch=counted(ConfigError("no answer"), key()), clock=Clock())
    with pytest.raises(ConfigError, match="no answer"):
        asked.get()
    assert asked.get() == key()


def test_given_ones_are_handed_out_even_if_expired():
    asked = source(key(NOW - 1), clock=Clock())
    assert asked.get() == asked.current() == key(NOW - 1)
    assert (asked.origin, asked.describe()) == (
        "given to connect()",
        "access key ABCD…, expired at 2027-01-15T07:59:59Z",
    )
    assert source(IamToken("x")).describe() == "IAM token"
    assert source(key()).describe() == "access key ABCD…"


def test_the_headers_that_credentials_become_are_told_as_far_as_they_are_known():
    signed = "SDK-HMAC-SHA256 *** (access key ABCD…)"
    assert source(AccessKey(AK, CANARY)).shown() == {"Authorization": signed}
    assert source(key()).shown() == {"Authorization": signed, "X-Security-Token": "***"}
    assert source(IamToken(CANARY)).shown() == {"X-Auth-Token": "*** (IAM token)"}
    asked = source(lambda: IamToken(CANARY))
    assert asked.shown() == {"Authorization or X-Auth-Token": "*** (not asked yet)"}  # and does not ask
    asked.get()
    assert asked.shown() == {"X-Auth-Token": "*** (IAM token)"}


def test_one_thread_fetches_for_all():
    started, go, fetch = threading.Barrier(20), threading.Event(), counted(key(NOW + 7200))

    def slowly():
        go.wait(10)
        return fetch()

    asked = Source("here", fetch=slowly, clock=Clock())

    def ask():
        started.wait(10)
        assert asked.current() is None
        threading.Timer(0.05, go.set).start()
        return asked.get()

    with ThreadPoolExecutor(20) as pool:
        answers = [future.result(10) for future in [pool.submit(ask) for _ in range(20)]]
    assert answers == [key(NOW + 7200)] * 20
    assert fetch.calls == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_lock_that_is_held_at_a_fork_is_free_in_the_child():
    fetching, go = threading.Event(), threading.Event()
    parent = os.getpid()

    def fetch():
        if os.getpid() == parent:
            fetching.set()
            go.wait(10)
        return key()

    asked = Source("here", fetch=fetch)
    thread = threading.Thread(target=asked.get)
    thread.start()
    fetching.wait(10)
    child = os.fork()
    if child == 0:
        threading.Timer(10, os._exit, [1]).start()
        os._exit(0 if asked.get() == key() else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go.set()
    thread.join()


# The environment


def test_nothing_is_found():
    assert find() is None
    with refused(
        "neither HUAWEICLOUD_SDK_AK", "FGNB_AUTH_TOKEN", ".huaweicloud/credentials does not exist", "AccessKey("
    ):
        source()
    with refused("environment variables HUAWEICLOUD_SDK_AK and"):
        source("environment")
    with refused(".huaweicloud/credentials does not exist"):
        source("file")


def test_keys_of_the_environment(monkeypatch, write):
    write("[basic]\nak = FILE\nsk = x\n")
    monkeypatch.setenv(finding.AK, f" {AK} ")
    monkeypatch.setenv(finding.SK, f"{CANARY}\n")
    for asked in (find(), source(), source("environment")):
        assert asked.origin == "environment variables HUAWEICLOUD_SDK_AK and …_SK"
        assert len(asked.origin) < pd.get_option("display.max_colwidth")  # so that Session.describe() shows it whole
        assert asked.current() == asked.get() == AccessKey(AK, CANARY)
        assert (asked.project_id, asked.iam_endpoint) == (None, None)
    monkeypatch.setenv(finding.SECURITY_TOKEN, CANARY)
    assert find().get() == key()
    monkeypatch.setenv(finding.SK, " ")
    with refused("HUAWEICLOUD_SDK_AK is set, but HUAWEICLOUD_SDK_SK is missing"):
        find()


def test_a_token_of_the_environment(monkeypatch):
    monkeypatch.setenv(finding.AUTH_TOKEN, CANARY)
    assert find().origin == "environment variable FGNB_AUTH_TOKEN"
    assert find().get() == IamToken(CANARY)


@pytest.mark.parametrize(
    ("variables", "texts"),
    [
        ("AK", ["HUAWEICLOUD_SDK_AK is set, but HUAWEICLOUD_SDK_SK is missing"]),
        ("SK", ["HUAWEICLOUD_SDK_SK is set, but HUAWEICLOUD_SDK_AK is missing"]),
        ("SECURITY_TOKEN", ["SECURITY_TOKEN is set", "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK are missing"]),
        ("IDP_ID", ["HUAWEICLOUD_SDK_IDP_ID is set, but HUAWEICLOUD_SDK_ID_TOKEN_FILE is missing"]),
        ("ID_TOKEN_FILE AK SK", ["HUAWEICLOUD_SDK_IDP_ID is missing"]),
        ("AK SK AUTH_TOKEN", ["FGNB_AUTH_TOKEN and HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK exclude", "unset"]),
        ("IDP_ID ID_TOKEN_FILE AUTH_TOKEN", ["exclude each other"]),
    ],
)
def test_halves_and_contradictions_of_the_environment(monkeypatch, variables, texts):
    for name in variables.split():
        monkeypatch.setenv(getattr(finding, name), CANARY)
    with refused(*texts):
        find()


def test_a_key_of_the_environment_that_no_header_can_carry(monkeypatch):
    monkeypatch.setenv(finding.AK, f"{CANARY},")
    monkeypatch.setenv(finding.SK, CANARY)
    with refused("environment variables HUAWEICLOUD_SDK_AK and …_SK: ", "access_key must be"):
        find()
    monkeypatch.delenv(finding.AK)
    monkeypatch.delenv(finding.SK)
    monkeypatch.setenv(finding.AUTH_TOKEN, f"{CANARY}é")
    with refused("environment variable FGNB_AUTH_TOKEN: token must be"):
        find()


# The file


def test_keys_of_the_file(write):
    path = write(
        f"\ufeff[global]\nak = x\n[basic]\nAK = {AK}\nsk: {CANARY}\nsecurity_token={CANARY}\n"
        "project_id = p1\niam_endpoint = https://iam.example.com\n"
    )
    for asked in (find(), source(), source("file")):
        assert asked.origin == f"file {path}"
        assert asked.current() == asked.get() == key()
        assert (asked.project_id, asked.iam_endpoint) == ("p1", "https://iam.example.com")
        assert asked.describe() == "access key ABCD…"


def test_a_percent_sign_is_one(write):
    write(f"[basic]\nak = {AK}\nsk = a%b%(ak)s%%\n")
    assert find().get().secret_key.reveal() == "a%b%(ak)s%%"


def test_the_file_that_the_variable_names(monkeypatch, tmp_path):
    path = tmp_path / "elsewhere"
    monkeypatch.setenv(providers.FILE_VARIABLE, str(path))
    for ask in (find, source, partial(source, "file")):
        with refused(str(path), "can't be read: No such file", "HUAWEICLOUD_SDK_CREDENTIALS_FILE"):
            ask()
    path.write_text(f"[basic]\nak = {AK}\nsk = {CANARY}\n")
    path.chmod(0o600)
    assert find().get() == AccessKey(AK, CANARY)
    monkeypatch.setenv(providers.FILE_VARIABLE, "~/elsewhere")
    assert find().origin == f"file {path}"


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (f"[global]\nsk = {CANARY}\n", ["has no section [basic]"]),
        ("", ["has no section [basic]"]),
        (f"sk = {CANARY}\n", ["line 1: not an INI file"]),
        (f"[basic]\nak = x\n{CANARY}\n", ["line 3: not an INI file"]),
        (f"[basic]\nsk = {CANARY}\nsk = {CANARY}\n", ["line 3:", "twice"]),
        (f"[basic]\nsk = {CANARY}\n[basic]\n", ["line 3:", "twice"]),
        (f"[basic]\nsk = {CANARY}\n".encode() + b"\xff", ["is not UTF-8"]),
        (f"[basic]\nsk = {CANARY}\n", ["sk is set, but ak is missing"]),
        ("[basic]\nak = x\nsk =\n", ["ak is set, but sk is missing"]),
        (f"[basic]\nsecurity_token = {CANARY}\n", ["neither ak and sk nor idp_id and id_token_file"]),
        ("[basic]\nidp_id = x\nak = x\nsk = y\n", ["idp_id is set, but id_token_file is missing"]),
        (f"[basic]\nak = x\n  sk = {CANARY}\nsk = {CANARY}\n", ["access_key must be"]),
        (f"[basic]\nak = {AK}\nsk = {CANARY}é\n", ["secret_key must be"]),
    ],
)
def test_a_broken_file_is_told_without_its_content(write, text, texts):
    path = write(text)
    with refused(f"file {path}", *texts):
        find()


def test_a_directory_is_no_file(home):
    (home / ".huaweicloud" / "credentials").mkdir(parents=True)
    with refused("can't be read: Is a directory"):
        find()


@given(st.text(st.sampled_from("[]basicksp =:%;#\n\r\t x\0é{")))
def test_no_file_does_anything_else_than_being_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("file") / "credentials"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigWarning)
        patch.setenv(providers.FILE_VARIABLE, str(path))
        try:
            asked = find()
        except ConfigError:
            return
    assert isinstance(asked.get(), AccessKey)


def test_unknown_keys_are_warned_about_without_showing_secrets(write):
    path = write(f"[basic]\nak = {AK}\nsk = {CANARY}\n{CANARY}=\nproject = p\n")
    with pytest.warns(ConfigWarning) as caught:
        find()
    said = sorted(str(each.message) for each in caught)
    assert said == [
        f"file {path}, line 4: an unknown key was passed over; known are ak, sk, security_token, project_id, "
        "iam_endpoint, idp_id, id_token_file",
        f"file {path}, line 5: unknown key 'project' was passed over; did you mean project_id?",
    ]


@pytest.mark.skipif(os.name == "nt", reason="no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_warned_about_once(write, mode):
    path = write(f"[basic]\nak = {AK}\nsk = {CANARY}\n", mode=mode)
    with pytest.warns(SecurityWarning, match="can be read by others: chmod 600 .*credentials") as caught:
        assert find().get() == find().get()
    assert len(caught) == 1
    assert CANARY not in str(caught[0].message)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_was_written_anew_is_read_again(write, caplog):
    write(f"[basic]\nak = {AK}\nsk = {CANARY}\n")
    asked = find()
    asked.get()
    path = write(f"[basic]\nak = NEWER\nsk = {CANARY}2\n")
    assert asked.current() is None
    assert asked.get() == asked.current() == AccessKey("NEWER", f"{CANARY}2")
    path.write_text(f"[basic]\n{CANARY}")
    assert asked.get() == asked.get() == AccessKey("NEWER", f"{CANARY}2")
    path.unlink()
    assert asked.get() == AccessKey("NEWER", f"{CANARY}2")
    assert len(caplog.records) == 2
    assert "line 2" in caplog.messages[0]
    assert CANARY not in caplog.text


# What is given


def test_a_function_is_called_when_needed_and_before_the_end():
    clock, function = Clock(), counted(key(NOW + 7200), IamToken(CANARY))
    function.__qualname__ = "keys"
    asked = source(function, clock=clock)
    assert (asked.origin, asked.current(), function.calls) == ("function keys", None, 0)
    assert asked.get() == key(NOW + 7200)
    clock.now = NOW + 7000
    assert asked.get() == IamToken(CANARY)
    clock.now = NOW * 2
    assert asked.current() == IamToken(CANARY)


def test_a_function_is_asked_again_after_a_refusal_but_not_all_the_time():
    clock, function = Clock(), counted(IamToken(CANARY), IamToken("another"))
    asked = source(function, clock=clock)
    asked.refused()  # nothing was asked for yet
    assert asked.get() == IamToken(CANARY)
    assert asked.current() is not None, "it does not say when it expires"
    clock.now += 61
    asked.refused()
    assert asked.current() is None
    assert asked.get() == IamToken("another")
    asked.refused()
    assert asked.current() == IamToken("another"), "just asked"
    clock.now += 61
    assert asked.current() is None
    held = source(IamToken(CANARY), clock=clock)
    held.refused()
    assert held.current() == IamToken(CANARY), "there is nobody to ask"


def test_what_a_function_raises_is_not_repeated():
    def keys():
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(CANARY) from error

    asked = source(keys)
    with refused("keys raised ValueError"):
        asked.get()
    assert CANARY not in repr(vars(source(partial(keys, CANARY))))
    with refused("function partial raised TypeError"):
        source(partial(keys, CANARY)).get()


def test_an_interrupt_passes_through_a_function():
    def keys():
        raise KeyboardInterrupt

    asked = source(keys)
    with pytest.raises(KeyboardInterrupt):
        asked.get()
    with pytest.raises(KeyboardInterrupt):  # the lock is free
        asked.get()


async def asynchronous():
    return key()


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (asynchronous, "coroutine"), (lambda: CANARY, "str"), (lambda: (AK, CANARY), "tuple"),
        (lambda: None, "NoneType"), (lambda: {"sk": CANARY}, "dict"),
    ],
)  # fmt: skip
def test_a_function_that_returns_something_else(function, kind):
    with refused(f"returned a value of type {kind}", "must return fgnb.AccessKey"):
        source(function).get()


@pytest.mark.parametrize("wrong", [(AK, CANARY), [CANARY], {"sk": CANARY}, 5, CANARY.encode(), Secret(CANARY)])
def test_what_stands_for_no_credentials(wrong):
    with refused("credentials must be fgnb.AccessKey(...)", KINDS, f"not of type {type(wrong).__name__}"):
        source(wrong)


def test_an_unknown_text_is_not_repeated():
    with refused(f"must be one of {KINDS}; a token goes into fgnb.IamToken"):
        source(CANARY)
    with refused("did you mean 'environment'?"):
        source("enviroment")


# The prompt


def test_the_prompt_asks_at_once_and_once(monkeypatch):
    asked_for, answers = [], [AK, CANARY]
    monkeypatch.setattr(getpass, "getpass", lambda text: asked_for.append(text) or answers.pop(0))
    asked = source("prompt")
    assert asked.get() == asked.current() == AccessKey(AK, CANARY)
    assert asked_for == ["Access key (AK): ", "Secret key (SK): "]
    assert (asked.origin, asked.describe()) == ("prompt", "access key ABCD…")


class StdinNotImplementedError(NotImplementedError):
    """As ipykernel's."""


@pytest.mark.parametrize("error", [StdinNotImplementedError("no"), EOFError(), OSError("no tty")])
def test_where_nobody_can_be_asked(monkeypatch, error):
    def fail(text):
        raise error

    monkeypatch.setattr(getpass, "getpass", fail)
    with refused("prompt: no way to ask", "HUAWEICLOUD_SDK_AK"):
        source("prompt")


def test_no_answer_is_read_where_it_would_be_echoed(monkeypatch):
    monkeypatch.setattr(getpass, "getpass", getpass.fallback_getpass)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{AK}\n{CANARY}\n"))
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user may have it
        with refused("no way to ask without showing the answer"):
            source("prompt")


def test_an_empty_answer_and_an_interrupt(monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda text: " ")
    with refused("nothing was entered"):
        source("prompt")

    def interrupt(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(getpass, "getpass", interrupt)
    with pytest.raises(KeyboardInterrupt):
        source("prompt")


# The SDK's providers


ENDS = "2027-01-15T10:00:00.000000Z"
CREDENTIAL = {"credential": {"access": AK, "secret": CANARY, "securitytoken": CANARY, "expires_at": ENDS}}


@pytest.fixture
def internal():
    return pytest.importorskip("huaweicloudsdkcore.auth.internal")


@pytest.fixture
def metadata(stub, monkeypatch, internal):
    monkeypatch.setattr(internal.MetadataAccessor, "_METADATA_ENDPOINT", stub.url)
    return source("metadata", clock=Clock())


@pytest.fixture
def id_token(tmp_path):
    path = tmp_path / "id-token"
    path.write_text(CANARY)
    return path


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("token", [answer(200, CANARY.encode()), answer(404), answer(405), answer(503)])
def test_metadata(metadata, stub, monkeypatch, zone, token):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        stub.script = [token, answer(200, CREDENTIAL)]
        assert metadata.get() == metadata.current() == key("2027-01-15T10:00:00Z")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [request[:2] for request in stub.requests] == [
        ("PUT", "/meta-data/latest/api/token"),
        ("GET", "/openstack/latest/securitykey"),
    ]
    assert metadata.describe() == "access key ABCD…, until 2027-01-15T10:00:00Z"


def test_metadata_is_refreshed(metadata, stub):
    later = {"credential": {**CREDENTIAL["credential"], "access": "LATER", "expires_at": "2027-01-16T10:00:00.000000Z"}}
    stub.script = [answer(404), answer(200, CREDENTIAL), answer(404), answer(200, later)]
    metadata.get()
    metadata._clock.now += 7200 - 2400
    assert metadata.current() is None
    assert metadata.get().access_key == "LATER"


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (answer(404, {"error": CANARY}), "status 404, ClientRequestException"),
        (answer(500, CANARY.encode()), "status 500, ClientRequestException"),
        (answer(200, CANARY.encode()), "(JSONDecodeError)"),
        (answer(200, {"credential": {"access": AK, "secret": CANARY}}), "(TypeError)"),
        (
            answer(200, {"credential": {**CREDENTIAL["credential"], "secret": f"{CANARY}é"}}),
            "secret_key must be a text of printable ASCII",
        ),
        (answer(200, {"credential": {**CREDENTIAL["credential"], "access": f"{CANARY},"}}), "access_key must be"),
        (answer(200, {"credential": {**CREDENTIAL["credential"], "expires_at": CANARY}}), "(ValueError)"),
        (reset, "(ConnectionError)"),
    ],
)
def test_metadata_that_fails(metadata, stub, caplog, behaviour, text):
    caplog.set_level(logging.DEBUG)
    stub.script = [answer(404), behaviour]
    with refused("agency of this ECS: ", text):
        metadata.get()
    assert CANARY not in caplog.text


def test_pod_identity(stub, monkeypatch, internal, id_token, caplog):
    caplog.set_level(logging.DEBUG)
    asked = source("pod-identity", clock=Clock())
    with refused("HC_CONTAINER_CREDENTIALS_FULL_URI and HC_CONTAINER_AUTHORIZATION_TOKEN_FILE must be set"):
        asked.get()
    monkeypatch.setenv("HC_CONTAINER_CREDENTIALS_FULL_URI", f"{stub.url}/pod")
    monkeypatch.setenv("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", f"{id_token}.gone")
    with refused("agency of this pod: ", "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", "does not exist or can't be read"):
        asked.get()
    monkeypatch.setenv("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(id_token))
    stub.script = [answer(403, {"error": CANARY}), answer(200, CREDENTIAL)]
    with refused("status 403"):
        asked.get()
    assert asked.get() == key("2027-01-15T10:00:00Z")
    assert stub.requests[-1] == ("POST", "/pod", b"{}")
    assert CANARY not in caplog.text


def test_oidc(stub, monkeypatch, internal, id_token, caplog):
    caplog.set_level(logging.DEBUG)
    asked = source("oidc", clock=Clock())
    monkeypatch.setenv("HUAWEICLOUD_SDK_STS_ENDPOINT", stub.url)
    monkeypatch.setenv("HUAWEICLOUD_OIDC_PROVIDER_URN", "provider")
    with refused("environment variable HUAWEICLOUD_OIDC_AGENCY_URN must be set"):
        asked.get()
    monkeypatch.setenv("HUAWEICLOUD_OIDC_AGENCY_URN", "agency")
    with refused("HUAWEICLOUD_OIDC_TOKEN_FILE or HUAWEICLOUD_OIDC_ID_TOKEN must be set"):
        asked.get()
    monkeypatch.setenv("HUAWEICLOUD_OIDC_TOKEN_FILE", f"{id_token}.gone")
    with refused("HUAWEICLOUD_OIDC_TOKEN_FILE: the file", "does not exist"):
        asked.get()
    monkeypatch.setenv("HUAWEICLOUD_OIDC_TOKEN_FILE", str(id_token))
    given_ = {"access_key_id": AK, "secret_access_key": CANARY, "security_token": CANARY, "expiration": ENDS}
    stub.script = [reset, answer(401, {"error_code": "x", "error_msg": CANARY}), answer(200, {"credentials": given_})]
    with refused("agency through OIDC: STS gave no usable access key (ConnectionException)"):
        asked.get()
    with refused("status 401, SdkException"):
        asked.get()
    id_token.write_text("a-newer-token")
    assert asked.get() == key("2027-01-15T10:00:00Z")
    method, path, body = stub.requests[-1]
    assert (method, path) == ("POST", "/v5/agencies/assume-with-oidc")
    assert json.loads(body)["id_token"] == "a-newer-token"
    monkeypatch.setenv("HUAWEICLOUD_OIDC_ID_TOKEN", "the-token-itself")
    assert source("oidc", clock=Clock()).get() == key("2027-01-15T10:00:00Z")
    assert json.loads(stub.requests[-1][2])["id_token"] == "the-token-itself"
    assert CANARY not in caplog.text
    assert "occurred" not in caplog.text  # as the SDK begins what it logs of a failure


@pytest.fixture
def iam(stub):
    stub.script = [answer(201, X_Subject_Token=CANARY, body={"token": {}}), answer(201, CREDENTIAL)]
    return stub


def test_a_federated_user_of_the_environment(iam, monkeypatch, internal, id_token, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(finding.AK, "PASSED")
    monkeypatch.setenv(finding.SK, "over")
    monkeypatch.setenv(finding.IDP_ID, "provider")
    monkeypatch.setenv(finding.ID_TOKEN_FILE, f"{id_token}.gone")
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", iam.url)
    with refused("HUAWEICLOUD_SDK_IDP_ID and …_ID_TOKEN_FILE: id_token_file: the file", "does not exist"):
        find().get()
    monkeypatch.setenv(finding.ID_TOKEN_FILE, str(id_token))
    asked = find(clock=Clock())
    assert asked.origin == "environment variables HUAWEICLOUD_SDK_IDP_ID and …_ID_TOKEN_FILE"
    assert (asked.current(), iam.requests) == (None, [])
    assert asked.get() == key("2027-01-15T10:00:00Z")
    assert [request[1] for request in iam.requests] == [
        "/v3.0/OS-AUTH/id-token/tokens",
        "/v3.0/OS-CREDENTIAL/securitytokens",
    ]
    assert CANARY not in caplog.text


def test_a_federated_user_of_the_file(iam, write, internal, id_token):
    write(f"[basic]\nidp_id = provider\nid_token_file = {id_token}\niam_endpoint = {iam.url}\nak = PASSED\nsk = over\n")
    asked = find(clock=Clock())
    assert asked.iam_endpoint == iam.url
    assert asked.current() is None
    assert asked.get() == asked.current() == key("2027-01-15T10:00:00Z")


@pytest.mark.parametrize("kind", ["metadata", "oidc", "pod-identity"])
def test_the_sdk_is_asked_for_where_it_is_missing(monkeypatch, kind):
    for module in ("huaweicloudsdkcore", "huaweicloudsdkcore.auth.internal", "huaweicloudsdkcore.auth.provider"):
        monkeypatch.setitem(sys.modules, module, None)
    with refused("pip install -U 'fgnb[huaweicloud]'"):
        source(kind).get()


def test_the_sdk_is_not_imported_before_it_is_needed():
    code = (
        "import sys; from fgnb.client.finding import source; source('metadata'); "
        "print('huaweicloudsdkcore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
