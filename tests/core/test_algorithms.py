"""Every algorithm against two other libraries, and signatures that are nearly right against none.

The differential half: what joserfc and PyJWT accept as valid, we accept with the same claims. The
other half mutates real signatures in the ways that have broken verifiers before.
"""

import hmac
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt as jose_jwt
from joserfc.jws import JWSRegistry

from jwt_guard import Guard, Reason
from jwt_guard.keys.signatures import openssl_verifier, sodium_verifier
from tests.support import tokens
from tests.support.tokens import (
    ALL_ALGORITHMS,
    CURVES,
    HMAC_ALGORITHMS,
    PUBLIC_KEY_ALGORITHMS,
    RSA_ALGORITHMS,
    claims,
    configuration,
    forge,
    key,
    mint,
    public_pem,
    resigned,
    segment,
    sign,
    unsegment,
)
from tests.support.verdicts import refused

PYJWT_NAMES = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}
SIGNATURE_INVALID = (Reason.SIGNATURE_INVALID, None)


@pytest.fixture(scope="module")
def guard_for() -> Callable[[str], Guard]:
    """A guard that allows one algorithm, without a cache."""
    return lambda algorithm: Guard.from_config(configuration(algorithm, cache={"size": 0}))


CLAIMS = st.dictionaries(
    st.text(max_size=8).map("x{}".format),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def _by_joserfc(algorithm: str, body: dict[str, Any], header: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry = JWSRegistry(algorithms=[algorithm])
        return jose_jwt.encode(header, body, key(algorithm), registry=registry)


def _by_pyjwt(algorithm: str, body: dict[str, Any], header: dict[str, Any]) -> str:
    name = PYJWT_NAMES.get(algorithm, algorithm)
    made = key(algorithm)
    secret = made.raw_value if algorithm in HMAC_ALGORITHMS else made.as_pem(private=True)
    return pyjwt.encode(body, secret, algorithm=name, headers={**header, "alg": name})


@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
@pytest.mark.parametrize("make", [_by_joserfc, _by_pyjwt])
@settings(max_examples=5)
@given(more=CLAIMS)
def test_others_tokens_give_their_claims(
    guard_for: Any, make: Any, algorithm: str, more: dict[str, Any]
) -> None:
    """A token of another library verifies, and says what was put in."""
    name = PYJWT_NAMES.get(algorithm, algorithm) if make is _by_pyjwt else algorithm
    guard = _both_names(algorithm) if name != algorithm else guard_for(algorithm)
    body = claims(more)
    header = {"alg": name, "typ": "at+jwt", "kid": f"{algorithm}-main"}
    assert guard.verify(make(algorithm, body, header)).claims == body


def _both_names(algorithm: str) -> Guard:
    raw = configuration(algorithm, cache={"size": 0})
    raw["issuers"][0]["algorithms"] = [algorithm, "EdDSA"]
    return Guard.from_config(raw)


@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_our_tokens_verify_with_others(algorithm: str) -> None:
    """The libraries joserfc and PyJWT read the same claims from a token that we sign."""
    token = mint(algorithm=algorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry = JWSRegistry(algorithms=[algorithm])
        by_joserfc = jose_jwt.decode(token, key(algorithm), registry=registry).claims
    assert by_joserfc == claims()
    if algorithm in PYJWT_NAMES:
        return  # PyJWT knows the one name of RFC 8037 only
    secret = key(algorithm).raw_value if algorithm in HMAC_ALGORITHMS else public_pem(algorithm)
    by_pyjwt = pyjwt.decode(token, secret, algorithms=[algorithm], audience=tokens.AUDIENCE)
    assert by_pyjwt == claims()


@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_another_key_of_the_same_kind_verifies_nothing(guard_for: Any, algorithm: str) -> None:
    """A right signature by a wrong key is a wrong signature."""
    header = {"alg": algorithm, "typ": "at+jwt", "kid": f"{algorithm}-main"}
    token = forge(header, claims(), algorithm=algorithm, signing_key=key(algorithm, "stranger"))
    assert refused(guard_for(algorithm), token) == SIGNATURE_INVALID


# Nearly right


@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_A3_A4_A8_a_signature_is_taken_whole(guard_for: Any, algorithm: str) -> None:
    """Shortened, lengthened, emptied, zeroed or repeated, it is none."""
    guard, token = guard_for(algorithm), mint(algorithm=algorithm)
    right = unsegment(token.rpartition(".")[2])
    assert guard.verify(token).subject == "ada"
    for wrong in (
        b"",
        b"\0",
        right[:-1],
        right[1:],
        right[: len(right) // 2],
        right + b"\0",
        b"\0" + right,
        right + right,
        bytes(len(right)),
        b"\xff" * len(right),
        right[::-1],
    ):
        assert refused(guard, resigned(token, wrong)) == SIGNATURE_INVALID


def _order(algorithm: str) -> int:
    return {
        "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        "ES384": 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
        "ES512": 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
        "ES256K": 2**256 - 0x14551231950B75FC4402DA1732FC9BEBF,
    }[algorithm]


def _halves(signature: bytes) -> tuple[int, int, int]:
    size = len(signature) // 2
    return int.from_bytes(signature[:size]), int.from_bytes(signature[size:]), size


def _joined(r: int, s: int, size: int) -> bytes:
    modulus = 1 << (8 * size)
    return (r % modulus).to_bytes(size) + (s % modulus).to_bytes(size)


@pytest.mark.parametrize("algorithm", CURVES)
def test_A10_A11_A12_ecdsa_numbers_are_in_range(guard_for: Any, algorithm: str) -> None:
    """Zero, the order, beyond it, swapped, over length, negative, and DER are refused."""
    guard, token = guard_for(algorithm), mint(algorithm=algorithm)
    r, s, size = _halves(unsegment(token.rpartition(".")[2]))
    n = _order(algorithm)
    assert 0 < r < n
    pairs = [(0, 0), (0, s), (r, 0), (1, 1), (n, n), (n, s), (r, n), (0, n), (n, 0), (1, 0)]
    pairs += [(r + n, s), (r, s + n), (n - r, s), (s, r), (r, -s), (-r, s), (n - 1, n - 1)]
    right = _joined(r, s, size)
    wrong = [forged for pair in pairs if (forged := _joined(*pair, size)) != right]
    wrong += [_joined(r, s, size + 1), _joined(r, s, size + 8), encode_dss_signature(r, s)]
    for signature in wrong:
        assert refused(guard, resigned(token, signature)) == SIGNATURE_INVALID


@pytest.mark.parametrize("algorithm", CURVES)
def test_A12_a_right_signature_in_der_is_none(guard_for: Any, algorithm: str) -> None:
    """JWS knows the two numbers side by side only (RFC 7518, 3.4)."""
    message = mint(algorithm=algorithm).rpartition(".")[0]
    private = key(algorithm).private_key
    der = private.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
    assert min(decode_dss_signature(der)) > 0
    assert refused(guard_for(algorithm), f"{message}.{segment(der)}") == SIGNATURE_INVALID


def _hash(algorithm: str) -> Any:
    kinds: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    return kinds[algorithm[2:]]()


@pytest.mark.parametrize("algorithm", RSA_ALGORITHMS)
def test_A13_rsa_paddings_are_exact(guard_for: Any, algorithm: str) -> None:
    """The other padding, other hashes, other salts and other mask hashes are refused."""
    guard, message = guard_for(algorithm), mint(algorithm=algorithm).rpartition(".")[0].encode()
    private, own = key(algorithm).private_key, _hash(algorithm)
    other = hashes.SHA384() if own.name != "sha384" else hashes.SHA256()
    wrong = [
        (padding.PKCS1v15(), other),
        (padding.PSS(padding.MGF1(other), other.digest_size), other),
        (padding.PSS(padding.MGF1(hashes.SHA1()), own.digest_size), own),
        (padding.PSS(padding.MGF1(own), 0), own),
        (padding.PSS(padding.MGF1(own), own.digest_size - 1), own),
    ]
    if algorithm.startswith("PS"):
        wrong.append((padding.PKCS1v15(), own))
    else:
        wrong.append((padding.PSS(padding.MGF1(own), own.digest_size), own))
    for pad, digest in wrong:
        signature = private.sign(message, pad, digest)
        token = f"{message.decode()}.{segment(signature)}"
        assert refused(guard, token) == SIGNATURE_INVALID


_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def _raw_rsa(private: rsa.RSAPrivateKey, block: bytes) -> bytes:
    numbers = private.private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(block) % n, numbers.d, n).to_bytes(256)


def test_A13_pkcs1_blocks_are_exact(guard_for: Any) -> None:
    """Bleichenbacher's variants: garbage, short padding, other types, other encodings."""
    guard, message = guard_for("RS256"), mint(algorithm="RS256").rpartition(".")[0].encode()
    private, digest = key("RS256").private_key, hashes.Hash(hashes.SHA256())
    digest.update(message)
    told = _SHA256_INFO + digest.finalize()
    full = b"\xff" * (253 - len(told))
    good = b"\x00\x01" + full + b"\x00" + told
    no_null = bytes.fromhex("302f300b0609608648016503040201") + told[17:]
    blocks = [
        b"\x00\x01" + full[:8] + b"\x00" + told + bytes(245 - len(told)),
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + told + b"\x77" * (245 - len(told)),
        b"\x00\x02" + full + b"\x00" + told,
        b"\x00\x00" + full + b"\x00" + told,
        b"\x00\x01" + full[:-1] + b"\xfe\x00" + told,
        b"\x00\x01" + b"\x00" * len(full) + b"\x00" + told,
        b"\x00\x01" + full + b"\x01" + told,
        b"\x00\x01" + full + b"\x00" + told[:-1] + bytes([told[-1] ^ 1]),
        b"\x00\x01" + b"\xff" * (253 - 32) + b"\x00" + told[19:],
        (b"\x00\x01" + b"\xff" * (253 - len(no_null)) + b"\x00" + no_null),
    ]
    head = message.decode()
    assert guard.verify(f"{head}.{segment(_raw_rsa(private, good))}").subject == "ada"
    for block in blocks:
        assert len(block) == 256
        token = f"{head}.{segment(_raw_rsa(private, block))}"
        assert refused(guard, token) == SIGNATURE_INVALID


def test_A13_rsa_signatures_are_below_the_modulus(guard_for: Any) -> None:
    """Zero, one, the modulus and a signature plus the modulus are refused."""
    guard, token = guard_for("RS256"), mint(algorithm="RS256")
    right = int.from_bytes(unsegment(token.rpartition(".")[2]))
    n = key("RS256").public_key.public_numbers().n
    for number in (0, 1, n, n - 1, n + 1, right + n):
        wrong = number.to_bytes(max(256, (number.bit_length() + 7) // 8))
        assert refused(guard, resigned(token, wrong)) == SIGNATURE_INVALID


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "PS384", "PS512"])
def test_A3_an_rsa_signature_keeps_its_leading_zeros(guard_for: Any, algorithm: str) -> None:
    """A signature that begins with a zero has no second spelling without it (RFC 8017, 8.1.2)."""
    for serial in range(20_000):
        token = mint(algorithm=algorithm, jti=f"{serial}")
        signature = unsegment(token.rpartition(".")[2])
        if signature[0] == 0:
            break
    else:
        pytest.fail("no signature of all these begins with a zero")
    guard = guard_for(algorithm)
    assert guard.verify(token).subject == "ada"
    assert refused(guard, resigned(token, signature[1:]))[0] is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519", "Ed448"])
def test_edwards_signatures_have_one_form(guard_for: Any, algorithm: str) -> None:
    """S + L, a point of small order, and all zeros are refused (RFC 8032, 8.4)."""
    guard, token = guard_for(algorithm), mint(algorithm=algorithm)
    right = unsegment(token.rpartition(".")[2])
    half = len(right) // 2
    order = 2**252 + 27742317777372353535851937790883648493
    if algorithm == "Ed448":
        order = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885
    scalar = int.from_bytes(right[half:], "little")
    malleable = right[:half] + ((scalar + order) % 2 ** (8 * half)).to_bytes(half, "little")
    identity = (1).to_bytes(half, "little") + bytes(half)
    for wrong in (malleable, identity, bytes(len(right)), right[:half] + bytes(half)):
        assert refused(guard, resigned(token, wrong)) == SIGNATURE_INVALID


@given(st.binary(max_size=100), st.integers(0, 511), st.integers(0, 70))
def test_both_engines_of_ed25519_give_one_verdict(message: bytes, bit: int, length: int) -> None:
    """On right signatures, and on ones with a bit changed or a part lost."""
    signer: Any = key("Ed25519")
    public = signer.public_key
    engines = sodium_verifier(public.public_bytes_raw()), openssl_verifier(public)
    right = signer.private_key.sign(message)
    changed = (int.from_bytes(right, "big") ^ 1 << bit).to_bytes(64, "big")
    for signature in (right, changed, right[:length], right + right[:length]):
        verdicts = {engine(message, signature) for engine in engines}
        assert verdicts == {signature == right}


def test_ed25519_needs_no_libsodium(guard_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyNaCl, OpenSSL verifies."""
    monkeypatch.setitem(sys.modules, "nacl.bindings", None)
    guard, token = guard_for("Ed25519"), mint(algorithm="Ed25519")
    assert guard.verify(token).subject == "ada"
    assert refused(guard, resigned(token, bytes(64))) == SIGNATURE_INVALID


# Confusion


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
@pytest.mark.parametrize("symmetric", HMAC_ALGORITHMS)
def test_B1_B2_B3_B5_a_public_key_is_no_hmac_secret(
    guard_for: Any, algorithm: str, symmetric: str
) -> None:
    """In any spelling that has worked before: PEM, DER, SSH, JWK, JWKS, raw point, with space."""
    guard = guard_for(algorithm)
    public = key(algorithm).public_key
    pem = public_pem(algorithm)
    jwk_text = json.dumps(tokens.jwk(algorithm)).encode()
    spellings = [pem, pem.strip(), pem.replace(b"\n", b"\r\n"), b"\n" + pem, pem + b"\0"]
    spellings += [public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)]
    spellings += [jwk_text, json.dumps(tokens.jwks(algorithm)).encode()]
    if algorithm in RSA_ALGORITHMS:
        spellings.append(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    if algorithm in CURVES:
        spellings.append(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    for secret in spellings:
        header = {"alg": symmetric, "typ": "at+jwt", "kid": f"{algorithm}-main"}
        message = f"{segment(header)}.{segment(claims())}"
        token = f"{message}.{segment(_hmac(symmetric, secret, message.encode()))}"
        assert refused(guard, token) == (Reason.ALGORITHM_NOT_ALLOWED, "alg")


def _hmac(algorithm: str, secret: bytes, message: bytes) -> bytes:
    return hmac.digest(secret, message, f"sha{algorithm[2:]}")


@pytest.mark.parametrize(
    ("claimed", "bound"),
    [
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("RS512", "RS256"),
        ("RS256", "RS512"),
        ("PS384", "PS256"),
        ("ES384", "ES256"),
        ("ES256K", "ES256"),
        ("ES256", "ES256K"),
        ("Ed448", "Ed25519"),
        ("Ed25519", "Ed448"),
        ("RS256", "ES256"),
        ("ES256", "RS256"),
    ],
)
def test_B7_B8_a_key_is_bound_to_its_algorithm(claimed: str, bound: str) -> None:
    """Both are allowed, the key exists, the signature is right: still, that key is for another."""
    guard = Guard.from_config(configuration(claimed, bound))
    header = {"alg": claimed, "typ": "at+jwt", "kid": f"{bound}-main"}
    message = f"{segment(header)}.{segment(claims())}"
    signer = claimed if key(claimed).key_type == key(bound).key_type else bound
    try:
        signature = sign(message.encode(), signer, key(bound))
    except Exception:  # noqa: BLE001 - the library itself will not sign with such a pair
        signature = sign(message.encode(), bound, key(bound))
    assert refused(guard, f"{message}.{segment(signature)}") == (Reason.KEY_UNKNOWN, "kid")


@pytest.mark.parametrize(
    "alg", ["es256", "ES256 ", " ES256", "Es256", "ES256\0", "none", "", "HS256"]
)
def test_A6_B10_the_name_of_an_algorithm_is_exact(guard_for: Any, alg: str) -> None:
    """Another case, white space, and names that are not allowed are refused."""
    header = {"alg": alg, "typ": "at+jwt", "kid": "ES256-main"}
    token = forge(header, claims(), signing_key=key("ES256"))
    assert refused(guard_for("ES256"), token) == (Reason.ALGORITHM_NOT_ALLOWED, "alg")


def test_C2_an_empty_hmac_key_verifies_nothing(guard_for: Any) -> None:
    """Nor any other short one that a stranger may guess (CVE-2026-49852)."""
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "HS256-main"}
    message = f"{segment(header)}.{segment(claims())}"
    for secret in (b"", b"\0", b"secret", b"null", b"None"):
        token = f"{message}.{segment(_hmac('HS256', secret, message.encode()))}"
        assert refused(guard_for("HS256"), token) == SIGNATURE_INVALID
