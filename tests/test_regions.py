"""Regions: endpoints, refusals, and what the SDK's variables and its file of regions change."""

from pathlib import Path

import pytest

from fgnb import regions
from fgnb.errors import ConfigError
from fgnb.regions import REGIONS, SYNCHRONOUS, endpoint_of, iam_endpoint_of, is_cloud, region_of

VARIABLE = "HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the SDK looks for the file of regions."""
    (tmp_path / ".huaweicloud").mkdir()
    return tmp_path / ".huaweicloud" / "regions.yaml"


def test_the_regions_are_those_of_the_sdk() -> None:
    from huaweicloudsdkfunctiongraph.v2.region.functiongraph_region import FunctionGraphRegion

    theirs = FunctionGraphRegion.static_fields
    assert sorted(theirs) == sorted(REGIONS)
    assert len(REGIONS) == 27
    for region in SYNCHRONOUS:
        assert [endpoint_of(region, "here")[0]] == theirs[region].endpoints


def test_iam_is_where_the_sdk_looks_for_it_but_for_europe() -> None:
    from huaweicloudsdkcore.auth.internal import IamHelper

    for region in {*REGIONS, "xx-new-1"} - {"eu-west-101"}:
        assert iam_endpoint_of(region) == IamHelper.get_iam_endpoint(region)
    assert iam_endpoint_of("eu-west-101") == "https://iam.eu-west-101.myhuaweicloud.eu"


def test_synchronous_execution_is_offered_on_the_mainland_of_china_only() -> None:
    assert set(SYNCHRONOUS) <= set(REGIONS)
    assert all(region.startswith("cn-") for region in SYNCHRONOUS)


@pytest.mark.parametrize("region", sorted(set(REGIONS) - set(SYNCHRONOUS)))
def test_a_region_without_synchronous_execution_is_refused(region: str) -> None:
    with pytest.raises(ConfigError) as caught:
        endpoint_of(region, "given to connect()")
    text = str(caught.value)
    assert f"region {region} (given to connect()): synchronous execution is not offered there" in text
    assert all(offered in text for offered in SYNCHRONOUS)
    assert "endpoint=" in text


def test_an_unknown_region_is_refused_with_the_nearest_one_and_all_others() -> None:
    with pytest.raises(
        ConfigError, match=r"'cn-nroth-4' \(here\) is not a region.*did you mean 'cn-north-4'"
    ) as caught:
        endpoint_of("cn-nroth-4", "here")
    assert all(region in str(caught.value) for region in REGIONS)


