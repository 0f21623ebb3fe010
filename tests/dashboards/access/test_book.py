"""Accounts and tokens in force."""

import pytest

from dashboards.access.access import Access
from dashboards.access.book import PREFIX, Book
from dashboards.access.permissions import Action
from streams.access_definitions import TokenDefinition
from streams.definitions import AccountDefinition, definition, shown, values_of
from streams.records import Changes
from tests.dashboards.people import account, change, token

DAY_US = 86_400_000_000


def book_of(*changes):
    book = Book()
    book.take(Changes(changes=list(changes)))
    return book


def test_a_token_is_found_by_its_whole_text_alone():
    text, made = token("read")
    book = book_of(made)
    identity, found = book.token(text, 0)
    assert (identity, found.scopes) == (made.id, ["read"])
    bare = text.removeprefix(PREFIX)
    _, _, secret = bare.partition("_")
    for wrong in (
        "",
        PREFIX,
        bare,
        text[:-1],
        text + "x",
        text.upper(),
        secret,
        f"{PREFIX}_{secret}",
        "\ud800",
    ):
        assert book.token(wrong, 0) is None


def test_a_token_ends_with_its_time_and_when_it_is_revoked():
    text, made = token("read", expires_us=DAY_US)
    book = book_of(made)
    assert book.token(text, DAY_US - 1)
    assert book.token(text, DAY_US) is None
    book.take(Changes(changes=[change("token", made.id, None, 2)]))
    assert book.token(text, 0) is None
    book.take(Changes(changes=[made]))  # an older change, once more
    assert book.token(text, 0) is None


def test_a_token_may_no_more_than_its_owner():
    text, made = token("read", "change", "manage", owner="li")
    book = book_of(account("li", "operator"), made)
    _, found = book.token(text, 0)
    assert book.actions_of(found, 0) == {Action.READ, Action.CHANGE}
    for version, after in ((2, account("li", "viewer", version=2)), (3, account("li", version=3))):
        book.take(Changes(changes=[after]))
        assert book.actions_of(found, 0) == ({Action.READ} if version == 2 else frozenset())
    assert book_of(made).actions_of(found, 0) == frozenset()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"enabled": False}, "closed"),
        ({"valid_from_us": 2 * DAY_US}, "not valid yet"),
        ({"valid_until_us": DAY_US}, "not valid any more"),
    ],
)
def test_an_account_that_does_not_hold_has_no_roles(more, why):
    book = book_of(account("li", "operator", **more))
    assert book.roles("li", DAY_US) == ()
    assert why in book.why_not("li", DAY_US)


def test_a_rovers_account_has_no_role():
    book = book_of(account("li"))
    assert not book.has_roles
    assert "rovers" in book.why_not("li", 0)
    assert "gone" in book.why_not("wu", 0)


def test_any_change_of_an_account_changes_its_state():
    book = book_of(account("li", "operator"))
    states = {book.state("li")}
    for version, one in enumerate(({"enabled": False}, {}, {"most_sessions": 1}), 2):
        book.take(Changes(changes=[account("li", "operator", version=version, **one)]))
        states.add(book.state("li"))
    book.take(Changes(changes=[change("account", "li", None, 9)]))
    states.add(book.state("li"))
    assert len(states) == 5


def test_only_so_many_uses_are_remembered(monkeypatch):
    monkeypatch.setattr("dashboards.access.book.MOST_USES", 2)
    book = Book()
    for number, name in enumerate("ababc"):
        book.used(name, number)
    assert [book.used_us(name) for name in "abc"] == [None, 3, 4]


def test_an_open_server_is_open_until_there_is_an_administrator():
    book = book_of(account("li", "viewer"))
    access = Access(book, lambda: 0, lambda: 0.0, open_writes=True)
    assert access.is_open
    book.take(Changes(changes=[account("wu", "administrator")]))
    assert not access.is_open
    book.take(Changes(changes=[change("account", "wu", None, 2)]))
    assert access.is_open


def test_roles_are_kept_from_those_who_do_not_know_them():
    plain = values_of(AccountDefinition(password_hash="x"))
    assert "roles" not in plain
    assert values_of(definition("account", {**plain, "roles": ["viewer"]}))["roles"] == ["viewer"]
    with pytest.raises(ValueError, match="roles"):
        definition("account", {**plain, "roles": ["king"]})


def test_the_hash_of_a_token_is_not_shown():
    _, made = token("read")
    values = values_of(definition("token", made.after))
    assert isinstance(definition("token", made.after), TokenDefinition)
    assert "secret_hash" in values
    assert "secret_hash" not in shown("token", values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["all"]},
        {"name": ""},
        {"name": "a\nb"},
        {"secret_hash": "A" * 64},
        {"secret": "x"},
    ],
)
def test_what_is_no_token_is_refused(wrong):
    _, made = token("read")
    with pytest.raises(ValueError, match=next(iter(wrong))):
        definition("token", {**made.after, **wrong})
