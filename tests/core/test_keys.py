"""Keys come in from every form users have them in, and none that is weak or ambiguous stays."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import RSAKey

from jwt_guard import ConfigurationError, Guard, Reason, Refusal
from jwt_guard.flow import run
from jwt_guard.keys.algorithms import ALGORITHMS
from jwt_guard.keys.keyset import KeySet, StaticKeys, find_key
from jwt_guard.keys.loading import (
    MAX_KEYS,
    UnusableKeys,
    load_jwks,
    load_pem,
    load_secret,
    load_text,
)
from jwt_guard.keys.rules import weakness_of
from jwt_guard.keys.signing import SigningKeys, generate_key
from tests.support import tokens
from tests.support.roca import ROCA_PRODUCT, has_small_factor, roca_modulus
from tests.support.tokens import configuration, jwk, jwks, mint, private_jwk, public_pem
from tests.support.verdicts import refused


def _why(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(UnusableKeys) as caught:
        function(*arguments, **options)
    return str(caught.value)


def _rsa_jwk(modulus: int, exponent: int = 65537) -> dict[str, Any]:
    def number(value: int) -> str:
        return tokens.segment(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": number(modulus), "e": number(exponent), "kid": "r"}


def _modulus() -> int:
    modulus: int = tokens.key("RS256").public_key.public_numbers().n
    return modulus


# RSA


@pytest.mark.parametrize("bits", [1024, 2047])
def test_C6_a_short_rsa_key_is_refused(bits: int) -> None:
    """RSA below 2048 bits verifies nothing."""
    modulus = _modulus() >> (2048 - bits)
    assert f"{bits} bits" in _why(load_jwks, _rsa_jwk(modulus), ["RS256"])


def test_C6_a_real_rsa_1024_pem_is_refused() -> None:
    """The same for a PEM file, with the guard's configuration as the reader."""
    weak = rsa.generate_private_key(65537, 1024).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    issuer = {"issuer": "x", "keys": pem, "algorithms": ["RS256"]}
    with pytest.raises(ConfigurationError, match="1024 bits"):
        Guard.from_config(configuration(issuers=[issuer]))


@pytest.mark.parametrize("bits", [8193, 16_384])
def test_J8_an_oversized_rsa_key_is_refused(bits: int) -> None:
    """RSA above 8192 bits is refused before it costs anything."""
    assert f"{bits} bits" in _why(load_jwks, _rsa_jwk((1 << bits) - 1), ["RS256"])


@pytest.mark.parametrize("exponent", [3, 17, 65535, 65539 - 1])
def test_C6_a_small_or_even_exponent_is_refused(exponent: int) -> None:
    """Exponents below 65537, and even ones, are refused."""
    reason = _why(load_jwks, _rsa_jwk(_modulus(), exponent), ["RS256"])
    assert "exponent" in reason or "malformed" in reason


def test_C6_an_exponent_of_one_is_refused() -> None:
    """With e = 1 every message is its own signature; no library numbers get that far."""
    assert _why(load_jwks, _rsa_jwk(_modulus(), 1), ["RS256"])


def test_C6_the_mark_of_roca_is_refused() -> None:
    """A modulus that is a power of 65537 modulo all the marked primes (CVE-2017-15361)."""
    assert "ROCA" in _why(load_jwks, _rsa_jwk(roca_modulus()), ["RS256"])


def test_C6_one_residue_off_the_mark_is_no_roca() -> None:
    """A modulus whose residue at one prime is no power of 65537 passes that rule."""
    step = ROCA_PRODUCT // 11
    modulus = roca_modulus()
    powers = {pow(65537, k, 11) for k in range(11)}
    while modulus % 11 in powers or has_small_factor(modulus):
        modulus += step
    assert load_jwks(_rsa_jwk(modulus), ["RS256"]).keys


@pytest.mark.parametrize("factor", [2, 3, 997])
def test_C6_a_modulus_with_a_small_factor_is_refused(factor: int) -> None:
    """Such a modulus is damaged or made to be factored."""
    modulus = _modulus() // factor * factor
    assert _why(load_jwks, _rsa_jwk(modulus), ["RS256"])


def test_real_rsa_keys_are_strong() -> None:
    """No key that cryptography makes is refused."""
    assert weakness_of(RSAKey.generate_key(2048), ("RS256",)) is None


