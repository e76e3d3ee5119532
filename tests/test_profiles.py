"""Profiles: which file counts, what may stand in it, and that nothing in it is ever repeated."""

import datetime
import os
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb import profiles
from fgnb.errors import ConfigError, ConfigWarning, SecurityWarning
from fgnb.profiles import Profile, checked, find
from fgnb.secret import Secret

CANARY = "Canary7Canary7Canary7"
SECRET_KEYS = (
    "ak", "sk", "AK", "access_key", "access-key-id", "secret_key", "SecretKey", "security_token", "token", "password",
    "auth_token", "x_auth_token", "huaweicloud_sdk_sk", "hw-ak", "pwd", "client_secret",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, some folders below `tmp_path`."""
    folder = tmp_path / "project" / "notebooks"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def users(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own file."""
    folder = tmp_path / "config" / "fgnb"
    folder.mkdir(parents=True)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name, appauthor: str(tmp_path / "config" / name))
    return folder / "fgnb.toml"


def refusal(path: Path, text: str | bytes) -> str:
    """Return the message with which a file is refused, once it is clear that nothing repeats a canary."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        find()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_without_a_file_there_is_no_profile(project: Path) -> None:
    assert find() is None


def test_the_nearest_file_counts(project: Path, users: Path) -> None:
    users.write_text("[default]\ntimeout = 1")
    assert find() == Profile("default", users, {"timeout": 1.0})
    (project.parent.parent / "fgnb.toml").write_text("[default]\ntimeout = 2")
    assert find() == Profile("default", project.parent.parent / "fgnb.toml", {"timeout": 2.0})
    (project / "fgnb.toml").write_text("[default]\nretry_for = 3")
    nearest = find()
    assert nearest == Profile("default", project / "fgnb.toml", {"retry_for": 3.0})
    assert nearest.origin == f"profile 'default' of {project / 'fgnb.toml'}"


def test_a_profile_that_the_nearest_file_has_not_comes_from_the_users(project: Path, users: Path) -> None:
    users.write_text("[default]\ntimeout = 1\n[prod]\ntimeout = 2")
    near = project / "fgnb.toml"
    near.write_text("[dev]\ntimeout = 3")
    assert [find(name, "here").path for name in (None, "prod", "dev")] == [users, users, near]  # type: ignore[union-attr]


def test_an_unknown_profile_is_refused_with_the_nearest_and_all_others(project: Path, users: Path) -> None:
    users.write_text("[prod]")
    near = project / "fgnb.toml"
    near.write_text("[dev]\n[default]")
    with pytest.raises(ConfigError) as caught:
        find("prdo", "environment variable FGNB_PROFILE")
    assert str(caught.value).splitlines() == [
        "no profile is called 'prdo' (environment variable FGNB_PROFILE); did you mean 'prod'?",
        "There are:",
        f"  profile 'dev' of {near}",
        f"  profile 'default' of {near}",
        f"  profile 'prod' of {users}",
    ]


def test_without_any_profile_it_is_said_how_to_begin_one(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"There are no profiles: \[prod\] in a file fgnb.toml begins one"):
        find("prod", "given to connect()")


def test_the_users_file_is_not_read_twice(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.write_text("[prod]")
    monkeypatch.chdir(users.parent)
    with pytest.raises(ConfigError) as caught:
        find("dev", "here")
    assert str(caught.value).count(str(users)) == 1


def test_a_working_directory_that_is_gone_leaves_the_users_file(users: Path, project: Path) -> None:
    users.write_text("[default]\ntimeout = 1")
    project.rmdir()
    found = find()
    assert found is not None
    assert found.path == users


def test_every_setting_is_read_as_it_is_used(project: Path) -> None:
    (project / "fgnb.toml").write_text(
        "\ufeff[default]\nregion = 'cn-north-4'\nendpoint = 'HTTPS://a.example:8443/x/'\niam_endpoint='https://[::1]/'\n"
        "project_id = 'abc123'\ncredentials = 'pod-identity'\ntimeout = 5\nconnect_timeout = 0.5\nretry_for = 0\n"
        "verify = false\nca_bundle = 'certs/ca.pem'\nproxy = 'none'\nlog_bodies = true\n",
        "utf-8",
    )
    found = find()
    assert found is not None
    assert found.values == {
        "region": "cn-north-4", "endpoint": "https://a.example:8443/x", "iam_endpoint": "https://[::1]",
        "project_id": "abc123", "credentials": "pod-identity", "timeout": 5.0, "connect_timeout": 0.5,
        "retry_for": 0.0, "verify": False, "ca_bundle": project / "certs" / "ca.pem", "proxy": Secret("none"),
        "log_bodies": True,
    }  # fmt: skip


@pytest.mark.parametrize(("text", "path"), [("/etc/ca.pem", "/etc/ca.pem"), ("~/ca.pem", "{home}/ca.pem")])
def test_an_absolute_path_stays_as_it_is(project: Path, text: str, path: str) -> None:
    (project / "fgnb.toml").write_text(f"[default]\nca_bundle = '{text}'")
    found = find()
    assert found is not None
    assert found.values["ca_bundle"] == Path(path.format(home=os.environ["HOME"]))


def test_an_unknown_key_is_passed_over_with_a_warning(project: Path) -> None:
    path = project / "fgnb.toml"
    path.write_text("[default]\ntimeuot = 5\nprofile = 'x'\nregion = 'cn-north-4'\n[other]\nunknown = 1")
    with pytest.warns(ConfigWarning) as warned:
        found = find()
    assert found is not None
    assert found.values == {"region": "cn-north-4"}
    assert [str(warning.message) for warning in warned] == [
        f"profile 'default' of {path}: 'timeuot' is not a setting and was passed over; did you mean 'timeout'?",
        f"profile 'default' of {path}: 'profile' is not a setting and was passed over",
    ]


@pytest.mark.parametrize(
    "text",
    [
        *(f"[default]\n{key} = '{CANARY}'" for key in SECRET_KEYS),
        f"[other]\nsk = '{CANARY}'",
        f"sk = '{CANARY}'",
        f"[default.credentials]\naccess_key = '{CANARY}'",
        f"[[default.list]]\nlist = [[{{sk = '{CANARY}'}}]]",
        f"[default]\nproxy = 'http://me:{CANARY}@proxy.example:8080'",
        f"[default]\nproxy = 'http://{CANARY}@proxy.example:8080'",
        f"[default]\nendpoint = 'https://me:{CANARY}@a.example'",
        f"[default]\nanything = ['x', 'ftp://me:{CANARY}@a.example']",
    ],
)
def test_a_secret_is_refused_and_not_repeated(project: Path, text: str) -> None:
    message = refusal(project / "fgnb.toml", text)
    assert "looks like a secret, which fgnb.toml never holds" in message
    assert "environment variables" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"region = ['{CANARY}']", "region .* must be the id of a region"),
        ("region = ''", "region .* must be the id of a region"),
        (f"endpoint = 'ftp://{CANARY}'", "endpoint .* must be 'local' or an http or https URL"),
        (f"endpoint = 'https://a.example?key={CANARY}'", "without user name, password, query and fragment"),
        (f"endpoint = 'https://a.example#{CANARY}'", "endpoint .* must be"),
        (f"endpoint = 'https://a.example:{CANARY}'", "endpoint .* must be"),
        ("endpoint = 'https://a.example:0'", "endpoint .* must be"),
        ("endpoint = 'https://a.example:65536'", "endpoint .* must be"),
        ("endpoint = 'https://'", "endpoint .* must be"),
        ("endpoint = 'https://[::1'", "endpoint .* must be"),
        ('endpoint = "https://a.exam\\nple"', "endpoint .* must be"),
        ("endpoint = 'https://ä.example'", "endpoint .* must be"),
        ("endpoint = 'https://a.example/ä'", "endpoint .* must be"),
        ("iam_endpoint = 'local'", "iam_endpoint .* must be an http or https URL"),
        ("iam_endpoint = 1", "iam_endpoint .* must be"),
        (f"project_id = '{CANARY}!'", "project_id .* must be 1 to 64 letters and digits"),
        ("project_id = 12", "project_id .* must be"),
        (f"project_id = '{CANARY * 4}'", "project_id .* must be"),
        (
            f"credentials = '{CANARY}'",
            "credentials .* must be one of environment, file, prompt, metadata, oidc, pod-id",
        ),
        ("credentials = ['file']", "credentials .* must be one of"),
        ("timeout = 0", "timeout .* must be a number of seconds above 0"),
        ("timeout = true", "timeout .* must be"),
        ("timeout = inf", "timeout .* must be"),
        ("timeout = nan", "timeout .* must be"),
        ("timeout = -1", "timeout .* must be"),
        ("timeout = '5'", "timeout .* must be"),
        (f"timeout = 1{'0' * 400}", "timeout .* must be"),
        ("connect_timeout = 0", "connect_timeout .* must be a number of seconds above 0"),
        ("retry_for = -0.1", "retry_for .* must be a number of seconds, or 0 for never"),
        (f"verify = '{CANARY}'", "verify .* must be true or false; certificate authorities of your own are ca_bundle"),
        ("ca_bundle = true", "ca_bundle .* must be the path"),
        ("ca_bundle = ''", "ca_bundle .* must be the path"),
        (f"proxy = 'socks5://{CANARY}'", "proxy .* must be an http or https URL such as .*, or 'none'"),
        (f"proxy = 'me:{CANARY}@proxy.example:8080'", "proxy .* must be"),
        (f"proxy = 'http://me/x:{CANARY}@proxy.example'", "proxy .* must be"),
        ("proxy = false", "proxy .* must be"),
        ("log_bodies = 1", "log_bodies .* must be true or false"),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_refused(project: Path, line: str, expected: str) -> None:
    path = project / "fgnb.toml"
    with pytest.raises(ConfigError, match=expected):
        raise ConfigError(message := refusal(path, f"[default]\n{line}\n"))
    assert f"(profile 'default' of {path}) must be " in message


def test_a_value_of_another_profile_does_not_matter(project: Path) -> None:
    (project / "fgnb.toml").write_text("[default]\ntimeout = 5\n[other]\ntimeout = 'long'")
    found = find()
    assert found is not None
    assert found.values == {"timeout": 5.0}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"[default]\nregion = {CANARY}", "is not TOML: Invalid value .at line 2, column 10"),
        (f"[default]\n'{CANARY}", "is not TOML: .*at"),
        (f"[default\nregion = '{CANARY}'", "is not TOML: .*line 1"),
        (f"[default]\nregion = '{CANARY}'\nregion = '{CANARY}'", "is not TOML: Cannot overwrite a value .*"),
        (f"[default]\nregion = '{CANARY}' '{CANARY}'", "is not TOML: .*line 2"),
        (f'[default]\nregion = "{CANARY}\\x"', "is not TOML: .*line 2"),
        (f"[default]\ntimeout = {'7' * 5000}", "is not TOML: .*digits"),
        (f"[default]\nx = {'[' * 100_000}", "is not TOML: .*(nested too deep|recursion|nesting)"),
        (f"timeout = '{CANARY}'", r"'timeout' stands outside of a profile: put it below a line \[default\]"),
        (f"[[default]]\nregion = '{CANARY}'", "'default' stands outside of a profile"),
        (b"[default]\nregion = '\xff" + CANARY.encode(), "can't read .*: byte 21 is not UTF-8"),
        (b"#" * 1_000_001, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_file_of_profiles_is_refused(project: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        raise ConfigError(refusal(project / "fgnb.toml", text))


def test_what_cannot_be_read_is_refused(project: Path) -> None:
    path = project / "fgnb.toml"
    path.mkdir()
    with pytest.raises(ConfigError, match=r"can't read .*fgnb.toml: Is a directory"):
        find()
    path.rmdir()
    path.symlink_to(project / "nowhere.toml")
    with pytest.raises(ConfigError, match=r"can't read .*fgnb.toml: No such file"):
        find()


def test_a_key_may_go_as_deep_as_it_likes(project: Path) -> None:
    message = refusal(project / "fgnb.toml", f"[default]\n{'a.' * 2000}sk = '{CANARY}'")
    assert "'sk' in 'default' looks like a secret" in message


def test_a_word_in_place_of_an_endpoint_is_repeated() -> None:
    with pytest.raises(
        ConfigError, match=r"'locla' \(here\) is neither 'local' nor the URL of a service; did you mean 'lo"
    ):
        checked("endpoint", "locla", "here")


def toml(value: Any) -> str:
    """Write a value as TOML, inline."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(name)} = {toml(inner)}' for name, inner in value.items())}}}"
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.sampled_from([*profiles._RULES, "sk", "unknown"]) | TEXTS
SCALARS = (
    TEXTS
    | st.sampled_from(["local", "none", "file", "http://a:1", "https://u:p@h", "http://[", "~", "~x/y"])
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.dates()
    | st.times().map(lambda time: time.replace(fold=0))
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("random"))
        yield Path.cwd()


