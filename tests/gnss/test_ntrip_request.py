from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss import ntrip
from gnss.ntrip.head import MAX_HEAD_BYTES

GGA = "$GPGGA,120000.00,3000.000000,N,12000.000000,E,1,12,1.0,5.000,M,0.000,M,,*4A"


def parse(request: bytes, *cuts: int):
    """Feed a request in pieces; return the request or the type of the error, and what is behind it."""
    parser = ntrip.RequestParser()
    at = 0
    try:
        for cut in (*sorted(cuts), len(request)):
            found = parser.feed(request[at:cut])
            at = max(at, cut)
            if found is not None:
                return found, parser.rest + request[at:]
    except ntrip.NtripError as error:
        return type(error), b""
    return None, b""


def test_version_2_request_is_as_the_standard_has_it():
    request = ntrip.build_request("MP1", host="caster.example", username="me", password="a:b", gga=GGA)
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /MP1 HTTP/1.1"
    assert lines[-2:] == ["", ""]
    assert set(lines[1:-2]) >= {
        "Host: caster.example:2101",
        "Ntrip-Version: Ntrip/2.0",
        f"Ntrip-GGA: {GGA}",
        "Authorization: Basic " + base64.b64encode(b"me:a:b").decode(),
        "Connection: close",
    }
    assert any(line.startswith("User-Agent: NTRIP groundswell/") for line in lines)


def test_version_1_request_has_nothing_of_version_2():
    request = ntrip.build_request("/MP1", host="::1", version=1, gga=GGA).decode()
    assert request.startswith("GET /MP1 HTTP/1.0\r\nUser-Agent: NTRIP ")
    assert "Ntrip-" not in request
    assert "Host" not in request
    assert "Authorization" not in request


def test_an_ipv6_host_stands_in_brackets():
    assert b"\r\nHost: [::1]:2102\r\n" in ntrip.build_request("M", host="::1", port=2102)


def test_nothing_breaks_out_of_its_line():
    request = ntrip.build_request("M\r\nX: 1", host="h", username="ü\r\n", password="\r\n")
    assert request.count(b"\r\n") == 7
    assert parse(request)[0].mountpoint == "M\r\nX: 1"
    with pytest.raises(ntrip.MalformedError, match="Ntrip-GGA"):
        ntrip.build_request("M", host="h", gga="$GPGGA\r\nX: 1")
    with pytest.raises(ValueError, match="colon"):
        ntrip.build_request("M", host="h", username="a:b")


@given(
    st.text(min_size=1, max_size=20).filter(lambda t: not set(t) & set("?%/ \ud800") and t.isprintable()),
    st.sampled_from([1, 2]),
    st.text(max_size=20).filter(lambda t: ":" not in t),
    st.text(max_size=20),
)
def test_what_is_built_is_read_back(mountpoint, version, username, password):
    request = ntrip.build_request(mountpoint, host="h", version=version, username=username, password=password)
    found, rest = parse(request + GGA.encode(), 5, len(request) - 1)
    assert (found.method, found.mountpoint, found.version) == ("GET", mountpoint, version)
    assert (found.username, found.password) == ((username, password) if username else ("", None))
    assert rest == GGA.encode()
    assert found.agent.startswith("NTRIP groundswell/")


READ = [
    (b"GET / HTTP/1.0\r\n\r\n", ("GET", "", "", 1, "", None)),
    (b"get /A HTTP/1.0\nuser-agent: NTRIP x\n\n", ("GET", "A", "", 1, "", None)),
    (b"\r\nGET /A HTTP/1.1\r\nNTRIP-VERSION: NTRIP/2.0\r\n\r\n", ("GET", "A", "", 2, "", None)),
    (b"GET /A HTTP/1.1\r\nHost: h\r\n\r\n", ("GET", "A", "", 1, "", None)),
    (b"GET /?STR;;;DEU HTTP/1.1\r\n\r\n", ("GET", "", "STR;;;DEU", 1, "", None)),
    (b"GET /A\r\n\r\n", ("GET", "A", "", 1, "", None)),
    (b"GET A HTTP/1.0\r\n\r\n", ("GET", "A", "", 1, "", None)),
    (b"GET /A HTTP/1.0\r\nAuthorization: Basic !!!\r\n\r\n", ("GET", "A", "", 1, "", None)),
    (b"GET /A HTTP/1.0\r\nAuthorization: Digest x\r\n\r\n", ("GET", "A", "", 1, "", None)),
    (b"GET /A HTTP/1.0\r\nAuthorization:basic  bTpwOnE=\r\n\r\n", ("GET", "A", "", 1, "m", "p:q")),
    (b"SOURCE secret /A\r\nSource-Agent: NTRIP s\r\n\r\n", ("SOURCE", "A", "", 1, "", "secret")),
    (b"SOURCE secret A\r\n\r\n", ("SOURCE", "A", "", 1, "", "secret")),
    (b"SOURCE /A\r\n\r\n", ("SOURCE", "A", "", 1, "", "")),
    (b"POST /A HTTP/1.1\r\nNtrip-Version: Ntrip/2.0\r\n\r\n\xd3", ("POST", "A", "", 2, "", None)),
    (b"DELETE /A HTTP/1.1\r\n\r\n", ("DELETE", "A", "", 1, "", None)),
]