# HMAC


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 31), ("HS384", 47), ("HS512", 63)])
def test_C5_an_hmac_key_shorter_than_its_hash_is_refused(algorithm: str, size: int) -> None:
    """As a secret in place, as a JWK, and by a whole configuration (RFC 7518, 3.2)."""
    secret = bytes(range(size))
    oct_jwk = {"kty": "oct", "k": tokens.segment(secret)}
    assert f"{size} bytes" in _why(load_secret, secret, [algorithm])
    assert f"{size} bytes" in _why(load_jwks, oct_jwk, [algorithm], symmetric=True)
    issuer = {"issuer": "x", "secret": "s" * size, "algorithms": [algorithm]}
    with pytest.raises(ConfigurationError, match=f"{size} bytes"):
        Guard.from_config(configuration(issuers=[issuer]))


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_C5_an_hmac_key_as_long_as_its_hash_is_taken(algorithm: str, size: int) -> None:
    """The bound itself is good."""
    assert len(load_secret(bytes(range(size)), [algorithm]).keys) == 1


def test_C5_the_longest_of_the_hashes_counts() -> None:
    """A secret for two algorithms suits the longer one."""
    assert "64 bytes" in _why(load_secret, bytes(range(63)), ["HS256", "HS512"])


@pytest.mark.parametrize("secret", [b"", b"a" * 64, b"abababab" * 8])
def test_C5_a_secret_without_variety_is_refused(secret: bytes) -> None:
    """Empty and repetitive secrets are not random, as text or as JWK."""
    assert _why(load_secret, secret, ["HS256"])
    oct_jwk = {"kty": "oct", "k": tokens.segment(secret)}
    assert _why(load_jwks, oct_jwk, ["HS256"], symmetric=True)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_B1_the_text_of_a_public_key_is_no_secret(algorithm: str) -> None:
    """An HMAC secret that is a public PEM is refused at start."""
    assert "public key" in _why(load_secret, public_pem(algorithm), ["HS256"])


def test_C1_secrets_never_stand_in_a_message() -> None:
    """What is refused is described, not quoted."""
    secret = b"correct-horse-battery"
    assert secret.decode() not in _why(load_secret, secret, ["HS256"])


def test_secrets_come_from_variables_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`env:` and `file:` refer, and any other text is the secret itself."""
    raw = tokens.key("HS256").raw_value.hex()
    monkeypatch.setenv("THE_SECRET", raw)
    (tmp_path / "secret").write_text(raw + "\n", encoding="utf-8")
    token = tokens.forge(
        {"alg": "HS256", "typ": "at+jwt"},
        tokens.claims(),
        algorithm="HS256",
        signing_key=type(tokens.key("HS256")).import_key(raw.encode()),
    )
    for secret in (raw, "env:THE_SECRET", f"file:{tmp_path / 'secret'}"):
        issuer = {"issuer": tokens.ISSUER, "secret": secret, "algorithms": ["HS256"]}
        guard = Guard.from_config(configuration(issuers=[issuer]))
        assert guard.verify(token).subject == "ada"


def test_the_bytes_of_a_variable_need_not_be_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binary secret in the environment is that secret."""
    monkeypatch.setenv("THE_SECRET", bytes(range(128, 192)).decode("utf-8", "surrogateescape"))
    issuer = {"issuer": tokens.ISSUER, "secret": "env:THE_SECRET", "algorithms": ["HS256"]}
    guard = Guard.from_config(configuration(issuers=[issuer]))
    assert guard.verifier.issuers.get(tokens.ISSUER) is not None


# Sets


def test_C7_two_keys_with_one_kid_refuse_the_set() -> None:
    """Whatever the keys are of, one name must mean one key."""
    set_of_two = {"keys": [jwk("ES256", kid="k"), jwk("RS256", kid="k")]}
    assert "`kid`" in _why(load_jwks, set_of_two, ["ES256", "RS256"])


def test_C7_two_keys_without_kid_are_taken_but_ambiguous() -> None:
    """They load, but a token cannot choose between them."""
    two = {"keys": [jwk("ES256", kid=tokens.ABSENT), jwk("ES256", "b", kid=tokens.ABSENT)]}
    keys = load_jwks(two, ["ES256"]).keys
    with pytest.raises(Refusal) as caught:
        keys.find("k", "ES256")
    assert caught.value.reason is Reason.KEY_AMBIGUOUS


@pytest.mark.parametrize("algorithms", [["ES256"], ["HS256"]])
@pytest.mark.parametrize("symmetric", [True, False])
def test_C7_secrets_and_public_keys_in_one_set_refuse_it(
    algorithms: list[str], symmetric: bool
) -> None:
    """Whichever algorithms are configured, and though the other kind would be skipped."""
    mixed = {"keys": [jwk("ES256"), private_jwk("HS256")]}
    assert "one set" in _why(load_jwks, mixed, algorithms, symmetric=symmetric)


