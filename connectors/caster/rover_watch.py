"""Where rovers are and which base they have: looked at every ten seconds, told as privacy has it.

Nothing finer than the privacy setting gets into a session, and so into anything that is told, shown or kept.
What is exact stays in the rover's connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from connectors.caster.admission import Admission
from connectors.caster.connection import Connection
from connectors.caster.keeping import MOST_LEGS, Keeping
from connectors.caster.privacy import NOWHERE, Place, coarse, coarse_leg, coarse_place, coarse_session
from connectors.caster.session_book import Session
from streams.definitions import PrivacyDefinition
from streams.records import KeptSession, SessionLeg
from streams.regions import name_of

TURNS = 10
"""A rover is looked at in each so many calls of `look`: so often at most its changes are told."""
TELL_US = 60_000_000
"""After which a session is told again, also when nothing has changed but its volume."""
KEEP_US = 300_000_000
"""After which what is kept of a session that goes on is renewed: so much of it is lost with its caster."""
MOST_AGENT = 100
"""Characters."""
_AGES_S = (5.0, 15.0, 60.0)
"""Corrections that grow older than one of these are told; each second more is not."""


@dataclass(slots=True, eq=False)
class _Watched:
    connection: Connection
    session: Session
    turn: int
    sentences: int = 0
    """GGA that had come when it was looked at last."""
    told_us: int = 0
    kept_us: int = 0
    begin: Place = NOWHERE
    """Where it was first."""
    leg: tuple[str, int] | None = None
    """Base and time of the last leg."""
    legs: list[SessionLeg] = field(default_factory=list)
    """Those that were not given to be kept yet."""


class RoverWatch:
    """All rovers of a caster that get a stream. All calls come from the event loop.

    Parameters
    ----------
    admission
        Has their sessions.
    clock_us
        UTC.
    privacy
        What may be told and kept.
    """

    def __init__(self, admission: Admission, clock_us: Callable[[], int], privacy: PrivacyDefinition) -> None:
        self.keeping = Keeping()
        """What is to be stored; whoever stores it takes it away."""
        self._admission, self._clock_us = admission, clock_us
        self._privacy = privacy
        self._watched: dict[Connection, _Watched] = {}
        self._turns: list[dict[_Watched, None]] = [{} for _ in range(TURNS)]
        self._turn = 0

    @property
    def privacy(self) -> PrivacyDefinition:
        """What may be told and kept."""
        return self._privacy

    def set_privacy(self, privacy: PrivacyDefinition) -> None:
        """Let another setting hold, at once for what is told and for what waits to be kept."""
        if privacy == self._privacy:
            return
        is_first_day = privacy.days > 0 and not self._privacy.days
        self._privacy = privacy
        self._admission.detail = privacy.addresses
        if not privacy.days:
            self.keeping.clear()
        self.keeping.coarsen(privacy.position_decimals)
        now_us = self._clock_us()
        for watched in self._watched.values():
            watched.session.address = coarse(watched.connection.address, privacy.addresses)
            longitude, latitude = watched.begin
            watched.begin = coarse_place(longitude, latitude, privacy.position_decimals)
            if is_first_day:
                watched.leg = None
            watched.legs = [
                coarse_leg(one, privacy.position_decimals) for one in watched.legs if privacy.days
            ]
            self._see(watched, now_us)
            self._tell(watched, now_us)

    def begin(self, connection: Connection, agent: str, version: int) -> None:
        """Watch a rover whose stream begins."""
        session = self._admission.session_of(connection)
        if session is None:
            return
        session.agent, session.version = _printable(agent), version
        turn = min(range(TURNS), key=lambda one: len(self._turns[one]))
        watched = self._watched[connection] = _Watched(connection, session, turn)
        self._turns[turn][watched] = None
        now_us = watched.kept_us = self._clock_us()
        self._see(watched, now_us)
        self._tell(watched, now_us)

    def end(self, connection: Connection) -> None:
        """Watch a rover no more; to be called before admission forgets it."""
        watched = self._watched.pop(connection, None)
        if watched is None:
            return
        del self._turns[watched.turn][watched]
        now_us = self._clock_us()
        self._admission.session_of(connection)
        self._see(watched, now_us)
        self._keep(watched, now_us, is_over=True)

    def look(self) -> None:
        """Look at the rovers whose turn it is; to be called each second."""
        self._turn = (self._turn + 1) % TURNS
        self._look_at(self._turns[self._turn])

    def look_at_all(self) -> None:
        """Look at all rovers, to know them as they are now."""
        self._look_at(self._watched.values())

    def close(self) -> None:
        """Give all sessions to be kept as if they ended now: this process ends."""
        now_us = self._clock_us()
        for watched in self._watched.values():
            self._admission.session_of(watched.connection)
            self._see(watched, now_us)
            self._keep(watched, now_us, is_over=True)

    # --- inside ---------------------------------------------------------------------------------------

    def _look_at(self, some: Iterable[_Watched]) -> None:
        now_us = self._clock_us()
        for watched in some:
            before = _face(watched.session)
            self._admission.session_of(watched.connection)
            self._see(watched, now_us)
            if _face(watched.session) != before or now_us - watched.told_us >= TELL_US:
                self._tell(watched, now_us)
            if now_us - watched.kept_us >= KEEP_US:
                self._keep(watched, now_us, is_over=False)

    def _see(self, watched: _Watched, now_us: int) -> None:
        """Bring a session up to what its rover does, as coarse as privacy has it."""
        session, connection = watched.session, watched.connection
        rover, upload = connection.rover, connection.upload
        if rover is None:
            session.base, session.base_since_us = connection.station_id, session.begun_us
        else:
            session.base, session.reason = rover.base, rover.last_reason
            if rover.base:
                session.base_since_us = rover.base_since_us
            elif session.base_since_us and watched.leg is not None and watched.leg[0]:
                session.base_since_us = now_us
        if upload is not None:
            reader, position = upload.reader, upload.position
            if reader.sentences != watched.sentences:
                watched.sentences, session.heard_us = reader.sentences, now_us
            session.quality = reader.quality
            if position is None:
                session.longitude, session.latitude = NOWHERE
            else:
                session.age_s = position.age_s if reader.quality else None
                session.longitude, session.latitude = coarse_place(
                    position.longitude, position.latitude, self._privacy.position_decimals
                )
        if watched.begin == NOWHERE:
            watched.begin = _place(session)
        leg = session.base, session.base_since_us
        is_told = self._privacy.days > 0 and (session.base != "" or watched.leg is not None)
        if is_told and leg != watched.leg:
            self._add_leg(watched, now_us)
        watched.leg = leg

    def _add_leg(self, watched: _Watched, now_us: int) -> None:
        session = watched.session
        longitude, latitude = _place(session)
        since_us = session.base_since_us or now_us
        watched.legs.append(
            SessionLeg(
                since_us=since_us,
                base=session.base,
                reason=session.reason,
                longitude=longitude,
                latitude=latitude,
            )
        )
        if len(watched.legs) > MOST_LEGS:
            del watched.legs[0]
            self.keeping.lost += 1

    def _tell(self, watched: _Watched, now_us: int) -> None:
        watched.told_us = now_us
        self._admission.sessions.touch(watched.session)

    def _keep(self, watched: _Watched, now_us: int, *, is_over: bool) -> None:
        watched.kept_us = now_us
        if not self._privacy.days:
            return
        session, upload = watched.session, watched.connection.upload
        decimals = self._privacy.position_decimals
        kept = KeptSession(
            caster=session.caster,
            number=session.number,
            account=name_of(session.account),
            mountpoint=session.mountpoint,
            agent=session.agent,
            version=session.version,
            begun_us=session.begun_us,
            at_us=now_us,
            is_over=is_over,
            n_bytes=session.n_bytes,
            n_epochs=session.n_epochs,
            sentences=0 if upload is None else upload.reader.positions,
            fixed=0 if upload is None else upload.reader.fixed,
            floating=0 if upload is None else upload.reader.floating,
            decimals=6,
            begin_longitude=watched.begin[0],
            begin_latitude=watched.begin[1],
            longitude=session.longitude,
            latitude=session.latitude,
            legs=watched.legs,
        )
        watched.legs = []
        self.keeping.add(coarse_session(kept, decimals))


def _printable(agent: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in agent[:MOST_AGENT])


def _place(session: Session) -> Place:
    if session.longitude is None or session.latitude is None:
        return NOWHERE
    return session.longitude, session.latitude


def _face(session: Session) -> tuple[object, ...]:
    """Return what is told at once when it changes."""
    age_s = session.age_s
    grade = -1 if age_s is None else sum(age_s > one for one in _AGES_S)
    return session.base, session.longitude, session.latitude, session.quality, grade