@pytest.mark.parametrize("region", ["", "a b", "a/b", "a.b", "cn-north-4\n", "x" * 65, "\ud800"])
def test_what_can_be_no_region_is_not_repeated(region: str) -> None:
    with pytest.raises(ConfigError, match=r"^the region \(here\) must be an id such as cn-north-4$"):
        endpoint_of(region, "here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        (" https://a.example , https://b.example", "https://a.example"),
        ("a.example", "https://a.example"),
    ],
)
def test_a_variable_overrides_any_region(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for region in ("cn-north-4", "ap-southeast-3", "xx-private-1"):
        variable = VARIABLE + region.upper().replace("-", "_")
        monkeypatch.setenv(variable, text)
        assert endpoint_of(region, "here") == (expected, f"environment variable {variable}")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{VARIABLE}CN_NORTH_4", " ")
    assert endpoint_of("cn-north-4", "here")[1] == "region cn-north-4"


def test_the_file_of_regions_overrides_and_adds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(
        "FunctionGraph:\n"
        "  - {id: cn-north-4, endpoint: https://four.example}\n"
        "  - {id: xx-private-1, endpoints: [https://first.example, https://second.example]}\n"
        "  - {id: both, endpoints: [https://listed.example], endpoint: https://single.example}\n"
        "ECS:\n  - {id: cn-east-3, endpoint: https://ecs.example}\n"
        "IAM: of no interest here\n"
    )
    assert endpoint_of("cn-north-4", "here") == ("https://four.example", f"file {file}")
    assert endpoint_of("xx-private-1", "here")[0] == "https://first.example"
    assert endpoint_of("both", "here")[0] == "https://listed.example"
    assert endpoint_of("cn-east-3", "here")[1] == "region cn-east-3"
    monkeypatch.setenv(f"{VARIABLE}CN_NORTH_4", "https://variable.example")
    assert endpoint_of("cn-north-4", "here")[0] == "https://variable.example"


def test_a_variable_names_another_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("functiongraph: [{id: cn-north-4, endpoint: https://home.example}]")
    other = tmp_path / "other.yaml"
    other.write_text("functiongraph: [{id: cn-north-4, endpoint: https://other.example}]")
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGIONS_FILE", str(other))
    assert endpoint_of("cn-north-4", "here") == ("https://other.example", f"file {other}")
    other.unlink()
    with pytest.raises(ConfigError, match=r"REGIONS_FILE.*can't read .*other.yaml: No such file"):
        endpoint_of("cn-north-4", "here")


@pytest.mark.parametrize("text", ["", "# nothing\n", "functiongraph: []"])
def test_a_file_of_regions_may_say_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    assert endpoint_of("cn-north-4", "here")[1] == "region cn-north-4"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [\n", r"regions.yaml, line 1: not YAML: "),
        ("a: 1\na: 2\n", r"regions.yaml, line 2: duplicate key 'a'"),
        ("- a", r"does not hold service: \["),
        ("functiongraph: https://a", "functiongraph does not hold a list"),
        ("functiongraph: [https://a]", r"functiongraph\[0\] is not a mapping"),
        ("functiongraph: [{endpoint: https://a}]", r"functiongraph\[0\] needs an id and an endpoint"),
        ("functiongraph: [{id: a}]", r"functiongraph\[0\] needs an id and an endpoint"),
        ("functiongraph: [{id: a, endpoints: https://a}]", r"functiongraph\[0\] needs an id and an endpoint"),
        ("functiongraph: [{id: a, endpoints: [1]}]", r"functiongraph\[0\] needs an id and an endpoint"),
        ("functiongraph: [{id: 1, endpoint: https://a}]", r"functiongraph\[0\] needs an id and an endpoint"),
    ],
)
def test_a_broken_file_of_regions_is_named_with_the_place(file: Path, text: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        endpoint_of("cn-north-4", "here")
    assert str(file) in str(caught.value)


def test_a_file_of_regions_is_bounded_and_utf8(file: Path) -> None:
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"regions.yaml is larger than 1,000,000 bytes"):
        endpoint_of("cn-north-4", "here")
    file.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="byte 4 is not UTF-8"):
        endpoint_of("cn-north-4", "here")


@pytest.mark.parametrize(
    ("endpoint", "region", "cloud"),
    [
        ("https://functiongraph.cn-north-4.myhuaweicloud.com", "cn-north-4", True),
        ("https://FunctionGraph.EU-West-101.myhuaweicloud.eu/", "eu-west-101", True),
        ("https://my-kualalumpur-1.myhuaweicloud.com", "my-kualalumpur-1", True),
        ("https://iam.myhuaweicloud.com", None, True),
        ("https://myhuaweicloud.com", None, True),
        ("https://functiongraph.cn-north-4.myhuaweicloud.com.evil.example", None, False),
        ("https://notmyhuaweicloud.com", None, False),
        ("http://127.0.0.1:9000", None, False),
    ],
)
def test_the_region_in_a_host_name(endpoint: str, region: str | None, cloud: bool) -> None:
    assert (region_of(endpoint), is_cloud(endpoint)) == (region, cloud)


def test_every_region_is_found_in_its_own_hosts() -> None:
    for region in REGIONS:
        assert region_of(regions._regional("functiongraph", region)) == region
