"""A stream of UBX to what an `RtcmWriter` writes."""

from __future__ import annotations

import numpy as np

from gnss.time import gps_to_utc
from gnss.to_rtcm.arcs import Told
from gnss.to_rtcm.reader import Heard
from gnss.to_rtcm.writer import RtcmWriter, keys_of
from gnss.ubx.framing import UbxFramer, UbxFrames
from gnss.ubx.navigation import RXM_SFRBX, NavigationWords
from gnss.ubx.rawx import MOST_LOCK_MS, RXM_RAWX, epoch_of

_READ = (RXM_RAWX, RXM_SFRBX)


class UbxReader:
    """Reads the frames of one receiver; see `gnss.to_rtcm.reader.Reader`."""

    def __init__(self) -> None:
        self._framer = UbxFramer()
        self._words = NavigationWords()

    def feed(self, data: bytes, writer: RtcmWriter, near_us: int) -> Heard:
        """Take the next bytes; see `Reader.feed`."""
        return self._heard(self._framer.feed(data), writer, near_us)

    def finish(self, writer: RtcmWriter, near_us: int) -> Heard:
        """End the stream; see `Reader.finish`."""
        heard = self._heard(self._framer.finish(), writer, near_us)
        self._words = NavigationWords()
        return heard

    def _heard(self, found: UbxFrames, writer: RtcmWriter, near_us: int) -> Heard:
        heard = Heard(frames=len(found.frames), bad=found.bad, skipped_bytes=found.skipped_bytes)
        for frame in found.frames:
            if frame.kind not in _READ:
                heard.other_frames += 1
            elif frame.kind == RXM_SFRBX:
                ephemeris = self._words.take(frame, heard.time_us or near_us)
                if ephemeris is not None:
                    heard.rtcm += writer.ephemeris(ephemeris, heard.time_us or near_us)
            elif (epoch := epoch_of(frame)) is None:
                heard.damaged += 1
            else:
                heard.unknown_signals += epoch.unknown_signals
                seen = epoch.observations
                told = Told(
                    key=keys_of(seen),
                    lock_ms=seen.lock_ms.astype(np.int64),
                    most_lock_ms=MOST_LOCK_MS,
                    lost=np.zeros(len(seen), np.bool_),
                    mark=epoch.half_cycle_taken.astype(np.int64),
                )
                heard.rtcm += writer.epoch(epoch.time_gps_us, seen, told, is_whole=True)
                heard.tell(int(gps_to_utc(epoch.time_gps_us)))
        return heard
