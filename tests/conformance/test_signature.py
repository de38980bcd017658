"""Group A: what a stranger does to a signature."""

import json

import pytest

from tests.conformance.conftest import Api
from tests.conformance.expect import NO_TOKEN, refused, served
from tests.support.tokens import claims, forge, key, mint, resigned, segment, unsegment

TOKEN = mint()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")


def test_a_good_token_is_served(api: Api) -> None:
    """The measure of all that follows."""
    served(api.get("/me", TOKEN))


def test_A1_no_token(api: Api) -> None:
    """A challenge without an error code."""
    refused(api.get("/me"), NO_TOKEN)


@pytest.mark.parametrize("change", [{"sub": "eve"}, {"roles": ["admin"]}, {"exp": 9_999_999_999}])
def test_A2_payload_edited(api: Api, change: dict[str, object]) -> None:
    """The signature is kept, and over something else."""
    refused(api.get("/me", f"{HEADER}.{segment(claims(change))}.{SIGNATURE}"))


@pytest.mark.parametrize("length", [-1, -4, 40, 1])
def test_A3_signature_truncated(api: Api, length: int) -> None:
    """By a character, by a byte, to half, to one."""
    refused(api.get("/me", f"{HEADER}.{PAYLOAD}.{SIGNATURE[:length]}"))
    refused(api.get("/me", resigned(TOKEN, unsegment(SIGNATURE)[:length])))


def test_A4_signature_missing(api: Api) -> None:
    """The two dots are there, and nothing after them."""
    refused(api.get("/me", f"{HEADER}.{PAYLOAD}."))


@pytest.mark.parametrize(
    "token",
    [
        HEADER,
        f"{HEADER}.{PAYLOAD}",
        f"{TOKEN}.",
        f"{TOKEN}.x",
        f".{TOKEN}",
        f"{HEADER}.{PAYLOAD}.{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}..{SIGNATURE}",
        f".{PAYLOAD}.{SIGNATURE}",
        f"{TOKEN}.{TOKEN}",
    ],
    ids=lambda token: "token",
)
def test_A5_segments_missing_or_extra(api: Api, token: str) -> None:
    """A signed token has three."""
    refused(api.get("/me", token))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", " none", "n\u00f6ne"])
@pytest.mark.parametrize("kid", [{}, {"kid": "ES256-main"}])
def test_A6_none_algorithm(api: Api, alg: str, kid: dict[str, str]) -> None:
    """Whatever its case (CVE-2026-28802)."""
    header = segment({"alg": alg, "typ": "at+jwt", **kid})
    refused(api.get("/me", f"{header}.{PAYLOAD}."))


@pytest.mark.parametrize("alg", [{"alg": "none"}, {}, {"alg": None}, {"alg": ["ES256"]}])
def test_A7_none_with_the_old_signature(api: Api, alg: dict[str, object]) -> None:
    """And no algorithm, null, or a list of them."""
    header = segment({"typ": "at+jwt", "kid": "ES256-main", **alg})
    refused(api.get("/me", f"{header}.{PAYLOAD}.{SIGNATURE}"))
    refused(api.get("/me", forge(json.loads(unsegment(header)), claims(), signing_key=key())))


@pytest.mark.parametrize(
    "token",
    [
        f"{TOKEN}AA",
        f"{HEADER}.{PAYLOAD}.AA",
        f"{HEADER}.{PAYLOAD}.AAAA",
        f"{HEADER}.{PAYLOAD}.{segment(unsegment(SIGNATURE) + bytes(1))}",
        f"{HEADER}.{segment(unsegment(PAYLOAD) + bytes(1))}.{SIGNATURE}",
        f"{HEADER}.AA.{SIGNATURE}",
        f"{TOKEN}%00",
        f"{TOKEN}\0",
        f"{HEADER}.{PAYLOAD}.\0",
        f"{HEADER}.\0.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}\0.{SIGNATURE}",
        f"\0{TOKEN}",
    ],
    ids=lambda token: "token",
)
def test_A8_null_bytes(api: Api, token: str) -> None:
    """Appended to, or instead of, signature or payload."""
    refused(api.get("/me", token))


@pytest.mark.parametrize("token", [".", "..", "...", "....", ".. .."])
def test_A9_dots_alone(api: Api, token: str) -> None:
    """Nothing, three times."""
    refused(api.get("/me", token))


@pytest.mark.parametrize(
    "signature",
    [
        bytes(64),
        bytes(63) + b"\x01",
        bytes(31) + b"\x01" + bytes(31) + b"\x01",
        b"\xff" * 64,
        bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2,
        bytes(96),
        bytes(128),
        bytes.fromhex("3006020100020100"),
        bytes.fromhex("3006020101020101"),
    ],
)
def test_A10_A11_A12_ecdsa_zero_order_length_and_der(api: Api, signature: bytes) -> None:
    """Numbers that no signer makes, and encodings that JWS does not know (CVE-2022-21449)."""
    refused(api.get("/me", resigned(TOKEN, signature)))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("first", [b"", b"\0", b"\0\0"])
def test_A13_rsa_signatures_of_another_length(api: Api, algorithm: str, first: bytes) -> None:
    """Zeros in front, at the end, or all through; the paddings are in tests/core."""
    token = mint(algorithm=algorithm)
    right = unsegment(token.rpartition(".")[2])
    served(api.get("/me", token))
    for wrong in (first + right[:-1], right + first + b"\0", first + bytes(256), right[1:] + first):
        refused(api.get("/me", resigned(token, wrong)))


@pytest.mark.parametrize(
    "token",
    [
        f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}==",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-1]}{'ABCDEFGH'[len(SIGNATURE) % 8]}",
        f"{TOKEN}\t",
        f"{TOKEN};x",
        f"{TOKEN}#",
        f"{TOKEN}%20",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}\u00e9",
        f"{HEADER}.{PAYLOAD}+.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}/.{SIGNATURE}",
    ],
    ids=lambda token: "token",
)
def test_A14_other_spellings(api: Api, token: str) -> None:
    """Padding, junk, the other alphabet: a token has one spelling (CVE-2026-102269)."""
    response = api.get("/me", token)
    if token.strip() == TOKEN:
        served(response)  # white space around a field's value is no part of it (RFC 9110, 5.5)
    else:
        refused(response)


def test_A15_a_canary_is_never_reflected(api: Api) -> None:
    """Neither claims nor header parameters of a refused token come back."""
    canary = "canary-7f3a"
    token = mint({"sub": canary, canary: canary, "iss": canary}, header={"kid": canary})
    for path in ("/me", "/optional", f"/tenants/{canary}/invoices"):
        response = api.get(path, token)
        refused(response)
        assert canary not in str(response)


def test_A16_a_good_token_after_a_bad_burst(api: Api) -> None:
    """Fifty bad ones change nothing for the next good one."""
    for number in range(50):
        refused(api.get("/me", mint(jti=str(number), name="stranger")))
    served(api.get("/me", TOKEN))
