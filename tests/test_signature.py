"""Signatures: known answers, agreement with the official SDK's signer, what can be read back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fgnb.secret import Secret
from fgnb.signature import (
    Authorization,
    authorize,
    canonical_path,
    canonical_query,
    canonical_request,
    format_date,
    parse_authorization,
    parse_date,
    payload_hash,
    signature,
    string_to_sign,
)

# The keys of the guide's own example
ACCESS_KEY = "QTWAOYTTINDUT2QVKYUC"
SECRET_KEY = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
DATE = "20191115T033655Z"
HOST = "functiongraph.cn-north-4.myhuaweicloud.com"
FLOWS = "/v2/c53626012ba84727b938ca8bf03108ef/fgs/workflows"
NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def signed(method: str, path: str, query: str, headers: dict[str, str], body: bytes = b"") -> Authorization:
    return authorize(method, path, query, headers, body, access_key=ACCESS_KEY, secret_key=Secret(SECRET_KEY))


# --- known answers -------------------------------------------------------------------------------


def test_the_guides_example_step_by_step():
    path = "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
    query = "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    host = "service.region.example.com"
    headers = {"content-type": "application/json", "host": host, "x-sdk-date": DATE}
    canonical = canonical_request("GET", path, query, headers, sorted(headers), payload_hash(b""))
    assert canonical.split("\n") == [
        "GET",
        f"{path}/",
        query,
        "content-type:application/json",
        "host:service.region.example.com",
        f"x-sdk-date:{DATE}",
        "",
        "content-type;host;x-sdk-date",
        NO_BODY,
    ]
    text = string_to_sign(DATE, canonical)
    assert text == f"SDK-HMAC-SHA256\n{DATE}\nb25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
    expected = "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    assert signature(Secret(SECRET_KEY), text) == expected
    assert str(signed("GET", path, query, headers)) == (
        f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders=content-type;host;x-sdk-date, Signature={expected}"
    )


def test_a_synchronous_execution():
    headers = {
        "content-type": "application/json",
        "host": HOST,
        "x-project-id": "c53626012ba84727b938ca8bf03108ef",
        "x-sdk-date": DATE,
    }
    path = f"{FLOWS}/48aff955-ea10-4ffd-b426-190bc192dc14/sync-executions"
    body = b'{"input": {"arg1": "argument_1"}}'
    assert payload_hash(body) == "50240a67cfeff61f52289d5b472fbf4a4227bd9cfaba469c7e79dcab6f0fd115"
    expected = "48fb39b28b22e935dbc6523ece5923dbf9fff97b2acce8b51264efd765d73c91"
    assert signed("POST", path, "", headers, body).signature == expected


def test_a_query_in_chinese_and_a_security_token():
    headers = {
        "host": HOST,
        "x-project-id": "c53626012ba84727b938ca8bf03108ef",
        "x-sdk-date": DATE,
        "x-security-token": "tok",
    }
    query = "limit=10&mode=EXPRESS&workflow_name=%E5%87%BD%E6%95%B0%20%E6%B5%81"
    expected = "c59ca5f4295af26e10dca4e1fcdf1adbfb448efe167db143ae158e848eb88a5f"
    assert signed("GET", FLOWS, query, headers).signature == expected


# --- the same as the official signer -------------------------------------------------------------


def official(
    method: str, path: str, query: list[tuple[str, Any]], headers: dict[str, str], body: bytes
) -> tuple[str, str, dict[str, str]]:
    """Sign with the SDK: what it sends as path and query, and as headers (names in lower case)."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    request = SdkRequest(method, "https", HOST, path, None, query, {**headers, "X-Sdk-Date": DATE}, body)
    Signer(BasicCredentials(ACCESS_KEY, SECRET_KEY)).sign(request)
    # It leaves the values as texts whose characters stand for the bytes of UTF-8 that go out.
    sent = {name.lower(): value.encode("latin-1").decode() for name, value in request.header_params.items()}
    sent_path, _, sent_query = request.uri.partition("?")
    return sent_path, sent_query, sent


segments = st.text(st.one_of(st.sampled_from("aZ09-._~!:/%?#&=+*'()@,; 流"), st.characters(codec="utf-8")), max_size=8)
paths = st.lists(
    st.one_of(
        segments.map(lambda text: quote(text, safe="")),
        segments.map(lambda text: quote(text, safe="!:~*'()@,;=+&%")),  # as other clients send it
        st.sampled_from(["%2F", "%2f", "%E6%B5%81", "%ff", "%", "%zz", "a%252Fb", "..", ""]),
    ),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
queries = st.one_of(  # a name repeated, or one with a list: the SDK can't sort a mixture
    st.lists(st.tuples(segments, segments), max_size=4),
    st.dictionaries(segments, st.lists(segments, max_size=3), max_size=3).map(lambda lists: list(lists.items())),
)
names = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True).filter(lambda name: name.lower() != "authorization")
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)
header_sets = st.lists(st.tuples(names, values), max_size=4, unique_by=lambda pair: pair[0].lower()).map(dict)
types = st.sampled_from([None, "application/json", "application/json;charset=utf-8", "text/plain"])


