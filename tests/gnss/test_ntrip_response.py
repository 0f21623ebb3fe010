from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gnss import ntrip
from gnss.ntrip import body as bodies
from gnss.ntrip.head import MAX_HEAD_BYTES
from gnss.rtcm.framing import Framer, build_frame

FRAMES = b"".join(build_frame(bytes([n]) * 40) for n in range(20))
OK2 = b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/data\r\n"


def read(answer: bytes, *cuts: int, expect="stream"):
    """Feed an answer in pieces; return the body, the name of the error, and the parser."""
    parser = ntrip.ResponseParser(expect)
    body, at = b"", 0
    try:
        for cut in (*sorted(cuts), len(answer)):
            body += parser.feed(answer[at:cut])
            at = max(at, cut)
        parser.finish()
    except ntrip.NtripError as error:
        return body, type(error), parser
    return body, None, parser


def chunked(data: bytes, sizes, newline=b"\r\n", extension=b"") -> bytes:
    out, at = b"", 0
    for size in sizes:
        piece = data[at : at + size]
        at += size
        if piece:
            out += b"%X%b%b%b%b" % (len(piece), extension, newline, piece, newline)
    piece = data[at:]
    return out + (b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"") + b"0\r\n\r\n"


GOOD = {
    "icy, data at once": b"ICY 200 OK\r\n" + FRAMES,
    "icy, blank line": b"ICY 200 OK\r\n\r\n" + FRAMES,
    "icy, fields": b"ICY 200 OK\r\nServer: NTRIP x/1\r\nDate: today\r\n\r\n" + FRAMES,
    "icy, bare line feeds": b"ICY 200 OK\n\n" + FRAMES,
    "http 1.0": b"HTTP/1.0 200 OK\r\n\r\n" + FRAMES,
    "http, no reason": b"HTTP/1.1 200\r\n\r\n" + FRAMES,
    "http 1.1 as it is": OK2 + b"\r\n" + FRAMES,
    "chunked": OK2 + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(FRAMES, [1, 2, 3, 500]),
    "chunked, mixed case": b"http/1.1 200 ok\r\ntRANSFER-eNCODING:  Chunked \r\n\r\n" + chunked(FRAMES, [7]),
    "chunk extensions": OK2 + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(FRAMES, [9], extension=b";a=1"),
    "chunked by line feeds": OK2 + b"Transfer-Encoding: chunked\n\n" + chunked(FRAMES, [9], newline=b"\n"),
    "gzip in chunks": OK2
    + b"Transfer-Encoding: gzip, chunked\r\n\r\n"
    + chunked(gzip.compress(FRAMES), [11, 100]),
    "a gzip member a chunk": OK2
    + b"Transfer-Encoding: chunked, gzip\r\n\r\n"
    + b"".join(ntrip.encode_chunk(gzip.compress(FRAMES[i : i + 99])) for i in range(0, len(FRAMES), 99)),
    "gzip content": OK2 + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(FRAMES),
    "deflate": OK2 + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(FRAMES),
    "repeated and odd fields": OK2 + b"X: 1\r\nX: 2\r\n folded\r\nno field\r\n\r\n" + FRAMES,
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD.keys())
def test_the_stream_is_what_was_sent_however_it_is_cut(answer):
    one_by_one = range(1, len(answer))
    assert read(answer)[:2] == (FRAMES, None)
    assert read(answer, *one_by_one)[:2] == (FRAMES, None)
    rng = random.Random(1)
    for _ in range(20):
        assert read(answer, *rng.sample(one_by_one, 5))[:2] == (FRAMES, None)


