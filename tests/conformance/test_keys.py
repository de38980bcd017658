"""Groups C and D: which key is believed, and where nobody lets us fetch one from."""

import hmac
import secrets
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from flask import Flask

from jwt_guard import ConfigurationError, Guard
from jwt_guard_flask import JWTGuard
from tests.conformance.clients.base import Loop
from tests.conformance.conftest import MAKERS, Api
from tests.conformance.expect import refused, served
from tests.conformance.routes import Application
from tests.support import tokens
from tests.support.roca import roca_modulus
from tests.support.tokens import (
    ABSENT,
    claims,
    configuration,
    forge,
    jwk,
    key,
    mint,
    segment,
    unsegment,
)

ATTACKER = "https://attacker.example.test"
STRANGER = key("ES256", "stranger")
SECRET = secrets.token_bytes(32)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection or resolves a name fails the test."""

    def fail(*arguments: Any, **options: Any) -> Any:
        pytest.fail(f"somebody asked the network: {arguments}")

    monkeypatch.setattr(socket, "create_connection", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(socket.socket, "connect_ex", fail)


def _by_stranger(header: dict[str, Any], body: dict[str, Any] | None = None) -> str:
    """A token that a stranger signed with a key of their own."""
    whole = tokens.changed({"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}, header)
    return forge(whole, body or claims(), signing_key=STRANGER)


GUESSES = [b"", b"secret", b"password", b"changeme", b"your-256-bit-secret", b"a" * 32, b"0" * 64]


def _by_guess(guess: bytes, algorithm: str, **header: Any) -> str:
    whole = tokens.changed({"alg": algorithm, "typ": "at+jwt"}, header)
    message = f"{segment(whole)}.{segment(claims())}"
    signature = hmac.digest(guess, message.encode(), f"sha{algorithm[2:]}")
    return f"{message}.{segment(signature)}"


@pytest.fixture(params=list(MAKERS))
def secretive(request: pytest.FixtureRequest) -> Iterator[Api]:
    """An application whose issuer signs with a shared secret, in one framework after the other."""
    issuer = {"issuer": tokens.ISSUER, "secret": SECRET.hex(), "algorithms": ["HS256"]}
    guard = Guard.from_config(configuration(issuers=[issuer]), clock=tokens.Clock())
    other = Guard.from_config(configuration(realm="internal", routes={"protect": "marked"}))
    loop = Loop()
    client = MAKERS[request.param](Application(guard, other), loop)
    with client.in_force():
        yield Api(client)
    loop.close()


def test_C1_a_word_list_against_a_secret(secretive: Api) -> None:
    """The secret signs, and nothing that can be guessed does."""
    served(secretive.get("/me", _by_guess(SECRET.hex().encode(), "HS256")))
    for guess in (*GUESSES, SECRET, SECRET.hex().upper().encode()):
        refused(secretive.get("/me", _by_guess(guess, "HS256")))
        refused(secretive.get("/me", _by_guess(guess, "HS256", kid="ES256-main")))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_C4_a_word_list_against_public_keys(api: Api, algorithm: str) -> None:
    """An API that verifies by public keys has no secret to guess."""
    for guess in GUESSES:
        for kid in ("ES256-main", ABSENT):
            refused(api.get("/me", _by_guess(guess, algorithm, kid=kid)))


def test_C2_C3_empty_and_null_keys(api: Api) -> None:
    """A kid that resolves to nothing does not verify against nothing (CVE-2026-44351)."""
    for kid in (ABSENT, "unknown", "null", "None", "undefined"):
        for secret in (b"", b"\0", b"null", b"None"):
            header = tokens.changed({"alg": "HS256", "typ": "at+jwt"}, {"kid": kid})
            message = f"{segment(header)}.{segment(claims())}"
            signature = segment(hmac.digest(secret, message.encode(), "sha256"))
            refused(api.get("/me", f"{message}.{signature}"))


@pytest.mark.parametrize("kid", ["unknown", "es256-main", "ES256-MAIN", "ES256-main ", "ES256"])
def test_C3_an_unknown_kid(api: Api, kid: str) -> None:
    """Names are compared whole, though the signature is right."""
    refused(api.get("/me", mint(header={"kid": kid})))


def test_a_kid_may_be_missing_where_one_key_can_be_meant(api: Api) -> None:
    """One ES384 key is configured, so a token without kid can only mean that."""
    served(api.get("/me", mint(algorithm="ES384", header={"kid": ABSENT})))


RSA_2048 = int.from_bytes(unsegment(jwk("RS256")["n"]), "big")


def _rsa(modulus: int, **changes: Any) -> dict[str, Any]:
    number = modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    return {"keys": {"kty": "RSA", "n": segment(number), "e": "AQAB", **changes}}


WEAK: dict[str, dict[str, Any]] = {
    "C5-HS256": {"secret": "only-thirty-one-bytes-of-secret", "algorithms": ["HS256"]},
    "C5-HS512": {"secret": secrets.token_urlsafe(47)[:63], "algorithms": ["HS512"]},
    "C5-jwk": {"keys": {"kty": "oct", "k": segment(b"0123456789abcdef")}, "algorithms": ["HS256"]},
    "C6-1024": {**_rsa(RSA_2048 >> 1024 | 1), "algorithms": ["RS256"]},
    "C6-e=1": {**_rsa(RSA_2048, e="AQ"), "algorithms": ["RS256"]},
    "C6-e=3": {**_rsa(RSA_2048, e="Aw"), "algorithms": ["PS256"]},
    "C6-ROCA": {**_rsa(roca_modulus()), "algorithms": ["RS256"]},
    "C7-kid": {
        "keys": {"keys": [jwk(), jwk("ES384", kid="ES256-main")]},
        "algorithms": ["ES256", "ES384"],
    },
    "C7-mixed": {
        "keys": {"keys": [jwk(), {"kty": "oct", "kid": "s", "k": secrets.token_urlsafe(48)}]},
        "algorithms": ["ES256"],
    },
    "C8-use": {"keys": jwk(use="enc"), "algorithms": ["ES256"]},
    "C8-key_ops": {"keys": jwk(key_ops=["encrypt"]), "algorithms": ["ES256"]},
    "C8-alg": {"keys": jwk(alg="ES384"), "algorithms": ["ES256"]},
}


WHY = {
    "C5-HS256": "shorter than the hash",
    "C5-HS512": "shorter than the hash",
    "C5-jwk": "shorter than the hash",
    "C6-1024": "modulus of 1024 bits",
    "C6-e=1": "malformed",
    "C6-e=3": "RSA exponent",
    "C6-ROCA": "ROCA",
    "C7-kid": "used by several keys",
    "C7-mixed": "secrets and public keys",
    "C8-use": "`use`",
    "C8-key_ops": "`key_ops`",
    "C8-alg": "for none of ES256",
}


def _start_flask(raw: dict[str, Any]) -> None:
    app = Flask("x")
    app.config["JWT_GUARD"] = raw
    JWTGuard(app)


def _start_django(raw: dict[str, Any]) -> None:
    with override_settings(
        JWT_GUARD=raw, JWT_GUARDS={}, MIDDLEWARE=["jwt_guard_django.JWTGuardMiddleware"]
    ):
        WSGIHandler()


@pytest.mark.parametrize("start", [Guard.from_config, _start_flask, _start_django])
@pytest.mark.parametrize("weak", WEAK)
def test_C5_C6_C7_C8_unsafe_keys_refuse_the_start(start: Any, weak: str) -> None:
    """No framework starts with them, and each says what is wrong."""
    raw = configuration(issuers=[{"issuer": tokens.ISSUER, **WEAK[weak]}])
    with pytest.raises(ConfigurationError) as caught:
        start(raw)
    (problem,) = caught.value.problems
    assert WHY[weak] in problem.message


def test_C9_a_retired_key(api: Api) -> None:
    """A key that is not in the set any more."""
    refused(api.get("/me", mint(name="retired")))


def test_D1_an_embedded_jwk(api: Api) -> None:
    """The stranger's own key in the header, with our kid, its own, or none (CVE-2018-0114)."""
    own = jwk("ES256", "stranger")
    for kid in ("ES256-main", "ES256-stranger", ABSENT):
        refused(api.get("/me", _by_stranger({"jwk": own, "kid": kid})))
    refused(api.get("/me", _by_stranger({"jwk": {**own, "kid": "ES256-main"}})))


