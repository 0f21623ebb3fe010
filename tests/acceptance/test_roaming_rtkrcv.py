"""RTKLIB's rtkrcv drives past three simulated bases on NEAREST and knows where it is all the time.

In real time, since rtkrcv goes by the clock: some minutes. The bases stand 3 km apart, so that they are
passed in that time; what decides between them is scaled down with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from connectors.caster.relay import Relay
from connectors.caster.roaming.config import RoamingConfig
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.server import Caster
from gnss.geodesy import ecef_to_enu, geodetic_to_ecef
from gnss.simulate import SimulatedStation
from gnss.time import utc_to_gps
from sensors.model import Station
from tests.program import free_port

pytestmark = pytest.mark.acceptance

LATITUDE, HEIGHT_M = 30.5, 40.0
KM_A_DEGREE = 111.195 * math.cos(math.radians(LATITUDE))
BASES = {"A": (0.0, 0.11), "B": (3.0, 0.19), "C": (6.0, 0.26)}
"""Place along the road in km, and how late the epochs come in s."""
SPEED_KM_S, FROM_KM = 0.02, 0.2
SECONDS = int(os.environ.get("GROUNDSWELL_DRIVE_SECONDS", "190"))
SILENT_FROM_S = 130
"""B sends nothing from then on, and the rover has to go to C though B is nearer."""
SETTLE_S = 30
CONFIG = """
pos1-posmode       =kinematic
pos1-frequency     =l1+2
pos1-soltype       =forward
pos1-elmask        =15
pos1-dynamics      =off
pos1-ionoopt       =brdc
pos1-tropopt       =saas
pos1-sateph        =brdc
pos1-navsys        =9
pos2-armode        =continuous
pos2-arthres       =3
pos2-minfixsats    =4
pos2-maxage        =10
pos2-rejionno      =30
out-solformat      =llh
out-outhead        =off
out-outopt         =off
out-timesys        =gpst
out-timeform       =tow
out-timendec       =3
out-degform        =deg
out-height         =ellipsoidal
ant2-postype       =rtcm
inpstr1-type       =tcpcli
inpstr1-path       =127.0.0.1:{rover}
inpstr1-format     =rtcm3
inpstr2-type       =ntripcli
inpstr2-path       =rover:secret@127.0.0.1:{caster}/NEAREST
inpstr2-format     =rtcm3
inpstr2-nmeareq    =single
inpstr3-type       =off
outstr1-type       =file
outstr1-path       ={solution}
outstr1-format     =llh
outstr2-type       =off
logstr1-type       =off
logstr2-type       =off
logstr3-type       =off
misc-svrcycle      =10
misc-timeout       =10000
misc-reconnect     =1000
misc-nmeacycle     =1000
misc-navmsgsel     =all
"""


def longitude(km: float) -> float:
    return 114.0 + km / KM_A_DEGREE


def place_at(second: float) -> tuple[float, float, float]:
    return longitude(FROM_KM + SPEED_KM_S * second), LATITUDE + 0.002, HEIGHT_M


async def test_rtkrcv_stays_within_a_decimetre_from_half_a_minute_after_each_hand_over(tmp_path):
    clock_s = asyncio.get_running_loop().time
    stations = [
        Station(id=n, name=n, longitude=longitude(km), latitude=LATITUDE) for n, (km, _) in BASES.items()
    ]
    config = RoamingConfig(hysteresis_km=0.2, hysteresis_share=0.0, hold_s=20.0)
    relay = Relay(clock_s)
    roaming = Roaming(relay, lambda: stations, config, clock_s, lambda: 0)
    caster = Caster(relay, lambda: stations, lambda: 0, users={"rover": "secret"}, roaming=roaming)
    await caster.start("127.0.0.1", 0)
    bases = {
        name: SimulatedStation(n + 1, longitude(km), LATITUDE, HEIGHT_M, seed=n + 1)
        for n, (name, (km, _)) in enumerate(BASES.items())
    }
    rover = SimulatedStation(9, *place_at(0), seed=9)
    for one in (*bases.values(), rover):
        one.emit(1_760_000_000_000_000)  # compiles
    receivers: list[asyncio.StreamWriter] = []
    receiver = await asyncio.start_server(lambda _r, w: receivers.append(w), "127.0.0.1", free_port())
    solution = tmp_path / "solution"
    values = {
        "rover": receiver.sockets[0].getsockname()[1],
        "caster": caster.port,
        "solution": solution,
    }
    (tmp_path / "rtkrcv.conf").write_text(CONFIG.format(**values))
    leading = asyncio.create_task(roaming.run())
    begin_s = int(time.time()) + 2
    had: list[str] = []

    async def drive() -> None:
        """Let the bases and the receiver send at each second of the clock."""
        for second in range(SECONDS):
            epoch_us = (begin_s + second) * 1_000_000
            rover.move(*place_at(second))
            frames = {name: b"".join(one.emit(epoch_us).frames) for name, one in bases.items()}
            own = b"".join(rover.emit(epoch_us).frames)
            await asyncio.sleep(max(0.0, begin_s + second + 0.05 - time.time()))
            for writer in receivers:
                writer.write(own)
            for name, (_, late_s) in BASES.items():
                await asyncio.sleep(max(0.0, begin_s + second + late_s - time.time()))
                if name != "B" or second < SILENT_FROM_S:
                    relay.publish(name, frames[name])
            had.append(next((one.base for one in caster.sessions()), ""))

    program = shutil.which("rtkrcv")
    assert program is not None, "rtkrcv is missing: install Debian's package rtklib"
    keyboard, screen = os.openpty()
    client = await asyncio.create_subprocess_exec(
        *(program, "-w", "", "-d", os.ttyname(screen), "-o", str(tmp_path / "rtkrcv.conf")),
        cwd=tmp_path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await said(keyboard, b"rtkrcv>")
        os.write(keyboard, b"start\r")  # its option -s ends it with a fault in this version
        await said(keyboard, b"rtk server start")
        begin_s = int(time.time()) + 2
        await drive()
        await asyncio.sleep(1.0)
        assert client.returncode is None, "rtkrcv ended before its time"
    finally:
        with contextlib.suppress(ProcessLookupError):
            client.kill()
        await client.wait()
        os.close(keyboard)
        os.close(screen)
        leading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leading
        await caster.stop()
        receiver.close()
        for writer in receivers:
            writer.close()

    hand_overs = [second for second in range(1, SECONDS) if had[second] != had[second - 1]]
    assert [base for base in dict.fromkeys(had) if base] == ["A", "B", "C"], had
    found = solved(solution, begin_s)
    (tmp_path / "errors").write_text("\n".join(map(str, found)))
    settled = [
        one for one in found
        if all(not 0 <= one.second - change < SETTLE_S for change in hand_overs) and one.second > 2 * SETTLE_S
    ]  # fmt: skip
    assert len(settled) > 60
    assert max(one.error_m for one in settled) < 0.1
    assert max(one.age_s for one in found if one.second > SETTLE_S) <= 2.0
    seconds = [one.second for one in found if one.second > SETTLE_S]
    assert len(seconds) >= SECONDS - SETTLE_S - 6


async def said(console: int, words: bytes) -> None:
    """Return when a program has said something on its console."""
    os.set_blocking(console, False)
    heard = b""
    async with asyncio.timeout(20):
        while words not in heard:
            with contextlib.suppress(BlockingIOError):
                heard += os.read(console, 4096)
            await asyncio.sleep(0.05)


class Solved:
    """A line of rtkrcv's solution."""

    def __init__(self, line: str, begin_s: int) -> None:
        fields = line.split()
        self.second = round(float(fields[1]) - int(utc_to_gps(begin_s * 1_000_000)) / 1e6 % 604_800)
        found_m = np.array(geodetic_to_ecef(float(fields[3]), float(fields[2]), float(fields[4])))
        truth_m = np.array(geodetic_to_ecef(*place_at(self.second)))
        east, north, _ = ecef_to_enu(found_m, truth_m)
        self.error_m = math.hypot(east, north)
        self.quality, self.age_s = int(fields[5]), float(fields[13])

    def __str__(self) -> str:
        return f"{self.second} {self.error_m:.3f} m Q{self.quality} age {self.age_s}"


def solved(solution: Path, begin_s: int) -> list[Solved]:
    lines = solution.read_text(errors="replace").splitlines()
    found = [Solved(line, begin_s) for line in lines if line and line[0] != "%"]
    return [one for one in found if 0 <= one.second < SECONDS]
