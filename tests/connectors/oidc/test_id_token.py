"""ID tokens that prove who somebody is, and all that do not; made by another library."""

from __future__ import annotations

import base64
import hmac
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from connectors.oidc.config import OidcConfig, is_usable
from connectors.oidc.id_token import (
    Identity,
    NotLetInError,
    RefusedTokenError,
    UnknownKeyError,
    checked,
    identity,
)

NOW_S = 1_767_225_600
ISSUER = "https://id.example/realm"
CONFIG = OidcConfig(issuer=ISSUER, client_id="groundswell")
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
EC = ECKey.generate_key("P-256", {"kid": "ec"}, private=True)
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"}, private=True)
KEYS = [key.as_dict(private=False) for key in (RSA, EC, ED)]
CLAIMS = {
    "iss": ISSUER, "sub": "42", "aud": "groundswell", "nonce": "n", "iat": NOW_S - 5, "exp": NOW_S + 300,
}  # fmt: skip
ALL = ["RS256", "RS512", "PS256", "ES256", "EdDSA", "HS256", "none"]


def made(key=RSA, alg="RS256", header=None, **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    with warnings.catch_warnings():  # of the name EdDSA, and of short keys
        warnings.simplefilter("ignore")
        return jwt.encode({"alg": alg, "kid": key.kid, **(header or {})}, claims, key, algorithms=ALL)


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "RS512"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")]
)
def test_a_token_of_the_provider_is_believed(key, alg):
    claims = checked(made(key, alg), KEYS, CONFIG, "n", NOW_S)
    assert claims["sub"] == "42"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example/other"}, {"iss": "https://id.example/realm/"}, {"iss": None},
        {"aud": "another"}, {"aud": []}, {"aud": None}, {"aud": ["another"]}, {"aud": 5},
        {"aud": ["groundswell", "another"]}, {"azp": "another"},
        {"aud": ["groundswell", "another"], "azp": "another"},
        {"nonce": "m"}, {"nonce": None}, {"nonce": 5}, {"nonce": ""},
        {"exp": NOW_S - 60}, {"exp": None}, {"exp": "tomorrow"}, {"exp": True},
        {"exp": float("nan")}, {"exp": float("inf")}, {"iat": float("-inf")},
        {"iat": NOW_S + 61}, {"iat": None}, {"nbf": NOW_S + 61},
        {"sub": None}, {"sub": ""}, {"sub": 5},
    ],
)  # fmt: skip
def test_a_token_of_something_else_is_refused(changes):
    with pytest.raises(RefusedTokenError):
        checked(made(**changes), KEYS, CONFIG, "n", NOW_S)


@pytest.mark.parametrize(
    "changes", [{"exp": NOW_S - 59}, {"iat": NOW_S + 59}, {"aud": ["groundswell"]}, {"azp": "groundswell"}]
)
def test_clocks_may_differ_a_little(changes):
    assert checked(made(**changes), KEYS, CONFIG, "n", NOW_S)


def text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_who_signs_with_nothing_or_with_what_is_public_is_refused():
    claims = text(json.dumps(CLAIMS).encode())
    for alg in ("none", "None", "NONE", ""):
        header = text(json.dumps({"alg": alg, "kid": "rsa"}).encode())
        for token in (f"{header}.{claims}.", f"{header}.{claims}.{text(b'x')}", f"{header}.{claims}"):
            with pytest.raises(RefusedTokenError):
                checked(token, KEYS, CONFIG, "n", NOW_S)
    header = text(json.dumps({"alg": "HS256", "kid": "rsa"}).encode())
    for secret in (RSA.as_pem(private=False), json.dumps(KEYS[0]).encode(), b"groundswell" * 4):
        signature = hmac.digest(secret, f"{header}.{claims}".encode(), "sha256")
        shared = {"kty": "oct", "kid": "rsa", "k": text(secret)}
        for keys in (KEYS, [shared], [*KEYS, shared]):
            with pytest.raises(RefusedTokenError):
                checked(f"{header}.{claims}.{text(signature)}", keys, CONFIG, "n", NOW_S)


def test_a_key_that_somebody_brings_along_is_not_believed():
    own = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
    for header in ({}, {"jwk": own.as_dict(private=False)}, {"jku": "https://evil.example/keys"}):
        with pytest.raises(RefusedTokenError):
            checked(made(own, header=header), KEYS, CONFIG, "n", NOW_S)


def test_a_key_that_is_not_known_may_be_a_new_one():
    own = RSAKey.generate_key(2048, {"kid": "new"}, private=True)
    with pytest.raises(UnknownKeyError):
        checked(made(own), KEYS, CONFIG, "n", NOW_S)
    with pytest.raises(UnknownKeyError):
        checked(made(), [{**KEYS[0], "use": "enc"}], CONFIG, "n", NOW_S)
    with pytest.raises(UnknownKeyError):
        checked(made(), [{**KEYS[0], "alg": "RS512"}], CONFIG, "n", NOW_S)
    with pytest.raises(UnknownKeyError):
        checked(made(), [KEYS[0], KEYS[0]], CONFIG, "n", NOW_S)
    assert checked(made(), [{"kty": "?"}, {}, *KEYS], CONFIG, "n", NOW_S)


