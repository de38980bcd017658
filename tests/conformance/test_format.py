"""Group E: what a stranger does to header, format and encoding."""

import json
from typing import Any

import pytest

from tests.conformance.conftest import Api
from tests.conformance.expect import refused, served
from tests.support.tokens import ABSENT, claims, forge, key, mint, segment

TOKEN = mint()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
GOOD_HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "ES256-main"}
ODD = [None, True, False, 0, 1, -1.5, "", "x", [], [1], {}, {"a": 1}]


def _signed(header: Any, payload: Any = None) -> str:
    """Anything as header and payload, rightly signed."""
    return forge(header, claims() if payload is None else payload, signing_key=key())


@pytest.mark.parametrize(
    "crit", [["x"], ["b64"], ["exp"], ["http://x.test/ext"], ["alg"], ["kid", "x"], ["x", "x"]]
)
def test_E1_unknown_crit(api: Api, crit: list[str]) -> None:
    """With its member there and without (CVE-2025-59420)."""
    refused(api.get("/me", _signed({**GOOD_HEADER, "crit": crit})))
    refused(api.get("/me", _signed({**GOOD_HEADER, **dict.fromkeys(crit, 1), "crit": crit})))


@pytest.mark.parametrize("crit", [[], None, 5, "b64", True, {}, [5], [None], [[]]], ids=str)
def test_E2_crit_of_another_form(api: Api, crit: object) -> None:
    """Empty, or no list of names."""
    refused(api.get("/me", _signed({**GOOD_HEADER, "crit": crit})))


@pytest.mark.parametrize("crit", [{}, {"crit": ["b64"]}])
def test_E3_unencoded_payload(api: Api, crit: dict[str, object]) -> None:
    """RFC 7797 is not implemented, so nothing may ask for it (CVE-2026-48525)."""
    for b64 in (False, True):
        refused(api.get("/me", _signed({**GOOD_HEADER, "b64": b64, **crit})))


@pytest.mark.parametrize("name", ["DEF", "GZIP", "", None])
def test_E4_zip_on_a_signed_token(api: Api, name: object) -> None:
    """Compression belongs to encryption, and is refused there too."""
    refused(api.get("/me", _signed({**GOOD_HEADER, "zip": name})))


@pytest.mark.parametrize(
    ("typ", "changes"),
    [
        (ABSENT, {}),
        ("JWT", {}),
        ("jwt", {}),
        (ABSENT, {"nonce": "n", "at_hash": "x"}),
        ("logout+jwt", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ("dpop+jwt", {"htm": "GET", "htu": "https://api.example.test/me"}),
        ("rt+jwt", {}),
        ("secevent+jwt", {}),
        ("at+jwt", {"events": {}}),
        ("at+jwt", {"at_hash": "x"}),
        ("at+jwt", {"htm": "GET"}),
        ("at+jwt+x", {}),
        ("at jwt", {}),
        ("application/application/at+jwt", {}),
    ],
)
def test_E5_tokens_of_another_kind(api: Api, typ: object, changes: dict[str, object]) -> None:
    """ID, refresh and logout tokens and DPoP proofs of our own issuer."""
    refused(api.get("/me", mint(changes, header={"typ": typ})))


def test_E6_E7_E8_json_serializations(api: Api) -> None:
    """General, flattened, without signatures, and polyglots with the compact form."""
    flat = {"protected": HEADER, "payload": PAYLOAD, "signature": SIGNATURE}
    general = {"payload": PAYLOAD, "signatures": [{"protected": HEADER, "signature": SIGNATURE}]}
    for document in (flat, general, {"payload": PAYLOAD, "signatures": []}, {"payload": PAYLOAD}):
        texts = (json.dumps(document), json.dumps(document, separators=(",", ":")))
        for token in (*texts, segment(document), f"{segment(document)}.{PAYLOAD}.{SIGNATURE}"):
            refused(api.get("/me", token))
    polyglot = f'{{"{HEADER}.{PAYLOAD}.{SIGNATURE}":0}}'
    refused(api.get("/me", polyglot))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"ES256-main"}',
        b'{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"ES256-main"}',
        b'{"alg":"ES256","typ":"at+jwt","kid":"ES256-main","kid":"ES256-main"}',
        b'{"alg":"ES256","typ":"at+jwt","k\\u0069d":"x","kid":"ES256-main"}',
    ],
)
def test_E9_duplicate_members_of_the_header(api: Api, header: bytes) -> None:
    """Two readers would believe two things."""
    refused(api.get("/me", _signed(header)))


