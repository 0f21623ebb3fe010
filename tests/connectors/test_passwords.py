"""Passwords beside the streams: what is remembered, whose turn it is, and who waits."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.caster import accounts as accounts_room
from connectors.caster import guesses as room
from connectors.caster.accounts import Accounts
from connectors.caster.guesses import FORGET_S, FREE, FREE_OF_ACCOUNT, LONGEST_S, Guesses, source_of
from connectors.caster.passwords import (
    MOST_OF_ADDRESS,
    MOST_OF_STRANGERS,
    MOST_WAITING,
    THREADS,
    PasswordChecks,
    compare,
)
from streams.definitions import AccountDefinition
from streams.passwords import NOBODY, hashed
from tests.streams.test_passwords import old
from tests.waiting import until

LI = AccountDefinition(password_hash=hashed("li's", "salt"))
WU = AccountDefinition(password_hash=hashed("wu's", "salt"))


# --- what is remembered -------------------------------------------------------------------------------


def test_a_password_is_remembered_until_the_account_changes():
    accounts = Accounts()
    accounts.replace({"li": LI}, is_open=False)
    assert accounts.knows("li", "li's") is None
    assert accounts.knows("nobody", "li's") is None, "nothing tells that there is no such account"
    assert (accounts.kept("li"), accounts.kept("nobody")) == (LI.password_hash, NOBODY)
    assert not accounts.settle("li", "wrong", LI.password_hash, is_right=False)
    assert not accounts.settle("nobody", "x", NOBODY, is_right=True), "there is no such account"
    assert (accounts.knows("li", "wrong"), accounts.knows("nobody", "x")) == (False, False)
    assert accounts.settle("li", "li's", LI.password_hash, is_right=True)
    assert accounts.knows("li", "li's") is True
    accounts.replace({"li": LI, "nobody": WU}, is_open=False)
    assert accounts.knows("li", "li's") is True, "it did not change"
    assert accounts.knows("nobody", "x") is None, "it is there now"
    accounts.replace({"li": WU}, is_open=False)
    assert accounts.knows("li", "li's") is None
    assert accounts.knows("li", "wrong") is None
    assert not accounts.settle("li", "li's", LI.password_hash, is_right=True), "it was changed meanwhile"


def test_passwords_of_a_file_need_no_hash():
    accounts = Accounts({"plain": "text"})
    assert accounts.knows("plain", "text") is True
    assert accounts.knows("plain", "x") is None
    assert accounts.kept("plain") == accounts.kept("nobody") == ""
    accounts.replace({"plain": AccountDefinition(password="text"), "li": LI}, is_open=False)
    assert accounts.kept("plain") == NOBODY, "as slow as all others"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(accounts_room, "REMEMBERED", 2)
    monkeypatch.setattr(accounts_room, "REMEMBERED_WRONG", 2)
    accounts = Accounts()
    accounts.replace(dict.fromkeys("abc", LI), is_open=False)
    for name in "abc":
        accounts.settle(name, "x", LI.password_hash, is_right=False)
        accounts.settle(name, "li's", LI.password_hash, is_right=True)
    assert [accounts.knows(name, "li's") for name in "abc"] == [None, True, True]
    assert [accounts.knows(name, "x") for name in "abc"] == [None, False, False]


def test_old_hashes_are_counted_and_compared():
    accounts = Accounts()
    accounts.replace({"li": LI, "wu": AccountDefinition(password_hash=old("wu's", "s"))}, is_open=False)
    assert accounts.outdated() == 1
    assert compare("wu's", accounts.kept("wu"))
    assert not compare("li's", accounts.kept("wu"))


# --- guesses ------------------------------------------------------------------------------------------


def test_who_guesses_waits_longer_and_is_forgiven():
    guesses, now_s, waits = Guesses(), 0.0, []
    for _ in range(FREE + 8):
        begin_s = now_s
        while (wait_s := guesses.wait_s("li", "203.0.113.1", now_s)) is None:
            now_s += 1.0
        now_s += wait_s
        guesses.failed("li", "203.0.113.1", now_s, exists=False)
        waits.append(now_s - begin_s)
    assert waits[: FREE + 2] == [0.0] * (FREE + 2), "people mistype"
    assert waits[FREE + 2 :] == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_S]
    assert guesses.wait_s("li", "203.0.113.2", now_s) == 0.0, "from elsewhere nothing is waited for"
    assert guesses.wait_s("li", "203.0.113.1", now_s + FORGET_S + 1) == 0.0


def test_many_attempts_at_once_wait_one_behind_the_other_and_the_rest_is_refused():
    guesses = Guesses()
    for _ in range(20):
        guesses.failed("x", "203.0.113.1", 0.0, exists=False)
    waits = [guesses.wait_s("x", "203.0.113.1", 0.0) for _ in range(10)]
    assert waits == [0.0] + [None] * 9
    assert guesses.wait_s("x", "203.0.113.1", LONGEST_S) == 0.0


def test_an_account_that_many_guess_at_slows_those_who_were_wrong_and_nobody_else():
    guesses = Guesses()
    began = [guesses.failed("li", f"203.0.113.{k}", 0.0, exists=True) for k in range(FREE_OF_ACCOUNT + 1)]
    assert began == [False] * FREE_OF_ACCOUNT + [True]
    assert guesses.wait_s("li", "203.0.113.0", 0.0) == 0.0
    assert guesses.wait_s("li", "203.0.113.0", 0.0) > 0.0
    assert guesses.wait_s("wu", "203.0.113.1", 0.0) == guesses.wait_s("wu", "203.0.113.1", 0.0) == 0.0
    for _ in range(5):
        assert guesses.wait_s("li", "198.51.100.1", 0.0) == 0.0, "the owner, from elsewhere"


def test_tables_of_guessers_are_bounded(monkeypatch):
    monkeypatch.setattr(room, "MOST_ADDRESSES", 3)
    guesses = Guesses()
    for k in range(10):
        guesses.failed(f"x{k}", f"203.0.113.{k}", float(k), exists=False)
    assert guesses.addresses == 3
    assert guesses._accounts == {}


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_what_one_peer_has_of_them(address, source):
    assert source_of(address) == source


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["1", "2"]), st.floats(0, 5)), max_size=60))
def test_a_wait_is_never_longer_than_it_may_be(steps):
    guesses, now_s = Guesses(), 0.0
    for name, address, passed_s in steps:
        now_s += passed_s
        wait_s = guesses.wait_s(name, address, now_s)
        assert wait_s is None or 0.0 <= wait_s <= room.MOST_WAIT_S
        guesses.failed(name, address, now_s, exists=True)


# --- whose turn it is ---------------------------------------------------------------------------------


class Gate:
    """A comparison that waits for leave."""

    def __init__(self):
        self.open = threading.Event()
        self.seen = []

    def __call__(self, password, kept):
        assert self.open.wait(60)
        self.seen.append(password)
        return password == "right"


async def test_each_address_has_its_turn_and_known_ones_every_second():
    accounts, gate = Accounts(), Gate()
    accounts.replace({f"u{k}": LI for k in range(100)}, is_open=False)
    checks = PasswordChecks(accounts, lambda: 0.0, gate)
    gate.open.set()
    assert await checks.ask("u99", "right", "198.51.100.9")
    gate.open.clear()
    gate.seen.clear()
    tasks = [checks.ask(f"x{k}", f"wrong {k}", "203.0.113.1") for k in range(MOST_OF_ADDRESS - 1)]
    tasks += [checks.ask("u1", "right", "198.51.100.9"), checks.ask("u2", "right", "192.0.2.1")]
    await asyncio.sleep(0)
    gate.open.set()
    answers = await asyncio.gather(*tasks)
    assert answers == [False] * (MOST_OF_ADDRESS - 1) + [True, True]
    first = gate.seen[: THREADS + 4]
    assert first.count("right") == 2, f"both came before the flood's: {first}"
    checks.stop()


async def test_what_waits_is_bounded_and_who_leaves_is_not_compared():
    accounts, gate = Accounts(), Gate()
    accounts.replace({"li": LI}, is_open=False)
    checks = PasswordChecks(accounts, lambda: 0.0, gate)
    gate.open.set()
    assert await checks.ask("li", "right", "198.51.100.9")
    gate.open.clear()
    tasks = []

    def is_taken(address):
        task = checks.ask("x", f"{len(tasks)}", address)
        tasks.extend([] if task is None else [task])
        return task is not None

    assert [is_taken("203.0.113.1") for _ in range(60)].count(True) == MOST_OF_ADDRESS
    others = [is_taken(f"192.0.2.{k % 200}") for k in range(MOST_WAITING)]
    assert others.count(True) == MOST_OF_STRANGERS - MOST_OF_ADDRESS
    assert is_taken("198.51.100.9"), "room is kept for those that were right of late"
    await asyncio.sleep(0)
    for task in tasks[THREADS:]:
        task.cancel()
    gate.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: checks._running == 0)
    assert len(gate.seen) == 1 + THREADS
    assert not checks._present
    checks.stop()


async def test_a_comparison_that_fails_fails_one_rover_only():
    accounts = Accounts()
    accounts.replace({"li": LI}, is_open=False)

    def broken(password, kept):
        if password == "break":
            raise RuntimeError("broken")
        return True

    checks = PasswordChecks(accounts, lambda: 0.0, broken)
    with pytest.raises(RuntimeError):
        await checks.ask("li", "break", "198.51.100.9")
    assert await checks.ask("li", "right", "198.51.100.9")
    checks.stop()


async def test_what_became_known_meanwhile_needs_no_comparison(monkeypatch):
    waits = iter((0.0, 0.05))
    monkeypatch.setattr(Guesses, "wait_s", lambda *asked: next(waits))
    accounts = Accounts()
    accounts.replace({"li": LI}, is_open=False)
    calls = []
    checks = PasswordChecks(accounts, lambda: 0.0, lambda *asked: bool(calls.append(asked)) or True)
    first, second = checks.ask("li", "li's", "198.51.100.9"), checks.ask("li", "li's", "198.51.100.9")
    assert (await first, await second, len(calls)) == (True, True, 1)
    checks.stop()
