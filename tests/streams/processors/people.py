"""People, rosters and plans for tests, as commands make them."""

from sensors.model import Datastream
from streams.call_definitions import (
    Contact,
    Escalation,
    GroupDefinition,
    PersonDefinition,
    PlanDefinition,
    RosterDefinition,
    Shift,
    Step,
)
from streams.definitions import values_of
from streams.records import AlertTransition, Change, Changes

S = 1_000_000
PERSONS = ("li", "wang", "head", "elder", "farmer")
RED = Escalation(
    steps=[
        Step(to=["roster:duty/1"], channels=["voice", "sms"]),
        Step(to=["group:site"], channels=["sms"], answer=False),
        Step(to=["roster:duty/2"], after_s=180),
        Step(to=["person:head"], after_s=600),
    ],
    deadline_s=300,
    turns=2,
)
PLAN = PlanDefinition(
    levels={"red": RED, "blue": Escalation(steps=[Step(to=["roster:duty"], channels=["sms"], answer=False)])}
)


def change(kind, identity, made, version=1, at_us=0):
    after = None if made is None else values_of(made)
    return Change(
        kind=kind, id=identity, version=version, verb="put", before=None, after=after, by="t", at_us=at_us,
        command_id=f"{kind}{identity}{version}",
    )  # fmt: skip


def everybody(plan=PLAN, **plans):
    persons = [
        change(
            "person",
            name,
            PersonDefinition(
                name=name.title(),
                contacts=[Contact(channel=c, to=f"{c}:{name}") for c in ("voice", "sms")],
            ),
        )
        for name in PERSONS
    ]
    roster = RosterDefinition(time_zone="UTC", shifts=[Shift(person="li"), Shift(person="wang")])
    group = GroupDefinition(site="slope", members=["elder", "farmer"])
    rest = [change("plan", name, one) for name, one in {"all": plan, **plans}.items()]
    return Changes(
        changes=[*persons, change("roster", "duty", roster), change("group", "village", group), *rest]
    )


def datastream(identity="slope.crack", thing="slope", **more):
    return Datastream(
        id=identity, thing_id=thing, property_id="crack_width", name=identity, unit="mm", **more
    )


def step(number=1, **changes):
    usual = {
        "alert_id": "a1",
        "state": "open",
        "level": "red",
        "rule": "tangent",
        "subject_id": "slope.crack",
        "title": "Slope moves",
        "onset_us": 0,
        "opened_at_us": 0,
        "at_us": 0,
        "change": "opened",
    }
    return AlertTransition(number=number, **{**usual, **changes})
