"""A live stream of any known format to RTCM 3: what judges, archive and rovers see is one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.framing import OVERHEAD_BYTES, Framed, Framer
from gnss.rtcm.legacy_layout import FIRST_GLONASS, FIRST_GPS
from gnss.rtcm.msm_layout import FIRST_MESSAGE, LAST_MESSAGE
from gnss.time import SECOND_US
from gnss.to_rtcm.binex import BinexReader
from gnss.to_rtcm.formats import Format, Spoken
from gnss.to_rtcm.reader import COUNTS, Heard, Reader
from gnss.to_rtcm.ubx import UbxReader
from gnss.to_rtcm.writer import RtcmWriter, Written

LISTEN_US = 5 * SECOND_US
"""So long a stream without observations in RTCM must bring another format's, to be taken for that."""
LISTEN_AGAIN_US = 150 * SECOND_US
"""The same where observations in RTCM came before: they may come once a minute, beside another format."""
DEAF_US = 10 * SECOND_US
"""So long a stream whose observations are RTCM is passed on unseen."""
LEAST_EPOCHS = 2
LEGACY_KINDS = 4
"""1001 to 1004, and 1009 to 1012."""


@dataclass(slots=True)
class Counters:
    """What came and what became of it, so far. See `Heard` and `Written` for what counts."""

    bytes_received: int = 0
    frames: int = 0
    other_frames: int = 0
    damaged: int = 0
    bad: int = 0
    skipped_bytes: int = 0
    """Bytes that belong to no frame of the format, nor to one of RTCM 3."""
    unknown_signals: int = 0
    epochs: int = 0
    rtcm_frames: int = 0
    """Frames of RTCM 3 without observations that came in the stream, and were passed on."""
    rtcm_observations: int = 0
    """Frames of RTCM 3 with observations that came beside another format that is asked for; left out."""


class Converter:
    """Converts the stream of one station; its memory is bounded.

    Parameters
    ----------
    spoken
        The station's format. `auto`: RTCM 3, until for some seconds epochs of one other format come and no
        observations in RTCM 3; and RTCM 3 again as soon as such come.
    reference_station
        DF003 of what is made, 0 to 4095.
    position_m
        ECEF of the antenna reference point, sent as 1006 every 10 s; None: not sent.
    """

    def __init__(
        self,
        spoken: Format = "auto",
        *,
        reference_station: int = 0,
        position_m: tuple[float, float, float] | None = None,
    ) -> None:
        self._asked: Format = spoken
        self._is_open = spoken == "auto"
        self.speaks: Spoken = "rtcm" if spoken == "auto" else spoken
        """The format that is being read."""
        self.counters = Counters()
        self._place = reference_station, position_m
        self._writer = RtcmWriter(reference_station, position_m)
        self._ear = _Ear()
        self._framer = Framer()
        self._reader = _reader(self.speaks)
        self._first_us = self._time_us = 0
        self._foreign_bytes = 0
        """Bytes in no frame of the format, less those in frames of RTCM 3."""

    @property
    def written(self) -> Written:
        """What was made of it."""
        return self._writer.written

    @property
    def first_us(self) -> int:
        """UTC of the first epoch that was converted; 0: there was none."""
        return self._first_us

    def anew(self) -> Converter:
        """Return a converter of the same station that has seen nothing."""
        reference_station, position_m = self._place
        return Converter(self._asked, reference_station=reference_station, position_m=position_m)

    def is_let_through(self, n_bytes: int, received_at_us: int) -> bool:
        """Say whether bytes pass as they are, where the caller knows of observations in RTCM 3.

        Where they do, they need not be fed.
        """
        if self._reader is not None or not self._is_open:
            return False
        self.counters.bytes_received += n_bytes
        self._ear.is_sure(received_at_us)
        return True

    def feed(self, data: bytes, received_at_us: int) -> bytes:
        """Take the next bytes of the stream; return what to pass on.

        Of a stream in RTCM 3 these are the same bytes; else frames of RTCM 3: those that came, except
        observations, and those made of the bytes.

        Parameters
        ----------
        received_at_us
            UTC, right to half a day until the first epoch.
        """
        self.counters.bytes_received += len(data)
        if self._reader is None:
            if self._is_open and (found := self._ear.hear(data, received_at_us)) is not None:
                self.speaks, self._reader, self._framer = found, _reader(found), Framer()
            return data
        heard = self._reader.feed(data, self._writer, self._time_us or received_at_us)
        return self._passed_on(self._framer.feed(data), heard, received_at_us)

    def finish(self) -> bytes:
        """The connection has ended: return what its last bytes still give. Another may follow."""
        self._ear.forget()
        if self._reader is None:
            return b""
        heard = self._reader.finish(self._writer, self._time_us)
        return self._passed_on(self._framer.finish(), heard, self._time_us)

    def _passed_on(self, framed: Framed, heard: Heard, received_at_us: int) -> bytes:
        for name in COUNTS:
            setattr(self.counters, name, getattr(self.counters, name) + getattr(heard, name))
        self._foreign_bytes += heard.skipped_bytes - len(framed.frames)
        self.counters.skipped_bytes = max(0, self._foreign_bytes)
        self._first_us = self._first_us or heard.first_us
        self._time_us = heard.time_us or self._time_us
        if not framed.count:
            return heard.rtcm
        observes = is_observation(framed.messages)
        if self._is_open and observes.any():
            self.speaks, self._reader = "rtcm", None
            self._ear.is_sure(received_at_us)
            return framed.frames + self._framer.waiting
        self.counters.rtcm_observations += int(np.count_nonzero(observes))
        self.counters.rtcm_frames += int(np.count_nonzero(~observes))
        return _without(framed, observes) + heard.rtcm


