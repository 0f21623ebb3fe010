"""The converter of a station, as the station is defined."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.conversion import converter_for
from gnss.geodesy import geodetic_to_ecef
from gnss.rtcm.framing import HEADER_BYTES, find_frames
from gnss.rtcm.station import decode_position
from streams.definitions import StationDefinition
from tests.gnss.ubx.recordings import recording

PLACE = {"longitude": 170.5001, "latitude": -45.8776, "height_m": 102.5}


def station(**fields) -> StationDefinition:
    made = StationDefinition(source="tcp://a:1", **fields)
    made.check()
    return made


def test_a_station_said_to_be_rtcm_has_none() -> None:
    assert converter_for(station(format="rtcm")) is None
    plain = converter_for(station())
    assert plain is not None
    assert plain.speaks == "rtcm"


def test_the_registered_place_is_sent_where_the_station_says_so() -> None:
    asked = converter_for(station(format="ubx", reference_station=9, send_position=True, **PLACE))
    silent = converter_for(station(format="ubx", **PLACE))
    assert asked is not None
    assert silent is not None
    stream = asked.feed(recording("neo-m8t-rawx"), 0)
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    row = int(np.flatnonzero(index.message == 1006)[0])
    begin = int(index.start[row]) + HEADER_BYTES
    position = decode_position(stream[begin : begin + int(index.length[row])])
    assert position is not None
    assert position.reference_station == 9
    wanted = geodetic_to_ecef(PLACE["longitude"], PLACE["latitude"], PLACE["height_m"])
    assert np.allclose(position.ecef_m, wanted, atol=1e-4)
    other = find_frames(np.frombuffer(silent.feed(recording("neo-m8t-rawx"), 0), np.uint8), final=True)
    assert 1006 not in other.message


def test_what_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="format 'rtcm2' is not known; write auto, rtcm, ubx, binex"):
        station(format="rtcm2")
    with pytest.raises(ValueError, match="send_position needs longitude, latitude and height_m"):
        station(send_position=True, longitude=1.0, latitude=2.0)
