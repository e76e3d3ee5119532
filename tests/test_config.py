"""Settings: which place goes first, where to connect, what is refused, and that nothing shows a secret."""

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fgnb.config import GIVEN, LOCAL_PROJECT, LOOKED_UP, Found, Setting, Settings, is_loopback, settle
from fgnb.errors import ConfigError

CLOUD = "https://functiongraph.cn-north-4.myhuaweicloud.com"
SERVED = "http://127.0.0.1:9000"
ELSEWHERE = "https://flows.example.com"
CANARY = "Canary7Canary7Canary7"


@dataclass(frozen=True)
class Keys:
    """Credentials as a source of them would tell of them."""

    origin: str = "test keys"
    project_id: str | None = None
    iam_endpoint: str | None = None

    def describe(self) -> str:
        return "access key ABCD…"

    def shown(self) -> dict[str, str]:
        return {"Authorization": "***"}


class Finder:
    """Finds what it was made with, and remembers what it was asked for."""

    def __init__(self, found: Found | None = None) -> None:
        self.found = found
        self.asked: list[Any] = []

    def __call__(self, kind: Any) -> Found | None:
        self.asked.append(kind)
        return self.found


KEYS = Finder(Keys())
NOTHING = Finder()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without any file of profiles above it or in the user's config directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "HW_REGION_NAME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def profile(folder: Path) -> Callable[[str], Path]:
    """Write the file of profiles."""

    def write(text: str) -> Path:
        (folder / "fgnb.toml").write_text(text)
        return folder / "fgnb.toml"

    return write


def connected(settings: Settings) -> tuple[str, str | None]:
    return settings.endpoint.value, settings.region.value


