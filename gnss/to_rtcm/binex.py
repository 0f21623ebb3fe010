"""A stream of BINEX to what an `RtcmWriter` writes."""

from __future__ import annotations

import numpy as np

from gnss.binex import site
from gnss.binex.ephemerides import EPHEMERIDES, ephemeris_of
from gnss.binex.framing import BinexFramer, Record, Records
from gnss.binex.observations import OBSERVATIONS, SUBRECORD, epoch_of
from gnss.ephemeris import GlonassEphemeris
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import gps_to_utc
from gnss.to_rtcm.arcs import Told
from gnss.to_rtcm.reader import Heard
from gnss.to_rtcm.writer import Equipment, RtcmWriter, keys_of


class BinexReader:
    """Reads the records of one station; see `gnss.to_rtcm.reader.Reader`."""

    def __init__(self) -> None:
        self._framer = BinexFramer()
        self._channel_of = np.full(256, UNKNOWN_CHANNEL, np.int8)
        self._site = site.Site()

    def feed(self, data: bytes, writer: RtcmWriter, near_us: int) -> Heard:
        """Take the next bytes; see `Reader.feed`."""
        return self._heard(self._framer.feed(data), writer, near_us)

    def finish(self, writer: RtcmWriter, near_us: int) -> Heard:
        """End the stream; see `Reader.finish`."""
        return self._heard(self._framer.finish(), writer, near_us)

    def _heard(self, found: Records, writer: RtcmWriter, near_us: int) -> Heard:
        heard = Heard(frames=len(found.records), bad=found.bad, skipped_bytes=found.skipped_bytes)
        for record in found.records:
            if record.record == site.SITE:
                self._learn(record, writer)
            elif record.record == EPHEMERIDES:
                self._ephemeris(record, writer, heard, heard.time_us or near_us)
            elif record.record == OBSERVATIONS and record.message[:1] == bytes((SUBRECORD,)):
                self._epoch(record, writer, heard)
            else:
                heard.other_frames += 1
        return heard

    def _epoch(self, record: Record, writer: RtcmWriter, heard: Heard) -> None:
        epoch = epoch_of(record, self._channel_of)
        if epoch is None:
            heard.damaged += 1
            return
        heard.unknown_signals += epoch.unknown_signals
        seen = epoch.observations
        told = Told(
            key=keys_of(seen),
            lock_ms=np.full(len(seen), -1, np.int64),
            most_lock_ms=0,
            lost=epoch.slipped,
            mark=epoch.slip_count.astype(np.int64),
        )
        heard.rtcm += writer.epoch(epoch.time_gps_us, seen, told, is_whole=epoch.is_whole)
        heard.tell(int(gps_to_utc(epoch.time_gps_us)))

    def _ephemeris(self, record: Record, writer: RtcmWriter, heard: Heard, now_us: int) -> None:
        ephemeris = ephemeris_of(record, now_us)
        if ephemeris is None:
            heard.other_frames += 1
            return
        if isinstance(ephemeris, GlonassEphemeris) and ephemeris.system is System.GLONASS:
            self._channel_of[ephemeris.satellite & 0xFF] = ephemeris.channel
        heard.rtcm += writer.ephemeris(ephemeris, now_us)

    def _learn(self, record: Record, writer: RtcmWriter) -> None:
        self._site = told = site.update(self._site, record)
        writer.equip(
            Equipment(
                antenna=_antenna(told.antenna or "", told.radome or ""),
                antenna_serial=told.antenna_serial or "",
                receiver=told.receiver or "",
                receiver_firmware=told.receiver_firmware or "",
                receiver_serial=told.receiver_serial or "",
            )
        )


def _antenna(name: str, radome: str) -> str:
    """Return antenna and radome as the IGS writes them: 16 columns, and four."""
    return f"{name:<16}{radome}" if name and radome and len(name) <= 16 else name