def test_C7_a_secret_in_a_published_set_is_skipped() -> None:
    """Over the network no secret comes in."""
    published = {"keys": [private_jwk("HS256")]}
    assert "a secret, where" in _why(load_jwks, published, ["HS256"], symmetric=False)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_J8_the_private_part_of_a_published_key_is_not_looked_at(algorithm: str) -> None:
    """To check that of an RSA key takes up to seconds, and a set may hold two hundred."""
    for published in (private_jwk(algorithm), private_jwk(algorithm, d="AAAA", p="!", qi=5)):
        (key,) = load_jwks({"keys": [published]}, [algorithm]).keys.keys
        assert not key.key.is_private


def test_J7_bad_keys_of_a_set_are_skipped_and_reported() -> None:
    """One good key among bad ones is enough (RFC 7517, 5)."""
    bad: list[Any] = [
        5,
        None,
        {},
        {"kty": "XXX"},
        {"kty": []},
        jwk(crv="P-999"),
        jwk(x="AA"),
        jwk(x=5),
        jwk(alg=[]),
        jwk(kid=""),
        jwk(kid=5),
        jwk(use="enc"),
        jwk(use=[]),
        jwk(key_ops=["encrypt"]),
        jwk(key_ops="verify"),
        jwk(key_ops=[[]]),
        jwk("RS256"),
        jwk("ES384"),
        jwk(alg="ES384"),
        jwk("ES256K"),
    ]
    loaded = load_jwks({"keys": [*bad, jwk()]}, ["ES256"])
    assert [key.kid for key in loaded.keys.keys] == ["ES256-main"]
    assert [why.partition(":")[0] for why in loaded.skipped] == [f"key {n}" for n in range(20)]


@pytest.mark.parametrize(
    "document",
    [None, 5, [], "x", {}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [{}] * 201}],
    ids=str,
)
def test_what_is_no_key_set_is_refused(document: Any) -> None:
    """Neither a set nor a key, empty, or longer than any real one."""
    assert MAX_KEYS == 200
    assert _why(load_jwks, document, ["ES256"])


@pytest.mark.parametrize("use", [{"use": "enc"}, {"key_ops": ["encrypt", "wrapKey"]}])
def test_C8_keys_for_another_use_verify_nothing(use: dict[str, Any]) -> None:
    """A key that is for encryption is no key for signatures."""
    assert "key 0" in _why(load_jwks, {"keys": [jwk(**use)]}, ["ES256"])


def test_B7_a_key_serves_only_the_algorithm_that_it_names() -> None:
    """`alg` of a key binds it, whatever is allowed besides."""
    keys = load_jwks({"keys": [jwk("PS256")]}, ["RS256", "PS256"]).keys
    assert keys.keys[0].algorithms == ("PS256",)
    assert keys.find("PS256-main", "RS256") is None
    assert keys.find("PS256-main", "PS256") is not None


def test_B6_a_key_without_alg_serves_only_what_is_allowed_and_fits() -> None:
    """Never an HMAC, for its type is another; never a curve that is not its own."""
    rsa_key = load_jwks(jwk("RS256", alg=tokens.ABSENT), ["RS256", "ES256", "HS256"]).keys.keys[0]
    assert rsa_key.algorithms == ("RS256",)


@pytest.mark.parametrize(
    ("key_alg", "serves"),
    [
        ("EdDSA", ("EdDSA", "Ed25519")),
        ("Ed25519", ("EdDSA", "Ed25519")),
        (tokens.ABSENT, ("EdDSA", "Ed25519")),
        ("Ed448", ()),
    ],
)
def test_both_names_of_ed25519_mean_one_thing(key_alg: Any, serves: tuple[str, ...]) -> None:
    """RFC 9864 renamed what RFC 8037 called EdDSA; either name of a key serves both."""
    entry = jwk("Ed25519", alg=key_alg)
    names = ["EdDSA", "Ed25519", "Ed448"]
    if not serves:
        assert _why(load_jwks, entry, names)
        return
    assert load_jwks(entry, names).keys.keys[0].algorithms == serves


def test_a_key_is_found_by_kid_and_algorithm() -> None:
    """Named keys by name; without a name only where one key can be meant."""
    keys = load_jwks({"keys": [jwk("ES256"), jwk("ES256", "b"), jwk("ES384")]}, ["ES256", "ES384"])
    found = keys.keys
    assert found.find("ES256-main", "ES256") is not found.find("ES256-b", "ES256")
    assert found.find("other", "ES256") is None
    assert found.find("ES256-main", "ES384") is None
    assert found.find(None, "ES384") is not None
    assert found.find(None, "RS256") is None
    with pytest.raises(Refusal) as caught:
        found.find(None, "ES256")
    assert (caught.value.reason, caught.value.claim) == (Reason.KEY_AMBIGUOUS, "kid")
    assert len(found) == 3