@given(st.sampled_from(["GET", "POST", "put", "DELETE"]), paths, queries, header_sets, types, st.binary(max_size=40))
def test_signatures_equal_the_official_signers(method, path, query, headers, content_type, body):
    assume(not {name.lower() for name in headers} & {"x-sdk-date", "content-type", "x-sdk-content-sha256"})
    assume(body or content_type != "text/plain")  # told apart below
    if content_type:
        headers = headers | {"Content-Type": content_type}
    sent_path, sent_query, sent = official(method, path, query, headers, body)
    authorization = sent.pop("authorization")
    ours = signed(method, sent_path, sent_query, sent, body)
    assert str(ours) == authorization
    assert parse_authorization(authorization) == ours


@given(st.lists(st.tuples(segments, segments), max_size=4), st.randoms())
def test_a_query_signs_the_same_however_it_is_sent(pairs, random):
    _, sent, _ = official("GET", "/", list(pairs), {}, b"")
    random.shuffle(pairs)
    assert canonical_query(urlencode(pairs)) == sent  # as a form: a blank is a plus sign
    assert canonical_query(sent) == sent
    assert parse_qsl(sent, keep_blank_values=True) == sorted(pairs)


def test_blanks_around_a_headers_value_are_not_signed():
    plain = {"host": HOST, "x-sdk-date": DATE}
    assert signed("GET", FLOWS, "", {**plain, "host": f" {HOST}\t"}) == signed("GET", FLOWS, "", plain)


def test_without_a_value_a_name_stands_for_itself_and_nothing_between_ampersands_is_nothing():
    assert canonical_query("b&a=&&c=1&a=0") == "a=&a=0&b=&c=1"


def test_an_encoded_slash_and_a_missing_one_at_the_end_make_no_difference():
    assert canonical_path("/a%2Fb") == canonical_path("/a/b/") == "/a/b/"
    assert canonical_path("") == canonical_path("/") == "/"


@pytest.mark.parametrize(
    "content", ["44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "", "unsigned"]
)
def test_no_other_value_of_the_content_header_stands_for_the_body(content):
    """Here the guide is followed: the SDK takes any value."""
    assert payload_hash(b"x", content) == payload_hash(b"x")


@pytest.mark.parametrize("body", [b"", b"anything"])
def test_an_unsigned_payload_is_unsigned_even_if_it_is_empty(body):
    """Here the guide is followed: the SDK hashes an empty body all the same."""
    assert payload_hash(body, "UNSIGNED-PAYLOAD") == "UNSIGNED-PAYLOAD"


# --- reading back --------------------------------------------------------------------------------


def test_signed_names_are_read_in_lower_case_and_sorted():
    text = f"SDK-HMAC-SHA256 Access=a, SignedHeaders=X-Sdk-Date;Host, Signature={'0' * 64}"
    assert parse_authorization(text) == Authorization("a", ("host", "x-sdk-date"), "0" * 64)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic c2VjcmV0",
        "Bearer c2VjcmV0",
        f"V11-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature={'0' * 64}",
        f"SDK-HMAC-SHA256 Access=, SignedHeaders=host, Signature={'0' * 64}",
        f"SDK-HMAC-SHA256 Access=a, SignedHeaders=, Signature={'0' * 64}",
        f"SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature={'0' * 63}",
        f"SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature={'G' * 64}",
        f"SDK-HMAC-SHA256 Access=a; SignedHeaders=host; Signature={'0' * 64}",
        f"SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature={'0' * 64}, Signature={'0' * 64}",
        "SDK-HMAC-SHA256 Access=" + "a" * 100_000,
    ],
)
def test_another_authorization_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="Authorization must be 'SDK-HMAC-SHA256 Access=") as caught:
        parse_authorization(text)
    assert "c2VjcmV0" not in str(caught.value)
    assert len(str(caught.value)) < 120


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 1, 1)))  # noqa: DTZ001  # the strategy wants them so
def test_a_date_is_read_back_to_the_second(time):
    there = time.replace(tzinfo=timezone(timedelta(hours=8)))
    assert parse_date(format_date(there)) == there.replace(microsecond=0)
    assert parse_date(format_date(there)).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2019-11-15T03:36:55Z",
        "20191115T033655",
        "20191315T033655Z",
        "20191115T033660Z",
        "2019111５T033655Z",
        f"{DATE}\n",
    ],
)
def test_another_form_of_date_is_refused(text):
    with pytest.raises(ValueError):
        parse_date(text)
