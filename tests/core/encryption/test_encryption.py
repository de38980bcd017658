"""Encrypted tokens: the shell, its keys, and that a shell never stands for a signature."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from jwt_guard import Guard, Reason, Refusal
from jwt_guard.keys.decryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT, load_decryption_keys
from jwt_guard.keys.loading import UnusableKeys
from jwt_guard.tokens.encryption import Decryptor, Decryptors
from tests.support.tokens import (
    ABSENT,
    changed,
    claims,
    configuration,
    forge,
    key,
    mint,
    segment,
    unsegment,
)
from tests.support.verdicts import key_problems, problems

RSA = RSAKey.generate_key(2048, {"kid": "enc-rsa", "use": "enc"})
EC = ECKey.generate_key("P-256", {"kid": "enc-ec", "use": "enc"})
X25519 = OKPKey.generate_key("X25519", {"kid": "enc-okp", "use": "enc"})
SHARED = {
    name: OctKey.generate_key(size, {"kid": f"enc-{name}", "alg": name, "use": "enc"})
    for name, size in {"A128KW": 128, "A192KW": 192, "A256KW": 256, "dir": 256}.items()
}
EVERYTHING = list(jwe.JWERegistry.algorithms["alg"]) + list(jwe.JWERegistry.algorithms["enc"])


def _private(*keys: Any) -> dict[str, Any]:
    return {"keys": [each.as_dict(private=True) for each in keys]}


def _guard(*keys: Any, **changes: Any) -> Guard:
    config = configuration()
    config["issuers"][0] |= {"decryption_keys": _private(*keys), **changes}
    return Guard.from_config(config)


def _shell(
    inner: str | bytes,
    public: Any = EC,
    *,
    alg: str = "ECDH-ES",
    enc: str = "A256GCM",
    **header: Any,
) -> str:
    base = {"alg": alg, "enc": enc, "cty": "JWT", "kid": public.kid}
    registry = jwe.JWERegistry(algorithms=[*EVERYTHING, "DEF"], strict_check_header=False)
    return jwe.encrypt_compact(changed(base, header), inner, public, registry=registry)


def _reason(guard: Guard, token: str | bytes) -> Reason:
    with pytest.raises(Refusal) as caught:
        guard.verify(token)
    assert caught.value.status == 401
    return caught.value.reason


@pytest.mark.parametrize(
    ("alg", "private"),
    [
        ("RSA-OAEP-256", RSA),
        *((name, EC) for name in KEY_MANAGEMENT if name.startswith("ECDH")),
        *((name, X25519) for name in KEY_MANAGEMENT if name.startswith("ECDH")),
        *SHARED.items(),
    ],
)
def test_a_signed_token_within_an_encrypted_one_is_verified(alg: str, private: Any) -> None:
    """Every way to manage the key, where it is allowed."""
    guard = _guard(private, key_management=[alg])
    token = _shell(mint(), private, alg=alg)
    assert guard.verify(token).subject == "ada"
    assert guard.verify(token).subject == "ada"


@pytest.mark.parametrize("enc", CONTENT_ENCRYPTION)
def test_every_content_encryption_where_it_is_allowed(enc: str) -> None:
    """And none where it is not."""
    token = _shell(mint(), enc=enc)
    assert _guard(EC, content_encryption=[enc]).verify(token).subject == "ada"
    others = [name for name in CONTENT_ENCRYPTION if name != enc]
    assert _reason(_guard(EC, content_encryption=others), token) is Reason.DECRYPTION_FAILED


def test_where_encryption_is_agreed_unencrypted_tokens_are_refused() -> None:
    """RFC 9068 section 4."""
    assert _reason(_guard(EC), mint()) is Reason.TOKEN_NOT_ENCRYPTED


def test_where_it_is_not_encrypted_ones_are() -> None:
    """B11: what is encrypted to a key of ours is no credential."""
    guard = Guard.from_config(configuration())
    assert _reason(guard, _shell(mint())) is Reason.TOKEN_MALFORMED


def test_encryption_counts_for_its_own_issuer_only() -> None:
    """A shell for one issuer around another's token is refused, both ways."""
    config = configuration()
    other = {**config["issuers"][0], "issuer": "https://other.example.test"}
    other["keys"] = {"keys": [key(name="other").as_dict(private=False)]}
    config["issuers"][0]["decryption_keys"] = _private(EC)
    config["issuers"].append(other)
    guard = Guard.from_config(config)
    theirs = mint(name="other", iss="https://other.example.test")
    assert guard.verify(theirs).issuer == "https://other.example.test"
    assert _reason(guard, _shell(theirs)) is Reason.DECRYPTION_FAILED
    assert guard.verify(_shell(mint())).subject == "ada"


