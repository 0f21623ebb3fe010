"""`groundswell sourcetable` against a caster that answers with one table."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.program import called

TABLE = (
    "CAS;a.example;2101;First;BKG;0;DEU;50.1;8.7;b.example;2101;\r\nNET;EUREF;BKG;B;N;http://euref.example;;;\r\n"
    "STR;FFMJ00DEU;Frankfurt;RTCM 3.2;1077(1);2;GPS+GLO+GAL;EUREF;DEU;50.09;8.66;0;0;;none;B;N;9600;\r\n"
    "STR;WUH200CHN;Wuhan [red]\x1b[31m;RTCM 3.3;;2;GPS+BDS;IGS;CHN;30.53;114.36;0;0;;none;B;N;5600;\r\n"
    "STR;AUTO;München;RTCM 3.2;;2;GPS;;DEU;0.00;0.00;1;1;;none;B;Y;;\r\nodd line\r\nENDSOURCETABLE\r\n"
).encode("latin-1")


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"SOURCETABLE 200 OK\r\nContent-Type: text/plain\r\n\r\n" + TABLE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"ntrip://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def listed(url: str, *options: str) -> list[str]:
    done = called("sourcetable", url, "--json", *options)
    assert done.returncode == 0, done.stderr
    return [one["mountpoint"] for one in json.loads(done.stdout)["streams"]]


def test_it_lists_streams_and_says_what_is_odd(url):
    done = called("sourcetable", url)
    assert done.returncode == 0
    assert "3 of 3 streams" in done.stdout
    assert "Wuhan [red]\N{REPLACEMENT CHARACTER}[31m" in done.stdout
    assert "\x1b" not in done.stdout
    assert "München" in done.stdout
    assert "a.example" not in done.stdout
    assert "1 lines of the table are not understood" in done.stderr


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["FFMJ00DEU", "WUH200CHN", "AUTO"]),
        (("--system", "gps+beidou"), ["WUH200CHN"]),
        (("--format", "rtcm3.2"), ["FFMJ00DEU", "AUTO"]),
        (("--country", "deu,MNG"), ["FFMJ00DEU", "AUTO"]),
        (("--bbox", "100,20,120,40"), ["WUH200CHN"]),
        (("--near", "31,115"), ["WUH200CHN", "FFMJ00DEU"]),
        (("--near", "31,115", "--radius-km", "100"), ["WUH200CHN"]),
        (("--match", "*00deu"), ["FFMJ00DEU"]),
    ],
)
def test_it_chooses(url, options, found):
    assert listed(url, *options) == found


def test_the_rest_of_the_table_and_distances(url):
    told = json.loads(called("sourcetable", url, "--json", "--show", "all", "--near", "50,9").stdout)
    assert told["casters"][0]["fallback_host"] == "b.example"
    assert told["networks"][0]["web_network"] == "http://euref.example"
    assert told["streams"][0]["distance_km"] == pytest.approx(26.3, abs=0.2)
    assert (told["complete"], told["odd_lines"]) == (True, 1)
    shown = called("sourcetable", url, "--show", "all").stdout
    assert "b.example" in shown
    assert "http://euref.example" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("ftp://h",), "is no URL of a caster"),
        (("ntrip://u:secret@:1",), "is no URL of a caster"),
        (("ntrip://h:99999",), "is no URL of a caster"),
        (("ntrip://127.0.0.1:9",), "ntrip://127.0.0.1:9: 127.0.0.1:9 refuses connections"),
        (("h", "--system", "GPS+XYZ"), "--system 'XYZ' is no satellite system"),
        (("h", "--bbox", "1,2,3"), "--bbox '1,2,3' is not W,S,E,N"),
        (("h", "--bbox", "1,50,3,40"), "south lies north"),
        (("h", "--near", "nan,0"), "is not LAT,LON"),
        (("h", "--near", "31,475"), "is not LAT,LON"),
        (("h", "--radius-km", "5"), "give --near"),
    ],
)
def test_what_cannot_be_is_said(options, words):
    done = called("sourcetable", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
