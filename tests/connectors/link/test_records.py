"""Records on the wire: any cut gives the same, and nonsense is refused within bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.caster.link import records
from connectors.caster.link.proof import is_proved, proof
from connectors.caster.link.records import LinkError, LinkParser, LinkRecord, Listed

ONE = st.builds(
    LinkRecord,
    st.sampled_from([records.STATION, records.TABLE_IS_WHOLE, records.FRAMES, records.ALIVE]),
    st.integers(0, 65_535),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=200),
)


@settings(deadline=None)
@given(st.lists(ONE, max_size=8), st.integers(1, 50))
def test_any_cut_gives_the_same_records(sent, step):
    stream = b"".join(records.encode(*one) for one in sent)
    parser = LinkParser()
    got = [one for at in range(0, len(stream), step) for one in parser.feed(stream[at : at + step])]
    assert got == sent


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_nonsense_is_refused_or_waits_for_its_end(pieces):
    parser = LinkParser()
    try:
        for piece in pieces:
            for one in parser.feed(piece):
                assert records.STATION <= one.kind <= records.ALIVE
    except LinkError:
        return
    assert len(parser._rest) <= records.HEAD.size + records.MOST_BODY_BYTES


def test_a_length_without_bound_is_refused_before_its_body_comes():
    head = records.HEAD.pack(records.FRAMES, 0, 1, records.MOST_BODY_BYTES + 1, 0)
    with pytest.raises(LinkError, match="no record"):
        list(LinkParser().feed(head))
    with pytest.raises(ValueError, match="at most"):
        records.encode(records.FRAMES, 1, 0, bytes(records.MOST_BODY_BYTES + 1))


def test_a_station_comes_back_as_it_was():
    station = Listed(id="WUHN", name="Wuhan 武汉; Luojia", longitude=114.357, latitude=30.532)
    (one,) = LinkParser().feed(records.encode_station(3, station, 17))
    assert (one.kind, one.number, one.time_us) == (records.STATION, 3, 17)
    assert records.decode_station(one.body) == station


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'{"id":"A"}', b'{"id":"A B","name":""}', b'{"id":"..","name":""}',
        b'{"id":"A","name":7}', b'{"id":"A","name":"\xff"}', b'{"id":"' + b"i" * 33 + b'","name":""}',
    ],
)  # fmt: skip
def test_a_station_that_is_none_is_refused(body):
    with pytest.raises(LinkError):
        records.decode_station(body)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_bytes_are_a_station_or_refused(body):
    try:
        found = records.decode_station(body)
    except LinkError:
        return
    assert found.id


def test_a_proof_holds_for_one_secret_one_side_and_two_nonces():
    good = proof("a secret of some length", "caster", b"a" * 32, b"b" * 32)
    assert is_proved(good, proof("a secret of some length", "caster", b"a" * 32, b"b" * 32))
    for other in (
        proof("a secret of other length", "caster", b"a" * 32, b"b" * 32),
        proof("a secret of some length", "gatherer", b"a" * 32, b"b" * 32),
        proof("a secret of some length", "caster", b"b" * 32, b"a" * 32),
        good[:-1],
    ):
        assert not is_proved(other, good)