@pytest.mark.parametrize("name", ["sub", "exp", "aud", "iss", "roles"])
def test_E9_duplicate_members_of_the_payload(api: Api, name: str) -> None:
    """At the top or below, equal or not."""
    good = json.dumps(claims(roles=["viewer"]))
    for twice in (f'{{"{name}":"x",{good[1:]}', f'{good[:-1]},"{name}":"x"}}'):
        refused(api.get("/me", _signed(GOOD_HEADER, twice.encode())))
    nested = f'{good[:-1]},"x":[{{"a":1,"a":1}}]}}'
    refused(api.get("/me", _signed(GOOD_HEADER, nested.encode())))


@pytest.mark.parametrize("name", ["alg", "kid", "typ", "jwk", "x5c", "jku", "x5u", "x5t", "cty"])
def test_E10_odd_values_in_the_header(api: Api, name: str) -> None:
    """Of the wrong type; of the right one only where it means nothing."""
    allowed = {"jwk": dict, "x5c": list, "jku": str, "x5u": str, "x5t": str, "cty": str}
    for value in ODD:
        response = api.get("/me", _signed({**GOOD_HEADER, name: value}))
        if isinstance(value, allowed.get(name, ())) and (name, value) != ("x5c", [1]):
            served(response)
        else:
            refused(response)


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "sid", "acr"]
)
def test_E10_odd_values_in_the_claims(api: Api, name: str) -> None:
    """No odd value raises anything; text where text belongs may be served."""
    for value in ODD:
        response = api.get("/me", mint({name: value}))
        is_plain = isinstance(value, str) and name in {"sub", "jti", "sid", "acr"}
        is_past = name == "nbf" and type(value) in (int, float)
        if (is_plain and (value or name not in {"sub", "jti"})) or is_past:
            served(response, str(value) if name == "sub" else "ada")
        else:
            refused(response)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-32"),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("ada", "ad\u00e9").encode("latin-1"),
        lambda text: text.replace("ada", "X").encode().replace(b"X", b"\xff"),
        lambda text: text.replace("ada", "X").encode().replace(b"X", b"\xc0\xae"),
        lambda text: text.replace("ada", "X").encode().replace(b"X", b"\xed\xa0\x80"),
        lambda text: text.replace("ada", "\\ud800").encode(),
        lambda text: text.encode() + b"\0",
        lambda text: text.encode("utf-7") if "+" in text else b"+" + text.encode(),
    ],
)
def test_E11_other_encodings(api: Api, encode: Any) -> None:
    """JSON is UTF-8 (RFC 8725bis, 3.7)."""
    refused(api.get("/me", _signed(GOOD_HEADER, encode(json.dumps(claims())))))


def test_other_alphabets_are_served(api: Api) -> None:
    """What is UTF-8 comes through as it was."""
    served(api.get("/me", mint(sub="\u65e5\u672c \U0001f600")), "\u65e5\u672c \U0001f600")


@pytest.mark.parametrize("mark", [" ", "\t", "{", "}", '"', "'", "<", "\\", "\u00a0"])
def test_E12_space_braces_and_quotes(api: Api, mark: str) -> None:
    """In front of, within, and behind a token."""
    for token in (f"{HEADER}{mark}.{PAYLOAD}.{SIGNATURE}", f"{HEADER}.{mark}{PAYLOAD}.{SIGNATURE}"):
        refused(api.get("/me", token))
    refused(api.get("/me", f"{mark}{TOKEN}"))


@pytest.mark.parametrize("header", [[], "x", 5, None, True, {}, [GOOD_HEADER]])
def test_headers_that_are_no_objects(api: Api, header: object) -> None:
    """Rightly signed, and nothing to read."""
    refused(api.get("/me", _signed(header)))
