"""Passwords: argon2id as other programs make it, and what was kept before."""

import hashlib

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.passwords import NOBODY, hashed, is_outdated, is_password


def old(password: str, salt: str, iterations: int = 10_000) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
    return f"pbkdf2-sha256${iterations}${salt}${digest.hex()}"


def test_a_hash_names_its_kind_and_the_library_s_own_hasher_understands_it():
    kept = hashed("geheim", "salt")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHasher().verify(kept, "geheim")
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(kept, "Geheim")
    other = PasswordHasher(memory_cost=20_000, time_cost=2, parallelism=1).hash("geheim")
    assert is_password("geheim", other)


def test_the_same_salt_gives_the_same_and_another_one_another():
    assert hashed("geheim", "a") == hashed("geheim", "a") != hashed("geheim", "b")


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(), max_size=30), st.text(st.characters(), max_size=30))
def test_any_text_is_a_password_and_only_that_one(password, other):
    kept = hashed(password, "salt")
    assert is_password(password, kept)
    assert is_password(other, kept) == (password == other)


def test_what_was_kept_before_goes_on_and_is_to_be_renewed():
    kept = old("geheim", "salt")
    assert is_password("geheim", kept)
    assert not is_password("Geheim", kept)
    assert is_password("geheim", old("geheim", "salt", 7)), "a hash says how often"
    assert is_outdated(kept)
    assert not is_outdated(hashed("geheim", "salt"))
    assert is_outdated(PasswordHasher(memory_cost=8192, time_cost=2, parallelism=1).hash("x"))


def test_who_has_no_account_is_compared_with_as_much_work():
    assert NOBODY.rsplit("$", 2)[0] == hashed("x", "x").rsplit("$", 2)[0]
    assert not is_outdated(NOBODY)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        NOBODY,
        "geheim",
        "$argon2id$",
        "pbkdf2-sha256$x$salt$00",
        "pbkdf2-sha256$0$salt$00",
        "pbkdf2-sha256$99999999999$salt$00",
        "pbkdf2-sha256$10$salt$\u00e9",
        "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=4000000,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=2,p=1$!$!",
        "$argon2id$v=19$m=19456,t=2,p=1$\u00e9$\u00e9",
    ],
)
def test_what_is_no_hash_or_asks_for_too_much_fits_no_password(kept):
    assert not is_password("geheim", kept)


@given(st.text(max_size=60))
def test_no_text_breaks_it(kept):
    is_password("x", "$argon2id$v=19$" + kept)
    is_outdated(kept)
