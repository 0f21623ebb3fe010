"""PROXY headers, against another implementation (proxy-protocol) and in any cut."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6, ProxyResultLocal, ProxyResultUnknown
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from connectors.caster.proxy_header import (
    ProxyHeader,
    ProxyHeaderError,
    ProxyHeaderParser,
    is_in,
    networks,
    plain_address,
)

ports = st.integers(0, 65_535)
ends4 = st.tuples(st.ip_addresses(v=4), ports)
ends6 = st.tuples(st.ip_addresses(v=6), ports)
results = st.one_of(st.builds(ProxyResultIPv4, ends4, ends4), st.builds(ProxyResultIPv6, ends6, ends6))


def parse(data: bytes, cuts: list[int]) -> ProxyHeader | None:
    """Feed data in pieces; what is behind the header in the last piece and after it is `rest`."""
    parser = ProxyHeaderParser()
    begin = 0
    for end in (*sorted(cuts), len(data)):
        header = parser.feed(data[begin:end])
        begin = end
        if header is not None:
            return ProxyHeader(header.address, header.rest + data[begin:])
    return None


cuts = st.lists(st.integers(0, 60), max_size=5)


@given(results, st.sampled_from([ProxyProtocolV1(), ProxyProtocolV2()]), st.binary(max_size=60), cuts)
def test_addresses_are_those_that_another_program_wrote(result, protocol, rest, cuts):
    header = protocol.pack(result)
    assert parse(header + rest, cuts) == ProxyHeader(plain_address(str(result.source[0])), rest)
    for end in range(len(header)):
        assert parse(header[:end], cuts) is None


@given(st.binary(max_size=60), cuts)
def test_a_balancer_may_speak_for_itself(rest, cuts):
    local = ProxyProtocolV2().pack(ProxyResultLocal())
    unknown = ProxyProtocolV1().pack(ProxyResultUnknown())
    for header in (local, unknown, b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"):
        assert parse(header + rest, cuts) == ProxyHeader(None, rest)
    unix = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8" + bytes(216)
    assert parse(unix + rest, cuts) == ProxyHeader(None, rest)


def test_what_follows_the_addresses_is_passed_over():
    body = bytes([192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2]) + b"\x03\x00\x04abcd" + b"\x04\x00\x00"
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(body).to_bytes(2, "big") + body
    assert ProxyHeaderParser().feed(header + b"GET") == ProxyHeader("192.0.2.1", b"GET")


def test_an_address_has_one_form():
    line = b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"
    assert ProxyHeaderParser().feed(line) == ProxyHeader("192.0.2.1", b"")
    assert plain_address("2001:DB8:0::1") == "2001:db8::1"


def test_balancers_are_addresses_and_networks():
    known = networks(["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"])
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "10.255.0.1", "2001:db8::7"):
        assert is_in(address, known)
    for address in ("192.0.2.2", "11.0.0.1", "2001:db9::7", "", "fe80::1%eth0"):
        assert not is_in(address, known)
    with pytest.raises(ValueError, match="balancer"):
        networks(["balancer.example.org"])


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 " + b"1" * 100,
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\x00\x0c" + bytes(12),
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\x00\x0c" + bytes(12),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0b" + bytes(11),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x0c" + bytes(12),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(data):
    with pytest.raises(ProxyHeaderError):
        ProxyHeaderParser().feed(data)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda b: b"PROXY " + b)), cuts)
def test_no_bytes_break_it(data, cuts):
    try:
        header = parse(data, cuts)
    except ProxyHeaderError:
        return
    if header is not None and header.address is not None:
        ip_address(header.address)