def test_issuers_may_share_our_key_or_have_their_own() -> None:
    """Whoever encrypts for us has our public key; what counts is whose token is within."""
    config = configuration()
    config["issuers"][0]["decryption_keys"] = _private(EC)
    for name, private in (("same", EC), ("own", X25519)):
        public = {"keys": [key(name=name).as_dict(private=False)]}
        entry = {**config["issuers"][0], "issuer": name, "keys": public}
        config["issuers"].append({**entry, "decryption_keys": _private(private)})
    guard = Guard.from_config(config)
    for name, private in (("same", EC), ("own", X25519)):
        token = mint(name=name, iss=name)
        assert guard.verify(_shell(token, private)).issuer == name
    assert _reason(guard, _shell(mint(name="own", iss="own"), EC)) is Reason.DECRYPTION_FAILED


@pytest.mark.parametrize(
    "inner",
    [
        f"{segment({'alg': 'none'})}.{segment(claims())}.",
        f"{segment({'alg': 'none'})}.{segment(claims())}",
        json.dumps(claims()),
        mint()[:-4],
        mint(name="stranger", header={"kid": "ES256-main"}),
        mint(aud="somebody-else"),
        mint(exp=1),
        "",
        b"\xff",
    ],
)
def test_what_is_within_must_be_signed_and_good(inner: str | bytes) -> None:
    """B12: anybody can encrypt to a public key, so a shell proves nothing."""
    _reason(_guard(EC), _shell(inner))


def test_shells_within_shells_are_refused() -> None:
    """One is enough."""
    assert _reason(_guard(EC), _shell(_shell(mint()))) is Reason.TOKEN_MALFORMED


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "header",
    [
        {"zip": "DEF"},
        {"cty": ABSENT},
        {"cty": "text/plain"},
        {"kid": "unknown"},
        {"crit": ["cty"]},
        {"p2c": 2**31, "p2s": "c2FsdA"},
        {"b64": True},
    ],
)
def test_headers_that_are_not_taken(header: dict[str, Any]) -> None:
    """Compression, extensions, costs that a token would choose, anything but a token within."""
    assert _reason(_guard(EC), _shell(mint(), **header)) is Reason.DECRYPTION_FAILED


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_algorithms_that_are_not_allowed_are_refused() -> None:
    """With the right key, and even where the library knows them."""
    token = _shell(mint(), RSA, alg="RSA-OAEP")
    guard = _guard(RSA)
    assert _reason(guard, token) is Reason.DECRYPTION_FAILED
    legacy = RSAKey.import_key(RSA.as_dict(private=False))
    assert _reason(guard, _shell(mint(), legacy, alg="RSA1_5")) is Reason.DECRYPTION_FAILED
    assert _reason(
        _guard(EC, key_management=["ECDH-ES"]), _shell(mint(), alg="ECDH-ES+A128KW")
    ) is (Reason.DECRYPTION_FAILED)
    assert not {"RSA1_5", "RSA-OAEP"} & {*KEY_MANAGEMENT}
    assert not [name for name in KEY_MANAGEMENT if name.startswith("PBES2")]


def test_every_failure_looks_the_same() -> None:
    """Wrong key, wrong tag, wrong length, a point off the curve: one reason, nothing more."""
    guard = _guard(EC, RSA)
    opening, wrapped, iv, ciphertext, tag = _shell(mint(), RSA, alg="RSA-OAEP-256").split(".")
    flipped = segment(bytes([unsegment(tag)[0] ^ 1]) + unsegment(tag)[1:])
    stranger = RSAKey.generate_key(2048, {"kid": "enc-rsa"})
    point = {"kty": "EC", "crv": "P-256", "x": segment(b"\1" * 32), "y": segment(b"\2" * 32)}
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": "enc-ec", "epk": point}
    bad = [
        f"{opening}.{wrapped}.{iv}.{ciphertext}.{flipped}",
        f"{opening}.{wrapped}.{iv}.{ciphertext}.",
        f"{opening}..{iv}.{ciphertext}.{tag}",
        f"{opening}.{wrapped}..{ciphertext}.{tag}",
        f"{opening}.{wrapped}.{iv}..{tag}",
        f"{opening}.{wrapped}=.{iv}.{ciphertext}.{tag}",
        f"{opening}.{segment(b'0' * 256)}.{iv}.{ciphertext}.{tag}",
        _shell(mint(), stranger, alg="RSA-OAEP-256"),
        f"{segment(header)}..{iv}.{ciphertext}.{tag}",
        f"{segment({**header, 'epk': 5})}..{iv}.{ciphertext}.{tag}",
        f"{segment({**header, 'epk': RSA.as_dict(private=False)})}..{iv}.{ciphertext}.{tag}",
        f"{segment({**header, 'kid': 5})}..{iv}.{ciphertext}.{tag}",
        f"{segment({**header, 'alg': ['ECDH-ES']})}..{iv}.{ciphertext}.{tag}",
        f"{segment({**header, 'enc': ['A256GCM']})}..{iv}.{ciphertext}.{tag}",
        f"{segment([])}..{iv}.{ciphertext}.{tag}",
        "....",
        "a.b.c.d.e",
    ]
    assert {_reason(guard, token) for token in bad} == {Reason.DECRYPTION_FAILED}