@pytest.mark.parametrize(
    "url",
    [
        f"{ATTACKER}/jwks.json",
        f"{tokens.ISSUER}@attacker.example.test/jwks",
        f"{tokens.ISSUER}.attacker.example.test/jwks",
        f"{tokens.ISSUER}/redirect?to={ATTACKER}",
        f"{ATTACKER}/#{tokens.ISSUER}",
        "http://127.0.0.1:1/jwks",
        "http://[::1]/jwks",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://attacker.example.test/jwks",
        "data:application/json,{}",
        "gopher://attacker.example.test:6379/_SET",
        "",
        "not a url",
    ],
)
@pytest.mark.parametrize("parameter", ["jku", "x5u"])
def test_D2_D3_D4_D8_D10_key_urls_are_never_asked(api: Api, parameter: str, url: str) -> None:
    """Whatever a header says of where its key is, nobody goes there."""
    for kid in ("ES256-main", "unknown"):
        refused(api.get("/me", _by_stranger({parameter: url, "kid": kid})))


def _certificate(signing_key: Any, name: str) -> bytes:
    """A self-signed certificate, in DER."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    private, today = signing_key.private_key, datetime(2026, 1, 1)  # noqa: DTZ001
    made = (
        x509.CertificateBuilder(subject, subject, private.public_key(), 5)
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=9999))
        .sign(private, SHA256())
    )
    return made.public_bytes(Encoding.DER)


FOREIGN = _certificate(STRANGER, tokens.ISSUER)
OWN = _certificate(key("ES256"), tokens.ISSUER)


def _thumbprints(certificate: bytes) -> dict[str, str]:
    return {
        "x5t": segment(sha1(certificate).digest()),
        "x5t#S256": segment(sha256(certificate).digest()),
    }


@pytest.mark.parametrize("kid", ["ES256-main", "unknown", ABSENT])
def test_D5_a_self_signed_certificate_in_the_header(api: Api, kid: object) -> None:
    """It holds the very key that signed, in our issuer's name, and is nobody's word but its own."""
    chain = {"x5c": [b64encode(FOREIGN).decode()], "kid": kid}
    refused(api.get("/me", _by_stranger(chain)))
    refused(api.get("/me", _by_stranger(chain | _thumbprints(FOREIGN))))


@pytest.mark.parametrize("kid", ["ES256-main", "unknown", ABSENT])
def test_D6_thumbprints_that_do_not_match(api: Api, kid: object) -> None:
    """Our certificate's over a stranger's signature, or over a stranger's certificate."""
    refused(api.get("/me", _by_stranger({**_thumbprints(OWN), "kid": kid})))
    chain = {"x5c": [b64encode(FOREIGN).decode()], "kid": kid}
    refused(api.get("/me", _by_stranger(chain | _thumbprints(OWN))))
    refused(api.get("/me", _by_stranger({"x5c": ["MIIB"], "x5t": "AAAA", "kid": kid})))