class _Ear:
    """Finds out what a stream speaks that is taken for RTCM 3."""

    def __init__(self) -> None:
        self._deaf_until_us = 0
        self._listen_us = LISTEN_US
        self.forget()

    def forget(self) -> None:
        """Another connection begins."""
        self._is_new = True
        self._framer = Framer()
        self._readers: dict[Spoken, Reader] = {"ubx": UbxReader(), "binex": BinexReader()}
        self._writer = RtcmWriter()
        self._epochs: dict[Spoken, int] = {"ubx": 0, "binex": 0}
        self._since_us: int | None = None

    def is_sure(self, received_at_us: int) -> None:
        """It speaks RTCM 3."""
        self._deaf_until_us = received_at_us + DEAF_US
        self._listen_us = LISTEN_AGAIN_US
        if not self._is_new:
            self.forget()

    def hear(self, data: bytes, received_at_us: int) -> Spoken | None:
        """Return the other format that it speaks, once that is sure."""
        if self._deaf_until_us - DEAF_US <= received_at_us < self._deaf_until_us:
            return None
        self._is_new = False
        if is_observation(self._framer.feed(data).messages).any():
            self.is_sure(received_at_us)
            return None
        for spoken, reader in self._readers.items():
            self._epochs[spoken] += reader.feed(data, self._writer, received_at_us).epochs
        if not any(self._epochs.values()):
            return None
        if self._since_us is None or received_at_us < self._since_us:
            self._since_us = received_at_us
        most = max(self._epochs, key=lambda spoken: self._epochs[spoken])
        is_sure = self._epochs[most] >= LEAST_EPOCHS and received_at_us - self._since_us >= self._listen_us
        return most if is_sure else None


def is_observation(
    messages: NDArray[np.int16],
) -> NDArray[np.bool_]:
    """Whether messages are observations: MSM, or 1001 to 1012; shape as given."""
    gps = (messages >= FIRST_GPS) & (messages < FIRST_GPS + LEGACY_KINDS)
    glonass = (messages >= FIRST_GLONASS) & (messages < FIRST_GLONASS + LEGACY_KINDS)
    return gps | glonass | ((messages >= FIRST_MESSAGE) & (messages <= LAST_MESSAGE))


def _reader(spoken: Spoken) -> Reader | None:
    if spoken == "ubx":
        return UbxReader()
    return BinexReader() if spoken == "binex" else None


def _without(framed: Framed, left_out: NDArray[np.bool_]) -> bytes:
    """Return frames without some of them."""
    kept, at = [], 0
    for leave in left_out.tolist():
        end = at + ((framed.frames[at + 1] & 3) << 8 | framed.frames[at + 2]) + OVERHEAD_BYTES
        if not leave:
            kept.append(framed.frames[at:end])
        at = end
    return b"".join(kept)
