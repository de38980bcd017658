"""Our verification against joserfc's, on tokens changed at random and mostly signed again.

`python -m tests.support.differential --count 1000000` compares as many as one likes.

joserfc is the reference for signatures and claims. Where it accepts and we refuse, the reason must
be one of those for which we are stricter on purpose; where we accept, so must it, and see the same
claims.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from jwt_guard import Guard, Reason, Refusal
from jwt_guard.keys.signatures import verifier
from tests.support import tokens

__all__ = [
    "STRICTER",
    "Comparison",
    "differing_signatures",
    "mutated_payloads",
    "mutated_tokens",
]

STRICTER = {
    Reason.TOKEN_MALFORMED,  # other spellings of base64url, duplicate members, long integers
    Reason.HEADER_INVALID,  # parameters of a wrong type, or that would change the meaning
    Reason.CRITICAL_HEADER_UNSUPPORTED,  # any crit, for we implement none
    Reason.TOKEN_TOO_OLD,  # tokens older than we accept, whatever they say
    Reason.TOKEN_TYPE_INVALID,  # typ, and the marks of other kinds of token
    Reason.KEY_UNKNOWN,  # kid, which joserfc does not look at where it is given one key
    Reason.CLAIM_INVALID,  # claims of a wrong type that joserfc does not look at
    "auth_time",  # which is in the future
}
"""For what, or for which claim, we refuse tokens that joserfc accepts."""

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**63, "", " ", "x", "\x00", "é", [], {}, [1], ["x"], {"a": 1},
    [tokens.AUDIENCE], [tokens.AUDIENCE, 5], tokens.AUDIENCE, tokens.ISSUER, tokens.ISSUER + "/",
    str(tokens.NOW), tokens.NOW, tokens.NOW + 0.5, tokens.NOW + 1, tokens.NOW - 1,
    tokens.NOW + 10**6,
)  # fmt: skip
_CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "sid", "acr")
_MORE = ("auth_time", "roles", "scope", "permissions", "tenant", "at_hash", "x", "typ")
_HEADERS = ("alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "zip", "cty", "x")


class Comparison:
    """One key and algorithm under comparison."""

    def __init__(self, algorithm: str = "HS256", *, cache_size: int = 0) -> None:
        self.algorithm = algorithm
        self.key = tokens.key(algorithm)
        settings = tokens.configuration(algorithm, cache={"size": cache_size})
        self.guard = Guard.from_config(settings, clock=lambda: tokens.NOW)
        self._registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        self._registry.max_header_length = self._registry.max_payload_length = 10**6

    def differs(self, token: str) -> str | None:
        """What differs between the two verdicts, or None."""
        theirs = self._reference(token)
        try:
            ours = self.guard.verify(token)
        except Refusal as refusal:
            fine = theirs is None or refusal.reason in STRICTER or refusal.claim in STRICTER
            return None if fine else f"we refuse: {refusal}"
        if theirs is None:
            return "joserfc refuses"
        return None if ours.claims == theirs else "the claims differ"

    def _reference(self, token: str) -> dict[str, Any] | None:
        """The claims as joserfc verifies them, or None. It raises nearly anything."""
        try:
            found = jwt.decode(token, self.key, registry=self._registry)
            _rules().validate(found.claims)
        except (JoseError, ValueError, TypeError, RecursionError, AttributeError, KeyError):
            return None
        return dict(found.claims)


def _rules() -> jwt.JWTClaimsRegistry:
    names = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")
    options: dict[str, Any] = {name: {"essential": True, "allow_blank": True} for name in names}
    options["iss"]["value"], options["aud"]["value"] = tokens.ISSUER, tokens.AUDIENCE
    return jwt.JWTClaimsRegistry(now=tokens.NOW, leeway=0, **options)


def mutated_tokens(rng: random.Random, algorithm: str, count: int) -> Iterable[str]:
    """Tokens with members changed and signed again, and tokens with bytes changed."""
    key = tokens.key(algorithm)
    for _ in range(count):
        header = {"alg": algorithm, "typ": "at+jwt", "kid": f"{algorithm}-main"}
        claims = tokens.claims(nbf=tokens.NOW - 5, scope="a b", roles=["x"])
        for _ in range(rng.choice((0, 1, 1, 2))):
            _change(rng, claims, _CLAIMS + _MORE)
        if rng.random() < 0.2:
            _change(rng, header, _HEADERS)
        token = tokens.forge(header, _spelled(rng, claims), algorithm=algorithm, signing_key=key)
        yield _bytes_changed(rng, token) if rng.random() < 0.3 else token


def mutated_payloads(rng: random.Random, count: int, **more: Any) -> Iterable[bytes]:
    """Claims, some of them changed, as different issuers would spell them."""
    for _ in range(count):
        claims = tokens.claims(more, nbf=tokens.NOW - 5, scope="a b", roles=["x"])
        for _ in range(rng.choice((0, 0, 1, 2))):
            _change(rng, claims, _CLAIMS + _MORE)
        yield _spelled(rng, claims)


def _change(rng: random.Random, members: dict[str, Any], names: tuple[str, ...]) -> None:
    name = rng.choice(names)
    if rng.random() < 0.2:
        members.pop(name, None)
    else:
        members[name] = rng.choice(_ODD)


def _spelled(rng: random.Random, claims: dict[str, Any]) -> bytes:
    """JSON, now and then with white space, or with a member twice."""
    separators = (", ", " : ") if rng.random() < 0.1 else (",", ":")
    text = json.dumps(claims, separators=separators, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.05 and claims:
        twice = json.dumps({rng.choice([*claims]): rng.choice(_ODD)}, separators=separators)
        text = f"{text[:-1]},{twice[1:]}"
    return text.encode("utf-8", "surrogatepass")


def _bytes_changed(rng: random.Random, token: str) -> str:
    place = rng.randrange(len(token))
    character = rng.choice("ABab01-_+/=. \n\x00é")
    replaced = rng.choice((character, "", token[place] + character))
    return token[:place] + replaced + token[place + 1 :]


def differing_signatures(rng: random.Random, algorithm: str, count: int) -> Iterable[str]:
    """What of so many changed signatures our function and joserfc's judge differently: nothing."""
    key, model = tokens.key(algorithm), JWSRegistry.algorithms[algorithm]
    ours = verifier(key, algorithm)
    for number in range(count):
        message = rng.randbytes(rng.randrange(1, 200))
        signature = tokens.sign(message, algorithm, key)
        changed = _signature_changed(rng, signature)
        mine, reference = (_verdict(f, message, changed) for f in (ours, _bound(model, key)))
        if mine is not reference:
            yield f"{algorithm} {number}: {mine}, joserfc {reference}"


