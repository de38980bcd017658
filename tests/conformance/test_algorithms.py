"""Group B: what a stranger does to the algorithm."""

import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conformance.conftest import ALGORITHMS, Api
from tests.conformance.expect import refused, served
from tests.support import tokens
from tests.support.tokens import claims, forge, key, mint, segment


def _keyed_with(secret: bytes, name: str, **header: object) -> str:
    """An HMAC token that names a public key, keyed with this."""
    whole = {"alg": "HS256", "typ": "at+jwt", "kid": f"{name}-main", **header}
    message = f"{segment(whole)}.{segment(claims())}"
    return f"{message}.{segment(hmac.digest(secret, message.encode(), 'sha256'))}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_allowed_algorithm_is_served(api: Api, algorithm: str) -> None:
    """The measure of what follows."""
    served(api.get("/me", mint(algorithm=algorithm)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_B1_hs256_keyed_with_the_public_pem(api: Api, algorithm: str) -> None:
    """The key that everybody has is no secret."""
    refused(api.get("/me", _keyed_with(tokens.public_pem(algorithm), algorithm)))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_B2_hs256_keyed_with_other_forms_of_the_public_key(api: Api, algorithm: str) -> None:
    """White space, line ends, a prefix, DER, PKCS1, SSH (CVE-2022-29217)."""
    pem, public = tokens.public_pem(algorithm), key(algorithm).public_key
    forms = [pem.strip(), pem.replace(b"\n", b"\r\n"), b"\n" + pem, b"x" + pem, pem + b"\n"]
    forms.append(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    forms.append(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    if algorithm == "RS256":
        forms.append(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    for form in forms:
        refused(api.get("/me", _keyed_with(form, algorithm)))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_B3_hs256_keyed_with_the_jwk_text(api: Api, algorithm: str) -> None:
    """As one key, as a set, with spaces and without (CVE-2026-48526)."""
    for document in (tokens.jwk(algorithm), tokens.jwks(algorithm), tokens.jwks(*ALGORITHMS)):
        for separators in ((",", ":"), (", ", ": ")):
            text = json.dumps(document, separators=separators).encode()
            refused(api.get("/me", _keyed_with(text, algorithm)))


@pytest.mark.parametrize("kid", ["RS256-main", "ES256-main", "unknown"])
def test_B6_an_hmac_header_finds_no_public_key(api: Api, kid: str) -> None:
    """Whichever key it names (CVE-2026-22817)."""
    refused(api.get("/me", _keyed_with(b"secret" * 8, "", kid=kid)))


@pytest.mark.parametrize(
    ("claimed", "bound"),
    [("RS256", "PS256"), ("PS256", "RS256"), ("ES384", "ES256"), ("RS256", "ES256")],
)
def test_B7_B8_an_allowed_algorithm_with_a_key_bound_to_another(
    api: Api, claimed: str, bound: str
) -> None:
    """Both are allowed, and the signature fits one of them (CVE-2026-48523)."""
    header = {"alg": claimed, "typ": "at+jwt", "kid": f"{bound}-main"}
    refused(api.get("/me", forge(header, claims(), algorithm=bound, signing_key=key(bound))))
    if key(claimed).key_type == "RSA" == key(bound).key_type:
        refused(api.get("/me", forge(header, claims(), algorithm=claimed, signing_key=key(bound))))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS384", "ES512", "EdDSA", "HS256"])
def test_B8_an_algorithm_that_is_not_allowed(api: Api, algorithm: str) -> None:
    """Though the library knows it, and the key is ours."""
    header = {"alg": algorithm, "typ": "at+jwt", "kid": "RS256-main"}
    refused(
        api.get("/me", forge(header, claims(), algorithm=algorithm, signing_key=key(algorithm)))
    )


@pytest.mark.parametrize(
    "alg", ["es256", "Es256", "ES256 ", " ES256", "ES256\n", "ES-256", "ES256\0"]
)
def test_B10_other_spellings_of_the_algorithm(api: Api, alg: str) -> None:
    """Names have a case and no white space."""
    header = {"alg": alg, "typ": "at+jwt", "kid": "ES256-main"}
    refused(api.get("/me", forge(header, claims(), signing_key=key())))


def test_B11_an_encrypted_token(api: Api) -> None:
    """Five segments are no signed token, whatever is in them (CVE-2023-51774)."""
    header = segment({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "RS256-main"})
    refused(api.get("/me", f"{header}.AAAA.AAAA.AAAA.AAAA"))
    refused(api.get("/me", f"{header}.AAAA.AAAA"))