@pytest.mark.parametrize(("request_bytes", "expected"), READ)
def test_requests_of_all_kinds(request_bytes, expected):
    for cuts in ((), range(1, len(request_bytes))):
        r, _ = parse(request_bytes, *cuts)
        assert (r.method, r.mountpoint, r.query, r.version, r.username, r.password) == expected


def test_agent_and_position():
    r, _ = parse(b"GET /A HTTP/1.1\r\nntrip-gga: " + GGA.encode() + b"\r\nUser-Agent: NTRIP a\r\n\r\n")
    assert (r.agent, r.gga) == ("NTRIP a", GGA)
    r, _ = parse(b"SOURCE p A\r\nSource-Agent: NTRIP s\r\n\r\n")
    assert (r.agent, r.gga) == ("NTRIP s", "")


@pytest.mark.parametrize(
    ("request_bytes", "error"),
    [
        (b"\x16\x03\x01\x02\x00", ntrip.MalformedError),
        (b"GET\r\n\r\n", ntrip.MalformedError),
        (b"GET-/A\r\n\r\n", ntrip.MalformedError),
        (b"GET /" + b"A" * MAX_HEAD_BYTES, ntrip.HeadTooLargeError),
        (b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES, ntrip.HeadTooLargeError),
    ],
)
def test_what_is_no_request(request_bytes, error):
    assert parse(request_bytes)[0] is error
    assert parse(request_bytes, *range(1, len(request_bytes)))[0] is error


PARTS = st.sampled_from(
    b"GET ,SOURCE ,POST ,/A,?, ,HTTP/1.1,\r\n,\n,\r\n\r\n,Host: h,:,Authorization: ,Basic ,bTpw,%,%ff,"
    b"Ntrip-Version: Ntrip/2.0,\x00,\xff".split(b",")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS | st.binary(max_size=9), max_size=25), st.lists(st.integers(0, 200), max_size=30))
def test_any_bytes_give_the_same_however_cut_and_no_other_error(parts, cuts):
    data = b"".join(parts)
    for request in (data, b"GET /A HTTP/1.1\r\n" + data):
        assert parse(request, *(cut for cut in cuts if cut < len(request))) == parse(request)


@pytest.mark.parametrize("version", [1, 2])
def test_answers_are_read_by_our_own_client(version):
    client = ntrip.ResponseParser()
    assert client.feed(ntrip.stream_head(version, chunked=False, now_us=0) + b"data") == b"data"
    if version == 2:
        assert client.response.fields["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
        assert client.response.fields["ntrip-version"] == "Ntrip/2.0"
    for status, error in (
        (401, ntrip.UnauthorisedError),
        (404, ntrip.MountpointNotFoundError),
        (405, ntrip.RefusedError),
        (503, ntrip.BusyError),
    ):
        answer = ntrip.refusal(status, version, "no", realm="A", retry_after_s=5)
        assert answer.endswith(b"\r\n\r\nno\r\n")
        assert b"Content-Length: 4\r\n" in answer
        with pytest.raises(error):
            ntrip.ResponseParser().feed(answer)
    assert b'WWW-Authenticate: Basic realm="A"' in ntrip.refusal(401, version, realm="A")
    assert ntrip.refusal(404, 1).startswith(b"HTTP/1.0 404 Not Found\r\n")
    with pytest.raises(ntrip.UnauthorisedError):
        ntrip.ResponseParser().feed(ntrip.source_refusal("Bad Password"))


def test_chunked_stream_head_and_chunks():
    client = ntrip.ResponseParser()
    stream = (
        ntrip.stream_head(2) + ntrip.encode_chunk(b"abc") + ntrip.encode_chunk(b"") + ntrip.encode_chunk(b"d")
    )
    assert client.feed(stream) == b"abcd"
    assert client.feed(ntrip.LAST_CHUNK) == b""
    assert client.finished


@pytest.mark.parametrize(
    ("at", "north", "east"),
    [
        ((31.1, 121.2), "3106.000000,N", "12112.000000,E"),
        ((-0.5, -0.5), "0030.000000,S", "00030.000000,W"),
        ((29.9999999999, 179.9999999999), "3000.000000,N", "18000.000000,E"),
    ],
)
def test_gga(at, north, east):
    sentence = ntrip.format_gga(86_400_000_000 + 3_661_987_654, *at, 12.3456).decode()
    body, _, checksum = sentence.strip().removeprefix("$").partition("*")
    value = 0
    for character in body:
        value ^= ord(character)
    assert checksum == f"{value:02X}"
    assert body == f"GPGGA,010101.98,{north},{east},1,12,1.0,12.346,M,0.000,M,,"