@given(st.dictionaries(st.just("default") | TEXTS, st.dictionaries(KEYS, VALUES, max_size=5) | VALUES, max_size=3))
def test_whatever_stands_in_a_file_is_read_or_refused(folder: Path, tables: dict[str, Any]) -> None:
    (folder / "fgnb.toml").write_text("\n".join(f"{toml(name)} = {toml(table)}" for name, table in tables.items()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigWarning)
        try:
            found = find()
        except ConfigError as error:
            found, message = None, str(error)
        else:
            message = ""
    assert "not TOML" not in message
    assert found is None or set(found.values) <= set(tables["default"])


@given(st.text("[]=\"'{}\\#.,\n\t 0-:xdefault", max_size=40), st.text("[]=\"'{}\\#.,\n 0-:x", max_size=10))
def test_no_text_brings_up_anything_but_a_clear_error(folder: Path, before: str, after: str) -> None:
    (folder / "fgnb.toml").write_text(f"{before}x = '{CANARY}'{after}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigWarning)
        try:
            find()
        except ConfigError as error:
            shown = "".join(traceback.format_exception(error))
        else:
            shown = ""
    assert CANARY not in shown


@pytest.mark.skipif(os.name != "posix", reason="files have no such owners elsewhere")
@pytest.mark.parametrize(("offset", "counts"), [(0, True), (1, False)], ids=["mine", "another user's"])
def test_a_file_of_another_user_is_passed_over(tmp_path, monkeypatch, offset, counts):
    """Anybody could put one into a shared folder above and say where tokens go."""
    (tmp_path / "fgnb.toml").write_text('[default]\nendpoint = "http://127.0.0.1:1"\n')
    monkeypatch.chdir(tmp_path)
    owner = (tmp_path / "fgnb.toml").stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 7 if offset else owner)
    monkeypatch.setattr(profiles, "TRUSTED", () if offset else (0,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert (find() is not None) is counts
    assert [warning.category for warning in caught] == ([] if counts else [SecurityWarning])