def test_a_nameless_key_serves_any_kid() -> None:
    """A PEM file has no kid, so it serves whatever kid a token bears."""
    keys = load_pem(public_pem().decode(), ["ES256"]).keys
    assert keys.find("anything", "ES256") is keys.find(None, "ES256") is not None


def test_key_sets_tell_nothing_and_differ() -> None:
    """Sets of the same keys are not the same set; no repr shows key material."""
    first, second = load_jwks(jwk(), ["ES256"]).keys, load_jwks(jwk(), ["ES256"]).keys
    assert first != second
    assert jwk()["x"] not in repr(first) + repr(first.keys)
    private = SigningKeys.from_jwks({"keys": [private_jwk()]})
    assert private_jwk()["d"] not in repr(private.current)


def test_find_key_asks_the_source_to_renew_once() -> None:
    """The source is asked for keys that it does not have, and only then."""
    empty, full = KeySet([]), load_jwks(jwk(), ["ES256"]).keys

    class Renewing:
        def __init__(self) -> None:
            self.asked: list[str | None] = []

        def current(self) -> KeySet | None:
            return None if not self.asked else empty

        def renewed(self, kid: str | None) -> Any:
            self.asked.append(kid)
            return full
            yield

        def reload(self) -> Any:
            raise AssertionError("nobody asked for that")

    source = Renewing()
    keys, verify = run(find_key(source, "ES256-main", "ES256"))
    assert keys is full
    assert verify is full.find("ES256-main", "ES256")
    with pytest.raises(Refusal) as caught:
        run(find_key(source, "unknown", "ES256"))
    assert caught.value.reason is Reason.KEY_UNKNOWN
    assert source.asked == ["ES256-main", "unknown"]


def test_static_keys_have_nothing_to_learn() -> None:
    """Their renewal is themselves."""
    keys = load_jwks(jwk(), ["ES256"]).keys
    assert run(StaticKeys(keys).renewed("x")) is keys
    assert run(StaticKeys(keys).reload()) is True


def test_hmac_is_symmetric_and_all_else_is_not() -> None:
    """Who can verify an HMAC can sign; and `none` is not among the algorithms."""
    symmetric = {name for name, algorithm in ALGORITHMS.items() if algorithm.symmetric}
    assert symmetric == set(tokens.HMAC_ALGORITHMS)
    assert "none" not in {name.lower() for name in ALGORITHMS}
    assert set(ALGORITHMS) == set(tokens.ALL_ALGORITHMS)


# Text


@pytest.mark.parametrize("algorithm", tokens.PUBLIC_KEY_ALGORITHMS)
def test_every_kind_of_key_comes_in_as_pem_and_jwk(algorithm: str) -> None:
    """Public PEM, private PEM, JWK text and JWKS text verify the same token."""
    made = tokens.key(algorithm)
    token = mint(algorithm=algorithm)
    for text in (
        made.as_pem(private=False).decode(),
        "\n " + made.as_pem(private=True).decode(),
        json.dumps(jwk(algorithm)),
        json.dumps(private_jwk(algorithm)),
        json.dumps(jwks(algorithm)),
    ):
        issuer = {"issuer": tokens.ISSUER, "keys": text, "algorithms": [algorithm]}
        guard = Guard.from_config(configuration(issuers=[issuer]))
        assert guard.verify(token).subject == "ada"


