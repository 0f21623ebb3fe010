from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from dashboards.access.permissions import (
    GRANTED,
    ROLES_OF,
    SECRET_KINDS,
    Action,
    actions_of,
    changing,
    reading,
)
from streams.access_definitions import Role, Scope
from streams.definitions import KINDS

ROLES = get_args(Role)
roles = st.frozensets(st.sampled_from(ROLES))


def test_what_each_role_may():
    able = {role: {action.value for action in actions_of([role])} for role in ROLES}
    assert able == {
        "viewer": {"read"},
        "operator": {"read", "sensitive", "rovers", "change", "metrics"},
        "duty_officer": {"read", "sensitive", "answer"},
        "administrator": set(get_args(Scope)),
    }


def test_scopes_are_what_can_be_granted():
    assert {action.value for action in GRANTED} == set(get_args(Scope))
    assert set(ROLES_OF) == set(Action) - {Action.OPEN, Action.OWN_PROOF}


@given(roles, roles)
def test_several_roles_may_what_each_may(some, others):
    assert actions_of(some | others) == actions_of(some) | actions_of(others)


@given(roles)
def test_only_administrators_manage_and_whoever_may_anything_may_read(held):
    able = actions_of(held)
    assert (Action.MANAGE in able) == ("administrator" in held)
    assert (Action.READ in able) == bool(held)
    assert able <= GRANTED


def test_every_kind_of_object_has_an_action():
    assert {kind for kind in KINDS if changing(kind) is Action.MANAGE} == {"account", "token", "privacy"}
    assert {kind for kind in KINDS if changing(kind) is Action.ANSWER} == {"silence", "sighting"}
    assert {kind for kind in KINDS if reading(kind) is Action.MANAGE} == SECRET_KINDS