def test_a_token_without_kid_is_opened_where_one_key_can_be_meant() -> None:
    """With two that fit, none is guessed."""
    token = _shell(mint(), kid=ABSENT)
    assert _guard(EC, RSA).verify(token).subject == "ada"
    second = ECKey.generate_key("P-256", {"kid": "second"})
    assert _reason(_guard(EC, second), token) is Reason.DECRYPTION_FAILED


def test_the_size_is_limited_before_anything_is_decrypted() -> None:
    """And there is no compression that could make it grow."""
    token = _shell(mint(filling="x" * 20_000))
    assert _reason(_guard(EC), token) is Reason.TOKEN_TOO_LARGE


def test_keys_come_from_files_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JWK set, one JWK, or PEM."""
    (tmp_path / "keys.json").write_text(json.dumps(_private(EC)))
    (tmp_path / "key.json").write_text(json.dumps(EC.as_dict(private=True)))
    (tmp_path / "ec.pem").write_bytes(EC.as_pem(private=True))
    (tmp_path / "rsa.pem").write_bytes(RSA.as_pem(private=True))
    (tmp_path / "okp.pem").write_bytes(X25519.as_pem(private=True))
    monkeypatch.setenv("DECRYPTION_KEYS", json.dumps(_private(EC)))
    token = _shell(mint())
    for place in ("keys.json", "key.json", "ec.pem"):
        guard = _guard(EC, decryption_keys=str(tmp_path / place))
        assert guard.verify(token).subject == "ada"
    assert _guard(EC, decryption_keys="env:DECRYPTION_KEYS").verify(token).subject == "ada"
    guard = _guard(EC, decryption_keys=str(tmp_path / "rsa.pem"))
    assert guard.verify(_shell(mint(), RSA, alg="RSA-OAEP-256")).subject == "ada"
    guard = _guard(EC, decryption_keys=str(tmp_path / "okp.pem"))
    assert guard.verify(_shell(mint(), X25519)).subject == "ada"


@pytest.mark.parametrize(
    "material",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": [5]}',
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        {"keys": [EC.as_dict(private=False)]},
        {"keys": [{**EC.as_dict(private=True), "use": "sig"}]},
        {"keys": [{**EC.as_dict(private=True), "kid": ""}]},
        {"keys": [{**EC.as_dict(private=True), "kid": 5}]},
        {"keys": [{**EC.as_dict(private=True), "alg": "RSA-OAEP-256"}]},
        {"keys": [EC.as_dict(private=True), EC.as_dict(private=True)]},
        {"keys": [key("Ed25519").as_dict(private=True) | {"use": "enc"}]},
        {"keys": [{"kty": "oct", "k": segment(bytes(range(32)))}]},
        {"keys": [{"kty": "oct", "k": segment(bytes(range(16))), "alg": "A256KW"}]},
        {"keys": [{"kty": "oct", "k": segment(bytes(32)), "alg": "A256KW"}]},
    ],
)
def test_keys_that_are_not_taken(material: Any) -> None:
    """Public, ambiguous, for signing, of no strength, or none at all."""
    with pytest.raises(UnusableKeys):
        load_decryption_keys(material, KEY_MANAGEMENT)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_small_rsa_key_is_not_taken() -> None:
    """As for signatures."""
    small = RSAKey.generate_key(1024)
    with pytest.raises(UnusableKeys, match="1024"):
        load_decryption_keys(_private(small), KEY_MANAGEMENT)


def test_mistakes_are_named_at_start() -> None:
    """With their place."""
    config = configuration()
    config["issuers"][0] |= {"key_management": ["RSA1_5"], "content_encryption": ["none"]}
    assert [problem.path for problem in problems(config)] == [
        "issuers[0].key_management",
        "issuers[0].content_encryption",
    ]
    config = configuration()
    config["issuers"][0]["decryption_keys"] = "missing.json"
    (problem,) = key_problems(config)
    assert problem.path == "issuers[0].decryption_keys"


def test_the_number_of_key_sets_is_bounded() -> None:
    """Each may be tried for a token, so there cannot be any number of them."""
    decryptors = Decryptors()
    decryptor = Decryptor(keys=(), content=frozenset())
    for number in range(100):
        assert decryptors.add(number, decryptor) is decryptor
    assert decryptors.add(5, Decryptor(keys=(), content=frozenset())) is decryptor
    with pytest.raises(UnusableKeys, match="100"):
        decryptors.add(100, decryptor)


def test_nothing_of_a_key_is_shown() -> None:
    """Not in any repr."""
    keys = load_decryption_keys(_private(EC), KEY_MANAGEMENT)
    assert str(EC.as_dict(private=True)["d"]) not in repr(keys)


def test_a_cached_token_is_still_for_its_issuer() -> None:
    """The cache is keyed by the shell; another shell around the same token is opened anew."""
    guard = _guard(EC)
    inner = mint()
    assert guard.verify(_shell(inner)).subject == "ada"
    assert guard.verify(_shell(inner)).subject == "ada"
    assert _reason(guard, inner) is Reason.TOKEN_NOT_ENCRYPTED
    forged = forge({"alg": "ES256"}, claims(), signing_key=key(name="stranger"))
    assert _reason(guard, _shell(forged)) is Reason.SIGNATURE_INVALID