REFUSALS = [
    (b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", ntrip.UnauthorisedError),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", ntrip.UnauthorisedError),
    (b"ERROR - Bad Password\r\n", ntrip.UnauthorisedError),
    (b"ERROR - Bad Password", ntrip.UnauthorisedError),
    (b"HTTP/1.1 401 Unauthorized", ntrip.UnauthorisedError),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", ntrip.MountpointNotFoundError),
    (b"SOURCETABLE 200 OK\r\nContent-Length: 16\r\n\r\nENDSOURCETABLE\r\n", ntrip.SourcetableError),
    (b"HTTP/1.1 200 OK\r\nCONTENT-TYPE: GNSS/Sourcetable\r\n\r\nENDSOURCETABLE\r\n", ntrip.SourcetableError),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", ntrip.BusyError),
    (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", ntrip.RefusedError),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>", ntrip.RefusedError),
    (b"ERROR - Mount Point Taken or Invalid\r\n", ntrip.RefusedError),
    (b"", ntrip.MalformedError),
    (b"HTTP/1.1 200 OK\r\n", ntrip.MalformedError),
    (b"220 mail server ready\r\n", ntrip.MalformedError),
    (FRAMES, ntrip.MalformedError),
    (OK2 + b"Transfer-Encoding: br\r\n\r\n" + FRAMES, ntrip.MalformedError),
    (OK2 + b"Transfer-Encoding: chunked\r\n\r\n" + FRAMES, ntrip.MalformedError),
    (OK2 + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", ntrip.MalformedError),
    (OK2 + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n", ntrip.MalformedError),
    (OK2 + b"Content-Encoding: gzip\r\n\r\n" + FRAMES, ntrip.MalformedError),
    (b"HTTP/1.1 200 " + b"x" * MAX_HEAD_BYTES, ntrip.HeadTooLargeError),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES, ntrip.HeadTooLargeError),
    (b"ICY 200 OK\r\n" + b"A: b\r\n" * 1363 + b"A: " + b"b" * 9000, ntrip.HeadTooLargeError),
]


@pytest.mark.parametrize(("answer", "error"), REFUSALS)
def test_a_refusal_has_its_type_however_it_is_cut(answer, error):
    assert read(answer)[:2] == (b"", error)
    assert read(answer, *range(1, len(answer)))[:2] == (b"", error)


def test_the_limit_of_the_head_does_not_count_data():
    for head in (b"ICY 200 OK\r\n", b"ICY 200 OK\r\nA: b\r\n\r\n", OK2 + b"\r\n"):
        assert read(head + FRAMES * 20)[:2] == (FRAMES * 20, None)
    assert len(FRAMES * 20) > MAX_HEAD_BYTES


def test_only_wrong_credentials_need_somebody_to_act_first():
    assert not ntrip.UnauthorisedError.retry_soon
    assert ntrip.BusyError.retry_soon
    assert ntrip.MountpointNotFoundError.retry_soon


def test_data_before_an_error_are_not_lost():
    answer = OK2 + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n"
    parser = ntrip.ResponseParser()
    assert parser.feed(answer) == b"hello"
    with pytest.raises(ntrip.MalformedError):
        parser.feed(b"more")
    with pytest.raises(ntrip.MalformedError):
        parser.finish()


def test_a_chunk_that_is_longer_than_it_says_is_an_error():
    answer = OK2 + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n3\r\nabc\r\n"
    assert read(answer)[:2] == (b"hello", ntrip.MalformedError)
    assert read(answer, *range(1, len(answer)))[:2] == (b"hello", ntrip.MalformedError)


def test_the_last_chunk_ends_the_body():
    body, error, parser = read(OK2 + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\nrest")
    assert (body, error, parser.finished) == (b"abc", None, True)


def test_fields_of_the_answer():
    _, _, parser = read(GOOD["repeated and odd fields"])
    assert parser.response.dialect == "HTTP"
    assert parser.response.fields["ntrip-version"] == "Ntrip/2.0"
    assert parser.response.fields["x"] == "1, 2 folded"
    _, _, parser = read(GOOD["icy, fields"])
    assert parser.response == ntrip.Response("ICY", {"server": "NTRIP x/1", "date": "today"})


@pytest.mark.parametrize("version", [1, 2])
def test_a_sourcetable_that_was_asked_for(version):
    table = ntrip.format_sourcetable(ntrip.Sourcetable([ntrip.StrEntry("ABCD")]))
    answer = ntrip.sourcetable_answer(version, table)
    body, error, parser = read(answer + b"no more", 30, 31, expect="sourcetable")
    assert (body, error, parser.finished) == (table, None, True)


def test_a_stream_in_place_of_a_sourcetable_is_an_error():
    assert read(GOOD["icy, blank line"], expect="sourcetable")[1] is ntrip.MalformedError
    assert read(GOOD["chunked"], expect="sourcetable")[1] is ntrip.MalformedError


def test_a_compressed_body_that_explodes_is_refused():
    bomb = gzip.compress(bytes(50_000_000))
    parser = ntrip.ResponseParser()
    body = parser.feed(OK2 + b"Content-Encoding: gzip\r\n\r\n" + bomb)
    assert len(body) <= bodies.MAX_EXPANSION * len(bomb) + bodies.FREE_EXPANSION_BYTES
    with pytest.raises(ntrip.MalformedError, match="far too much"):
        parser.finish()


TEXT = st.sampled_from(
    [
        b"ICY 200 OK", b"HTTP/1.1 ", b"200 OK", b"401 no", b"SOURCETABLE 200 OK", b"ERROR - ", b"\r\n", b"\n",
        b"\r", b"\r\n\r\n", b"Transfer-Encoding: ", b"chunked", b"gzip", b"Content-Type: ", b"gnss/data",
        b"text/html", b"a: b", b":", b"5", b"0", b"ff", b"\xd3\x00\x00", FRAMES[:60],
        gzip.compress(b"abc" * 9),
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT | st.binary(max_size=20), max_size=25), st.lists(st.integers(0, 800), max_size=30))
@example([b"ICY 200 OK\r\n", b"A", b"\xd3"], [13])
@example([b"ICY 200 OK\r\n", b"A: ", b"\xd3"], [13, 14])
@example([b"ICY 200 OK\r\n\r"], [12, 13])
def test_any_bytes_give_the_same_however_cut_and_no_other_error(parts, cuts):
    answer = b"".join(parts)
    for head in (b"", OK2 + b"Transfer-Encoding: chunked\r\n\r\n", OK2 + b"Content-Encoding: gzip\r\n\r\n"):
        whole = read(head + answer)
        pieces = read(head + answer, *(cut for cut in cuts if cut < len(head + answer)))
        assert pieces[:2] == whole[:2]


@pytest.mark.parametrize("junk", [b"A: b\r\n", b"a", b"5;", b"ICY ", b"HTTP/1.1 200 OK\r\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"ICY 200 OK\r\n", OK2, OK2 + b"Transfer-Encoding: chunked\r\n\r\n"])
def test_memory_stays_bounded(start, junk):
    parser = ntrip.ResponseParser()
    parser.feed(start)
    try:
        for _ in range(300):
            parser.feed(junk * 200)
            chunks = parser._body and parser._body._chunks
            held = len(parser._buffer) + (len(chunks._line) if chunks else 0)
            assert held <= MAX_HEAD_BYTES + 200 * len(junk)
    except ntrip.NtripError:
        pass


HEADS = {
    "none": b"",
    "chunked": b"Transfer-Encoding: chunked\r\n",
    "chunkedgzip": b"Transfer-Encoding: gzip, chunked\r\n",
}


def test_captures_of_three_codings_hold_the_same_frames(data):
    decoded = {}
    for name, head in HEADS.items():
        capture = (data / f"ntrip/ntrip_encode_{name}.bin").read_bytes()
        rng = random.Random(3)
        answer = OK2 + head + b"\r\n" + capture
        body, error, _ = read(answer, *rng.sample(range(len(answer)), 200))
        framed = Framer().feed(body)
        assert error is None
        decoded[name] = framed.frames
        assert (framed.count, framed.bad) == (292, 0)
        # The plain capture begins in the middle of a frame; the others hold frames only.
        assert framed.skipped_bytes == (420 if name == "none" else 0)
    assert len(decoded["none"]) == 62_960
    assert len(set(decoded.values())) == 1


def test_a_capture_in_chunks_is_read_whole_however_it_is_cut(data):
    capture = (data / "ntrip/ntrip_chunked.bin").read_bytes()
    answer = capture if capture.startswith(b"HTTP") else OK2 + HEADS["chunked"] + b"\r\n" + capture
    rng = random.Random(4)
    whole, pieces = read(answer), read(answer, *rng.sample(range(len(answer)), 200))
    assert pieces[:2] == whole[:2]
    assert whole[1] is None
    assert Framer().feed(whole[0]).count > 0