def test_D7_an_untrusted_issuer_triggers_no_discovery(api: Api) -> None:
    """Not even if it looks like ours."""
    for issuer in (ATTACKER, f"{tokens.ISSUER}.attacker.test", f"{ATTACKER}/{tokens.ISSUER}"):
        refused(api.get("/me", _by_stranger({}, claims(iss=issuer))))


KIDS = {
    "D11": [
        "../../../../dev/null",
        "/dev/null",
        "..\\..\\nul",
        "%2e%2e%2fkeys",
        "file:///dev/null",
    ],
    "D12": ["' OR '1'='1", "x' UNION SELECT 'secret'--", '" OR ""="', "1; DROP TABLE keys"],
    "D13": ["x|sleep 5", "$(sleep 5)", "`sleep 5`", "x; sleep 5 #", "x & ping -c 5 127.0.0.1"],
    "D14": ["*)(uid=*))(|(uid=*", "x\r\nSet-Cookie: a=b", "x\nERROR forged line", "\x1b[2J"],
    "D15": ["", " ", "k" * 513, "k" * 5000, "\u0000", "ES256-main\u0000", "\u202e"],
}


@pytest.mark.parametrize("kids", KIDS.values(), ids=KIDS)
def test_D11_D12_D13_D14_D15_a_kid_is_only_compared(
    api: Api, kids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It opens no file, asks no database, runs nothing, and stands in no log line."""
    caplog.set_level(0)
    start = time.monotonic()
    for kid in kids:
        refused(api.get("/me", mint(header={"kid": kid})))
        refused(api.get("/me", _by_stranger({"kid": kid})))
    assert time.monotonic() - start < 4
    logged = "".join(record.getMessage() for record in caplog.records)
    assert all(kid not in logged for kid in kids if len(kid) > 1)


@pytest.mark.parametrize("kid", [None, 0, True, 1.5, [], ["ES256-main"], {"kid": "ES256-main"}])
def test_D15_a_kid_of_another_type(api: Api, kid: object) -> None:
    """Is no name."""
    refused(api.get("/me", mint(header={"kid": kid})))


def test_D16_one_issuer_with_anothers_key(api: Api) -> None:
    """Keys belong to their issuer, however trusted both are."""
    other = "https://other.example.test"
    served(api.get("/me", mint(iss=other, name="other")))
    refused(api.get("/me", mint(iss=other)))
    refused(api.get("/me", mint(name="other")))
    refused(api.get("/me", mint(iss=other, header={"kid": "ES256-other"})))


def test_D17_urls_everywhere_are_never_asked(api: Api) -> None:
    """In every header parameter and every claim at once."""
    names = ["jku", "x5u", "kid", "cty", "url", "jwks_uri", "openid_configuration"]
    header = dict.fromkeys(names, f"{ATTACKER}/callback")
    body = dict.fromkeys(["picture", "profile", "website", "jti", "sub", "zoneinfo"], ATTACKER)
    refused(api.get("/me", _by_stranger(header, claims(body))))
    served(api.get("/me", mint(body, header={"jku": ATTACKER, "x5u": ATTACKER})), ATTACKER)
