"""What an observation file will hold: its header names it before the first epoch stands there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gnss.rinex.cells import DOPPLER, KINDS, PHASE
from gnss.rinex.piece import N_SYSTEMS, SATELLITES, Piece, codes_in_order, thousandths, told_channels
from gnss.rinex.text import NOTHING
from gnss.rinex.write_header import Contents
from gnss.rtcm.signals import N_SIGNALS
from gnss.systems import System
from gnss.time import utc_to_gps

_SOME_CHANNEL = 0


class Survey:
    """Looks at the epochs of one file, in pieces; keeps 60 kB and 8 bytes an epoch."""

    def __init__(self) -> None:
        self._kinds = np.zeros((N_SYSTEMS, SATELLITES, N_SIGNALS), np.uint8)
        self._times: list[NDArray[np.int64]] = []
        self._channels: dict[int, int] = {}

    def take(self, piece: Piece, is_written: NDArray[np.bool_]) -> None:
        """Look at epochs.

        Parameters
        ----------
        is_written
            Which of them are for the file, shape (e,).
        """
        self._channels |= told_channels(piece.columns)
        values, _ = thousandths(piece.columns, self._channels, otherwise=_SOME_CHANNEL)
        values[~is_written[piece.epoch]] = NOTHING
        present = values != NOTHING
        for kind in range(len(KINDS)):
            rows = present[:, kind]
            where = tuple(piece.columns[name][rows] for name in ("system", "satellite", "signal"))
            self._kinds[where] |= np.uint8(1 << kind)
        self._times.append(piece.time_us[np.unique(piece.epoch[present.any(axis=1)])])

    def contents(self, glonass_channels: Mapping[int, int]) -> Contents:
        """Return what the file holds.

        Parameters
        ----------
        glonass_channels
            Frequency numbers by slot; those that observations tell go before these.

        Raises
        ------
        ValueError
            No epoch with a value that RINEX can hold came.
        """
        channels = dict(glonass_channels) | self._channels
        has = (self._kinds[..., None] >> np.arange(len(KINDS)) & 1).astype(bool)
        unknown = [slot for slot in range(SATELLITES) if slot not in channels]
        has[np.ix_([System.GLONASS], unknown, range(N_SIGNALS), [PHASE, DOPPLER])] = False
        times = [part for part in self._times if len(part)]
        if not times or not has.any():
            raise ValueError("no epoch has a value that RINEX can hold: there is nothing to write")
        slots = np.flatnonzero(has[System.GLONASS].any(axis=(1, 2))).tolist()
        return Contents(
            gps_us=utc_to_gps(np.unique(np.concatenate(times))),
            types=_types(np.asarray(has.any(axis=1))),
            satellites=int(np.count_nonzero(has.any(axis=(2, 3)))),
            glonass_channels={slot: channels[slot] for slot in slots if slot in channels},
        )


def _types(has: NDArray[np.bool_]) -> dict[System, tuple[str, ...]]:
    """Return the observation types that have a value; `has` by system, signal and kind."""
    types: dict[System, tuple[str, ...]] = {}
    for system in System:
        names = [
            f"{letter}{code}"
            for code, signal in codes_in_order(system)
            for kind, letter in enumerate(KINDS)
            if has[system, signal, kind]
        ]
        if names:
            types[system] = tuple(names)
    return types


def fields_of(types: Mapping[System, tuple[str, ...]]) -> NDArray[np.int16]:
    """Return the field of each value by system, signal and kind; -1: there is none."""
    numbers = np.full((N_SYSTEMS, N_SIGNALS, len(KINDS)), -1, np.int16)
    for system, names in types.items():
        for code, signal in codes_in_order(system):
            for kind, letter in enumerate(KINDS):
                if letter + code in names:
                    numbers[system, signal, kind] = names.index(letter + code)
    return numbers