def test_a_weak_key_is_not_believed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weak = RSAKey.generate_key(1024, {"kid": "weak"}, private=True)
    with pytest.raises(RefusedTokenError):
        checked(made(weak), [weak.as_dict(private=False)], CONFIG, "n", NOW_S)


@given(place=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_."))
def test_a_token_that_was_changed_is_refused(place, letter):
    token = made()
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    if changed == token or place == len(token) - 1:  # whose last letter has bits that stand for nothing
        return
    with pytest.raises(RefusedTokenError):
        checked(changed, KEYS, CONFIG, "n", NOW_S)


@given(token=st.text(max_size=60) | st.text("abcZ09-_.=", max_size=80))
def test_noise_is_refused(token):
    with pytest.raises(RefusedTokenError):
        checked(token, KEYS, CONFIG, "n", NOW_S)


def test_what_is_deep_or_long_is_refused():
    header = text(json.dumps({"alg": "RS256", "kid": "rsa"}).encode())
    for token in (f"{header}.{text(b'[' * 9000)}.{text(b'x')}", "a" * 20_000, f"{text(b'[' * 9000)}.a.a"):
        with pytest.raises(RefusedTokenError):
            checked(token, KEYS, CONFIG, "n", NOW_S)


# --- who somebody is ----------------------------------------------------------------------------------


def config(**changes):
    return OidcConfig(issuer=ISSUER, client_id="groundswell", **changes)


def test_an_account_is_the_value_of_a_claim():
    assert identity(CLAIMS, CONFIG) == Identity("42", "42", None)
    named = {**CLAIMS, "preferred_username": "wang"}
    assert identity(named, config(account_claim="preferred_username")).account == "wang"
    for wrong in (None, "", 5, ["wang"], "x" * 101):
        with pytest.raises(NotLetInError):
            identity({**named, "preferred_username": wrong}, config(account_claim="preferred_username"))


@pytest.mark.parametrize(
    ("verified", "is_let_in"), [(True, True), (False, False), ("true", False), (None, False)]
)
def test_an_address_counts_when_it_is_verified(verified, is_let_in):
    claims = {**CLAIMS, "email": "wang@bureau.example", "email_verified": verified}
    if is_let_in:
        assert identity(claims, config(account_claim="email")).account == "wang@bureau.example"
        return
    with pytest.raises(NotLetInError):
        identity(claims, config(account_claim="email"))


@pytest.mark.parametrize(
    ("told", "is_let_in"),
    [("a.example", True), (["x", "b.example"], True), ("c.example", False), (None, False), ([], False),
     ({"a.example": 1}, False), (["a.example.evil"], False)],
)  # fmt: skip
def test_organisations_that_are_let_in(told, is_let_in):
    wanted = config(require={"org": ["a.example", "b.example"]})
    if is_let_in:
        assert identity({**CLAIMS, "org": told}, wanted)
        return
    with pytest.raises(NotLetInError):
        identity({**CLAIMS, "org": told}, wanted)


def test_roles_are_those_that_the_configuration_knows():
    mapped = config(role_claim="realm_access.roles", roles={"gnss": "operator", "boss": "administrator"})
    for told, roles in (
        (["gnss"], ("operator",)), (["boss", "gnss", "boss"], ("administrator", "operator")),
        ("gnss", ("operator",)), (["operator"], None), ([], None), (None, None), ([["gnss"]], None),
    ):  # fmt: skip
        claims = {**CLAIMS, "realm_access": {"roles": told}}
        if roles is None:
            with pytest.raises(NotLetInError):
                identity(claims, mapped)
        else:
            assert identity(claims, mapped).roles == roles
    flat = {**CLAIMS, "realm_access.roles": ["gnss"], "realm_access": "x"}
    assert identity(flat, mapped).roles == ("operator",)


# --- the configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://id.example"}, {"issuer": "https://id.example?x=1"}, {"issuer": "https://"},
        {"issuer": "https://u:p@id.example"}, {"issuer": "https://id.example:x"}, {"issuer": "id.example"},
        {"role_claim": "roles"}, {"roles": {"a": "viewer"}}, {"scopes": ["profile"]},
        {"client_secret": "a", "client_secret_file": "b"},
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match="oidc: "):
        OidcConfig(**{"issuer": ISSUER, "client_id": "groundswell", **wrong})


def test_a_configuration_tells_no_secret():
    assert "s3cret" not in repr(config(client_secret="s3cret"))


@pytest.mark.parametrize(
    ("url", "issuer", "is_so"),
    [
        ("https://other.example/keys", ISSUER, True), ("http://id.example/keys", ISSUER, False),
        ("http://127.0.0.1:1/keys", ISSUER, False), ("file:///etc/passwd", ISSUER, False),
        ("http://127.0.0.1:1/keys", "http://localhost:2", True),
        ("http://10.0.0.1/", "http://localhost:2", False),
        ("https://u@id.example/", ISSUER, False), ("", ISSUER, False), ("https://[", ISSUER, False),
    ],
)  # fmt: skip
def test_addresses_that_a_provider_may_name(url, issuer, is_so):
    assert is_usable(url, issuer) == is_so