def _bound(model: Any, key: Any) -> Callable[[bytes, bytes], bool]:
    return lambda message, signature: bool(model.verify(message, signature, key))


def _verdict(verify: Callable[[bytes, bytes], bool], message: bytes, signature: bytes) -> bool:
    try:
        return verify(message, signature)
    except Exception:  # noqa: BLE001 - whatever is raised is a refusal
        return False


def _signature_changed(rng: random.Random, signature: bytes) -> bytes:
    half = len(signature) // 2
    return rng.choice(
        (
            signature,
            signature,
            bytes(len(signature)),
            b"\xff" * len(signature),
            b"",
            signature[:-1],
            signature + b"\x00",
            b"\x00" + signature,
            signature[:half] + bytes(half),
            bytes(half) + signature[half:],
            signature[half:] + signature[:half],
            rng.randbytes(len(signature)),
            _flipped(rng, signature),
        )
    )


def _flipped(rng: random.Random, signature: bytes) -> bytes:
    place = rng.randrange(len(signature))
    flipped = signature[place] ^ 1 << rng.randrange(8)
    return signature[:place] + bytes([flipped]) + signature[place + 1 :]


def _main() -> None:
    parser = argparse.ArgumentParser(description="Compare our verification with joserfc's.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--algorithm", choices=tokens.ALL_ALGORITHMS, default="HS256")
    parser.add_argument("--cache-size", type=int, default=0)
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    comparison = Comparison(chosen.algorithm, cache_size=chosen.cache_size)
    verdicts: Counter[str] = Counter()
    for token in mutated_tokens(rng, comparison.algorithm, chosen.count):
        verdict = comparison.differs(token)
        verdicts["the same" if verdict is None else verdict] += 1
        if verdict is not None and verdicts.total() - verdicts["the same"] <= 10:
            print(f"{verdict}\n  {token}")
    print(f"seed {chosen.seed}: {dict(verdicts)}")
    raise SystemExit(len(verdicts) > 1)


if __name__ == "__main__":
    _main()