def refused(*args: Any, find: Finder = NOTHING, **given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        settle(*args, find=find, **given)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_without_anything_it_is_the_embedded_service_and_nobody_is_asked_for_credentials() -> None:
    find = Finder(Keys())
    settings = settle(find=find)
    assert settings.is_local
    assert settings.endpoint == Setting("local", "default")
    assert settings.project_id == Setting(LOCAL_PROJECT, "default")
    assert settings.credentials is None
    assert find.asked == []


FILE = "[default]\n{default}\n[prod]\nregion = 'cn-east-3'\n[bare]\ntimeout = 5\n"


@pytest.mark.parametrize(
    ("given", "variables", "default", "expected"),
    [
        # What is given goes over everything.
        ({"target": "local"}, {"FGNB_ENDPOINT": SERVED}, "region = 'cn-south-1'", ("local", None)),
        ({"target": SERVED}, {"FGNB_ENDPOINT": ELSEWHERE}, "region = 'cn-south-1'", (SERVED, None)),
        ({"endpoint": SERVED}, {"FGNB_REGION": "cn-east-2"}, "", (SERVED, None)),
        ({"target": SERVED, "region": "cn-east-2"}, {}, "", (SERVED, "cn-east-2")),
        ({"region": "cn-north-4"}, {"FGNB_ENDPOINT": SERVED}, f"endpoint = '{ELSEWHERE}'", (CLOUD, "cn-north-4")),
        ({"region": "cn-north-4"}, {"FGNB_REGION": "cn-east-2"}, "", (CLOUD, "cn-north-4")),
        ({"region": "cn-north-4", "profile": "prod"}, {}, "", (CLOUD, "cn-north-4")),
        ({"endpoint": ELSEWHERE, "profile": "prod"}, {"FGNB_REGION": "cn-east-2"}, "", (ELSEWHERE, "cn-east-3")),
        # A profile that is given goes over the variables, any other one after them.
        ({"profile": "prod"}, {"FGNB_ENDPOINT": SERVED}, "", (CLOUD.replace("north-4", "east-3"), "cn-east-3")),
        ({"profile": "prod"}, {"FGNB_REGION": "cn-north-4"}, "", (CLOUD.replace("north-4", "east-3"), "cn-east-3")),
        ({"profile": "bare"}, {"FGNB_ENDPOINT": SERVED}, "", (SERVED, None)),
        ({}, {"FGNB_PROFILE": "prod", "FGNB_ENDPOINT": SERVED}, "", (SERVED, None)),
        ({}, {"FGNB_PROFILE": "prod", "FGNB_REGION": "cn-north-4"}, "", (CLOUD, "cn-north-4")),
        ({}, {"FGNB_PROFILE": "prod"}, f"endpoint = '{SERVED}'", (CLOUD.replace("north-4", "east-3"), "cn-east-3")),
        ({}, {"FGNB_ENDPOINT": SERVED}, "region = 'cn-south-1'", (SERVED, None)),
        ({}, {"FGNB_ENDPOINT": "local"}, "region = 'cn-south-1'", ("local", None)),
        ({}, {"FGNB_ENDPOINT": ELSEWHERE}, "region = 'cn-south-1'", (ELSEWHERE, None)),
        ({}, {"FGNB_ENDPOINT": f" {SERVED}/ "}, "", (SERVED, None)),
        ({}, {"FGNB_ENDPOINT": " "}, "region = 'cn-north-4'", (CLOUD, "cn-north-4")),
        # The default profile goes before the cloud by chance.
        ({}, {"FGNB_REGION": "cn-north-4"}, f"endpoint = '{SERVED}'", (SERVED, None)),
        ({}, {"FGNB_REGION": "cn-north-4"}, "endpoint = 'local'", ("local", None)),
        ({}, {"FGNB_REGION": "cn-north-4"}, f"endpoint = '{ELSEWHERE}'", (ELSEWHERE, "cn-north-4")),
        ({}, {"HW_REGION_NAME": "cn-east-2"}, f"endpoint = '{ELSEWHERE}'", (ELSEWHERE, None)),
        ({}, {"HW_REGION_NAME": "cn-east-2"}, f"endpoint = '{SERVED}'\nregion = 'xx-1'", (SERVED, "xx-1")),
        ({}, {"FGNB_REGION": "cn-north-4"}, "region = 'cn-south-1'", (CLOUD, "cn-north-4")),
        ({}, {"HW_REGION_NAME": "cn-east-2"}, "region = 'cn-north-4'", (CLOUD, "cn-north-4")),
        # The cloud by chance.
        ({}, {"FGNB_REGION": "cn-north-4", "HW_REGION_NAME": "cn-east-2"}, "", (CLOUD, "cn-north-4")),
        ({}, {"HW_REGION_NAME": "cn-north-4"}, "timeout = 5", (CLOUD, "cn-north-4")),
        ({"credentials": "file"}, {"HW_REGION_NAME": "cn-north-4"}, "", (CLOUD, "cn-north-4")),
        # The region of a host in the cloud is its own.
        ({"target": CLOUD}, {"FGNB_REGION": "cn-east-2"}, "region = 'cn-south-1'", (CLOUD, "cn-north-4")),
        ({"target": CLOUD, "region": "cn-north-4"}, {}, "", (CLOUD, "cn-north-4")),
        ({"target": "https://iam.myhuaweicloud.com"}, {}, "", ("https://iam.myhuaweicloud.com", None)),
    ],
)
def test_where_to_connect(
    given: dict[str, Any],
    variables: dict[str, str],
    default: str,
    expected: tuple[str, str | None],
    profile: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile(FILE.format(default=default))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert connected(settle(**given, find=KEYS)) == expected


@pytest.mark.parametrize("variable", ["FGNB_REGION", "HW_REGION_NAME"])
def test_a_region_by_chance_without_credentials_is_the_embedded_service(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "cn-north-4")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = settle(find=NOTHING)
    told = [str(warning.message).partition(":")[0] for warning in caught]
    # Terraform's variable does not say that fgnb is to go to the cloud.
    ours = ["environment variable FGNB_REGION says cn-north-4, but there are no credentials for it"]
    assert told == (ours if variable == "FGNB_REGION" else [])
    assert settings.endpoint == Setting("local", "default, since a region is set but no credentials are")
    assert settings.region == Setting(None, "default")


def test_origins_name_the_place(profile: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = profile("[default]\nregion = 'cn-north-4'\ntimeout = 5\ncredentials = 'file'")
    monkeypatch.setenv("FGNB_REGION", "cn-east-2")
    find = Finder(Keys(project_id="beside1", iam_endpoint="https://iam.beside.example"))
    settings = settle(find=find, retry_for=0)
    east = "https://functiongraph.cn-east-2.myhuaweicloud.com"
    assert find.asked == ["file"]
    assert settings == Settings(
        unnamed=f"profile 'default' of {path}",
        profile=Setting("default", str(path)),
        region=Setting("cn-east-2", "environment variable FGNB_REGION"),
        endpoint=Setting(east, "region cn-east-2"),
        iam_endpoint=Setting("https://iam.beside.example", "test keys"),
        project_id=Setting("beside1", "test keys"),
        timeout=Setting(5.0, f"profile 'default' of {path}"),
        connect_timeout=Setting(10.0, "default"),
        retry_for=Setting(0.0, GIVEN),
        verify=Setting(True, "default"),
        ca_bundle=Setting(None, "default"),
        proxy=Setting(None, "default"),
        log_bodies=Setting(False, "default"),
        credentials=find.found,
    )
    path = profile("[prod]\nregion = 'cn-north-4'")
    assert settle(find=KEYS, profile="prod").profile == Setting("prod", f"{GIVEN}, in {path}")
    monkeypatch.setenv("FGNB_PROFILE", "prod")
    assert settle(find=KEYS).profile == Setting("prod", f"environment variable FGNB_PROFILE, in {path}")


def test_each_setting_comes_from_the_first_place_that_has_it(
    profile: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Finder(Keys(project_id="beside", iam_endpoint="https://beside.example"))

    def effective(**given: Any) -> tuple[str | None, str | None]:
        settings = settle(find=find, **({"region": "cn-north-4"} | given))
        return settings.project_id.value, settings.iam_endpoint.value

    assert effective() == ("beside", "https://beside.example")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", " variable ")
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://variable.example/")
    assert effective() == ("variable", "https://variable.example")
    profile("[mine]\nproject_id = 'profile'\niam_endpoint = 'https://profile.example'\n[default]\nproject_id = 'other'")
    assert effective(profile="mine") == ("profile", "https://profile.example")
    assert effective(profile="mine", project_id="given") == ("given", "https://profile.example")
    assert effective() == ("variable", "https://variable.example")  # `default` is for who names no place


def test_a_named_profile_that_names_no_place_is_refused(profile: Callable[[str], Path]) -> None:
    """The embedded service would take what was meant for the cloud."""
    profile("[prod]\nproject_id = 'p'")
    with pytest.raises(ConfigError, match=r"profile 'prod' \(given to connect\(\)\) says neither endpoint nor region"):
        settle(profile="prod", find=KEYS)


@pytest.mark.parametrize(
    ("given", "find", "expected", "iam"),
    [
        ({"region": "cn-north-4"}, KEYS, Setting(None, LOOKED_UP), "https://iam.cn-north-4.myhuaweicloud.com"),
        ({"target": CLOUD}, KEYS, Setting(None, LOOKED_UP), "https://iam.cn-north-4.myhuaweicloud.com"),
        ({"target": SERVED}, KEYS, Setting(LOCAL_PROJECT, "default"), None),
        ({"target": SERVED}, NOTHING, Setting(LOCAL_PROJECT, "default"), None),
        ({"target": ELSEWHERE}, KEYS, Setting(LOCAL_PROJECT, "default"), None),
        ({"target": ELSEWHERE, "region": "xx-1"}, KEYS, Setting(None, LOOKED_UP), "https://iam.myhuaweicloud.com"),
        (
            {"target": ELSEWHERE, "region": "xx-1"},
            NOTHING,
            Setting(LOCAL_PROJECT, "default"),
            "https://iam.myhuaweicloud.com",
        ),
        ({"target": SERVED, "region": "xx-1"}, KEYS, Setting(None, LOOKED_UP), "https://iam.myhuaweicloud.com"),
    ],
)
def test_the_project_is_looked_up_where_credentials_and_a_region_are(
    given: dict[str, Any], find: Finder, expected: Setting[str | None], iam: str | None
) -> None:
    settings = settle(**given, find=find)
    assert settings.project_id == expected
    assert settings.iam_endpoint.value == iam


def test_credentials_are_found_by_what_is_given(profile: Callable[[str], Path]) -> None:
    profile("[mine]\ncredentials = 'metadata'")
    kind = object()
    for given, asked in (({"credentials": kind}, kind), ({}, "metadata")):
        find = Finder(Keys())
        assert settle("https://a.example", profile="mine", find=find, **given).credentials is find.found
        assert find.asked == [asked]


@pytest.mark.parametrize("given", [{"region": "cn-north-4"}, {"target": CLOUD}, {"profile": "prod"}])
def test_the_cloud_needs_credentials(given: dict[str, Any], profile: Callable[[str], Path]) -> None:
    profile("[prod]\nregion = 'cn-north-4'")
    text = refused(**given)
    assert text.startswith(("no credentials for region cn-north-4 (", f"no credentials for endpoint {CLOUD} ("))
    for place in ("HUAWEICLOUD_SDK_AK", "FGNB_AUTH_TOKEN", "~/.huaweicloud/credentials", "credentials=", "'metadata'"):
        assert place in text


def test_nobody_is_asked_for_credentials_where_the_region_is_refused() -> None:
    find = Finder(Keys())
    assert "synchronous execution is not offered there" in refused(region="ap-southeast-3", find=find)
    assert "did you mean 'cn-north-4'" in refused(region="cn-norht-4", find=find)
    assert find.asked == []


def test_an_overridden_region_counts_as_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_AP_SOUTHEAST_3", "http://127.0.0.1:1/,http://x")
    origin = "environment variable HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_AP_SOUTHEAST_3"
    assert settle(region="ap-southeast-3", find=KEYS).endpoint == Setting("http://127.0.0.1:1", origin)
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_AP_SOUTHEAST_3", f"http://me:{CANARY}@h")
    assert f"endpoint ({origin}) must be" in refused(region="ap-southeast-3", find=KEYS)


@pytest.mark.parametrize(
    ("args", "given", "text"),
    [
        (["local"], {"region": "cn-north-4"}, "region= does not go with 'local'"),
        (["local"], {"profile": "prod"}, "profile= does not go with 'local'"),
        (["local"], {"credentials": CANARY}, "credentials= does not go with 'local'"),
        (["local"], {"endpoint": SERVED}, "connect() was given a target and endpoint="),
        ([SERVED], {"endpoint": SERVED}, "connect() was given a target and endpoint="),
        ([CLOUD], {"region": "cn-east-3"}, f"region cn-east-3 (given to connect()) contradicts the endpoint {CLOUD}"),
        ([], {"credentials": CANARY}, "there are credentials (given to connect()), but nothing to use them for"),
        (["cn-north-4"], {}, "'cn-north-4' is a region: connect(region='cn-north-4')"),
        (["locla"], {}, "'locla' (given to connect()) is neither 'local' nor the URL of a service; did you mean 'loc"),
        (["127.0.0.1:9000"], {}, "'127.0.0.1:9000' (given to connect()) is neither 'local' nor the URL of a service"),
        ([f"me:{CANARY}@127.0.0.1"], {}, "endpoint (given to connect()) must be 'local' or an http or https URL"),
        ([f"http://me:{CANARY}@127.0.0.1"], {}, "endpoint (given to connect()) must be"),
        ([f"http://127.0.0.1?{CANARY}"], {}, "endpoint (given to connect()) must be"),
        ([f"http://127.0.0.1:{CANARY}"], {}, "endpoint (given to connect()) must be"),
        ([5], {}, "endpoint (given to connect()) must be"),
        (["local"], {"project_id": f"{CANARY}-"}, "project_id (given to connect()) must be 1 to 64 letters and digits"),
        (["local"], {"project_id": "x" * 65}, "project_id (given to connect()) must be"),
        (["local"], {"timeout": True}, "timeout (given to connect()) must be a number of seconds above 0"),
        (["local"], {"timeout": float("nan")}, "timeout (given to connect()) must be"),
        ([SERVED], {"connect_timeout": 0}, "connect_timeout (given to connect()) must be"),
        ([SERVED], {"retry_for": -1}, "retry_for (given to connect()) must be"),
        ([SERVED], {"verify": "ca.pem"}, "verify (given to connect()) must be true or false; certificate auth"),
        ([SERVED], {"ca_bundle": 5}, "ca_bundle (given to connect()) must be the path"),
        ([SERVED], {"ca_bundle": "nowhere.pem"}, "ca_bundle (given to connect()): there is no file nowhere.pem"),
        ([SERVED], {"proxy": f"socks5://me:{CANARY}@proxy"}, "proxy (given to connect()) must be"),
        ([SERVED], {"log_bodies": "yes"}, "log_bodies (given to connect()) must be true or false"),
        ([], {"profile": "prdo"}, "no profile is called 'prdo' (given to connect())"),
        ([], {"region": ""}, "region (given to connect()) must be"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_contradicts_itself_is_refused(args: list[Any], given: dict[str, Any], text: str) -> None:
    assert text in refused(*args, **given, find=KEYS)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("FGNB_ENDPOINT", "endpoint"),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "project_id"),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "iam_endpoint"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"http://me:{CANARY}@a.example")
    args = [] if name == "endpoint" else [SERVED]
    assert f"{name} (environment variable {variable}) must be" in refused(*args, find=KEYS)


def test_with_local_neither_the_environment_nor_a_profile_is_looked_at(
    profile: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile("[default")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "!")
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    settings = settle("local", find=NOTHING, timeout=5, project_id="abc")
    assert settings.timeout == Setting(5.0, GIVEN)
    assert settings.project_id == Setting("abc", GIVEN)


def test_authorities_come_from_the_usual_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):  # the latter goes first
        (folder / variable).touch()
        monkeypatch.setenv(variable, str(folder / variable))
        expected = Setting(folder / variable, f"environment variable {variable}")
        assert settle(SERVED, find=NOTHING).ca_bundle == expected
    assert settle(SERVED, find=NOTHING, ca_bundle=folder).ca_bundle == Setting(folder, GIVEN)
    (folder / "SSL_CERT_FILE").unlink()
    assert "ca_bundle (environment variable SSL_CERT_FILE): there is no file" in refused(SERVED)
    assert settle(find=NOTHING).ca_bundle.value is None  # which the embedded service needs none for


def test_rows_say_every_setting_and_where_it_came_from() -> None:
    rows = settle(region="cn-north-4", find=KEYS, proxy=f"http://me:{CANARY}@proxy.example:8080/", retry_for=0).rows()
    assert rows == {
        "profile": ("none", "default"),
        "region": ("cn-north-4", GIVEN),
        "endpoint": (CLOUD, "region cn-north-4"),
        "iam_endpoint": ("https://iam.cn-north-4.myhuaweicloud.com", "region cn-north-4"),
        "project_id": ("not known yet", LOOKED_UP),
        "timeout": ("310 s", "default"),
        "connect_timeout": ("10 s", "default"),
        "retry_for": ("0 s", GIVEN),
        "verify": ("True", "default"),
        "ca_bundle": ("the usual authorities", "default"),
        "proxy": ("http://***:***@proxy.example:8080", GIVEN),
        "log_bodies": ("False", "default"),
        "credentials": ("access key ABCD…", "test keys"),
    }
    assert list(rows)[-1] == "credentials"
    local = settle("local", find=NOTHING).rows()
    assert list(local) == list(rows)
    assert local["proxy"] == ("none", "default")
    assert local["credentials"] == ("none", "default")


def test_the_environments_proxy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{CANARY}@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    places = ("https://outside.example", "https://inside.example")
    outside, inside = (settle(place, project_id="p", find=NOTHING).rows()["proxy"] for place in places)
    assert outside == ("http://***:***@proxy.example:3128", "environment")
    assert inside == ("none", "default, the environment names none for it")


@pytest.mark.parametrize(
    "proxy", [f"http://me:{CANARY}@proxy.example", f"https://{CANARY}@proxy:1", f"http://:{CANARY}@p"]
)
def test_the_password_of_a_proxy_is_there_but_never_shown(proxy: str) -> None:
    settings = settle(SERVED, find=NOTHING, proxy=proxy)
    assert settings.proxy.value.reveal() == proxy
    assert CANARY not in repr(settings) + str(settings) + repr(settings.proxy) + str(settings.rows())
    assert "***:***@" in settings.rows()["proxy"][0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:9000", True),
        ("http://LOCALHOST", True),
        ("http://a.localhost", True),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example", False),
        ("http://localhost.example", False),
    ],
)
def test_what_stays_on_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