def test_certificates_and_several_blocks_come_in(
    certificate_pem: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A file may hold several blocks, and explanations; those that are no keys are reported."""
    caplog.set_level("INFO", "jwt_guard")
    loaded = load_text(
        "Bag Attributes\n  friendlyName: api\n"
        + certificate_pem
        + public_pem("ES256").decode()
        + "-----BEGIN X-----\nAA==\n-----END X-----",
        ["RS256", "ES256"],
    )
    assert [key.algorithms for key in loaded.keys.keys] == [("RS256",), ("ES256",)]
    assert loaded.skipped == ("PEM block 2: unreadable (ValueError)",)
    assert caplog.messages == [f"of a key set some are not used: {loaded.skipped[0]}"]


def _pem(private: Any) -> str:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem: bytes = private.private_bytes(*form)
    return pem.decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "neither PEM nor"),
        ("{", "cannot be read"),
        ('{"a":' * 100_000, "cannot be read"),
        ("[]", "neither PEM nor"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "unreadable"),
        ("-----BEGIN \ud800", "unreadable"),
        (_pem(x25519.X25519PrivateKey.generate()), "for none of"),
        (_pem(dsa.generate_private_key(1024)), "of a type that signs no token"),
    ],
    ids=["text", "half", "deep", "list", "short pem", "surrogate", "x25519", "dsa"],
)
def test_other_text_is_refused(text: str, why: str) -> None:
    """Whatever is no key says so, and raises nothing else."""
    assert why in _why(load_text, text, ["ES256", "EdDSA"])


SAFE_CURVES = {"secp256r1", "secp384r1", "secp521r1", "secp256k1"}


@pytest.mark.parametrize("curve", ec.EllipticCurve.__subclasses__(), ids=lambda curve: curve.name)
def test_other_curves_are_refused(curve: Any) -> None:
    """Of all that the library knows, four are named in JOSE."""
    try:
        pem = _pem(ec.generate_private_key(curve()))
    except UnsupportedAlgorithm:
        pytest.skip(f"OpenSSL here knows no {curve.name}")
    if curve.name in SAFE_CURVES:
        assert load_text(pem, list(ALGORITHMS)).keys
    else:
        assert "of a type that signs no token" in _why(load_text, pem, list(ALGORITHMS))


# Our own


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_generated_keys_sign_and_publish_no_secret(algorithm: str) -> None:
    """A key of each algorithm signs what it verifies; no private member is ever published."""
    keys = SigningKeys.from_jwks({"keys": [generate_key(algorithm)]})
    signature = keys.current.sign(b"message")
    assert keys.current.verifying().verifier(algorithm)(b"message", signature)
    assert keys.algorithms == (algorithm,)
    published = keys.public_jwks()["keys"]
    assert len(published) == (0 if algorithm.startswith("HS") else 1)
    assert all({"d", "p", "q", "dp", "dq", "qi", "k"}.isdisjoint(entry) for entry in published)
    assert all(entry["kid"] == keys.current.kid for entry in published)


def test_the_first_key_signs_and_all_verify() -> None:
    """Rotation keeps the old keys in the set."""
    keys = SigningKeys.from_jwks({"keys": [private_jwk("ES256", "b"), private_jwk("RS256")]})
    assert keys.current.kid == "ES256-b"
    assert keys.algorithms == ("ES256", "RS256")
    assert keys.key_set.find("RS256-main", "RS256") is not None


def test_a_signing_key_without_kid_gets_its_thumbprint() -> None:
    """Tokens always name their key (RFC 7638)."""
    entry = private_jwk(kid=tokens.ABSENT)
    keys = SigningKeys.from_jwks({"keys": [entry]})
    assert keys.current.kid == keys.public_jwks()["keys"][0]["kid"] == tokens.key().thumbprint()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (None, "not a JWK set"),
        ({}, "not a JWK set"),
        ({"keys": []}, "not a JWK set"),
        ({"keys": [5]}, "not a JSON object"),
        ({"keys": [jwk()]}, "a public key"),
        ({"keys": [private_jwk(alg=tokens.ABSENT)]}, "without an `alg`"),
        ({"keys": [private_jwk(alg="ES384")]}, "without an `alg`"),
        ({"keys": [private_jwk(alg="none")]}, "without an `alg`"),
        ({"keys": [private_jwk("HS256", alg="HS512")]}, "shorter than the hash"),
        ({"keys": [private_jwk(), private_jwk("HS256")]}, "one set"),
        ({"keys": [private_jwk(kid="k"), private_jwk("RS256", kid="k")]}, "`kid` used by"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_weak_or_ambiguous_signing_keys_are_refused(document: Any, why: str) -> None:
    """The rules for our own keys are those for everybody's."""
    assert why in _why(SigningKeys.from_jwks, document)


def test_signing_keys_come_from_a_file(tmp_path: Path) -> None:
    """A path beside the configuration, or the set itself."""
    (tmp_path / "own.json").write_text(json.dumps({"keys": [private_jwk()]}), encoding="utf-8")
    for keys in (str(tmp_path / "own.json"), {"keys": [private_jwk()]}):
        guard = Guard.from_config(
            {"audience": "x", "tokens": {"issuer": "own", "signing_keys": keys}}
        )
        assert guard.issuer is not None
        assert guard.verify(guard.issuer.issue("ada", client_id="c")).issuer == "own"


def test_C9_a_key_taken_out_of_the_set_verifies_no_more() -> None:
    """A retired key's tokens are refused, whatever they were before."""
    assert refused(Guard.from_config(configuration()), mint(name="retired")) == (
        Reason.KEY_UNKNOWN,
        "kid",
    )
