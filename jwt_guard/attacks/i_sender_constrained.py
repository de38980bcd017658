"""Group I: is a token that is bound to a key of any use without that key?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from jwt_guard.attacks import forge
from jwt_guard.attacks.context import Context
from jwt_guard.attacks.dpop import Prover
from jwt_guard.attacks.forge import Json, header_of
from jwt_guard.attacks.material import thumbprint
from jwt_guard.attacks.model import (
    Attack,
    CannotTest,
    Need,
    Outcome,
    Play,
    Probe,
    Request,
    Send,
    Severity,
    ask,
    each,
    must_not_crash,
)

PROOF = "401 with WWW-Authenticate: DPoP error="
CHECK = "Check a proof by all twelve steps of RFC 9449, section 4.3."
FLOOD = 300


def _bare(context: Context) -> Request:
    """The request with the access token and no proof."""
    return context.plan.carrier.put(context.plan.request, context.token.text)


def _with(context: Context, proof: str) -> Request:
    return _bare(context).setting("DPoP", proof)


def _bent(context: Context, label: str, header: Json | None = None, **claims: object) -> Probe:
    proof = context.dpop.proof(context.plan.request, context.token.text, header=header, **claims)
    return Probe(label=label, request=_with(context, proof))


def _as_bearer(context: Context) -> Iterator[Probe]:
    bare = _bare(context)
    yield Probe(label="without any proof", request=bare)
    downgraded = bare.setting(context.plan.carrier.header, f"Bearer {context.token.text}")
    yield Probe(label="as Bearer", request=downgraded)
    if context.prover is not None:
        proof = context.dpop.proof(context.plan.request, context.token.text)
        yield Probe(label="as Bearer, with a proof", request=downgraded.setting("DPoP", proof))


def _replay(context: Context) -> Play:
    proof = context.dpop.proof(context.plan.request, context.token.text)
    first = Probe(label="a proof", request=_with(context, proof), check=None)
    if (yield from ask(first)).outcome is not Outcome.ACCEPTED:
        raise CannotTest("a fresh proof was refused")
    yield Send(probes=(Probe(label="the same proof again", request=_with(context, proof)),))


def _flooded(context: Context) -> Play:
    proof = context.dpop.proof(context.plan.request, context.token.text)
    first = Probe(label="a proof", request=_with(context, proof), check=None)
    if (yield from ask(first)).outcome is not Outcome.ACCEPTED:
        raise CannotTest("a fresh proof was refused")
    for _ in range(FLOOD):
        other = context.dpop.proof(context.plan.request, context.token.text)
        flood = Probe(label="another proof", request=_with(context, other), check=None)
        yield Send(probes=(flood,))
    label = f"the first proof again, after {FLOOD} others"
    yield Send(probes=(Probe(label=label, request=_with(context, proof)),))


def _target(context: Context) -> Iterator[Probe]:
    url = context.origin + context.plan.request.target.partition("?")[0]
    yield _bent(context, "htm of another method", htm="DELETE")
    yield _bent(context, "htm in lower case", htm=context.plan.request.method.lower())
    yield _bent(context, "htm absent", htm=None)
    yield _bent(context, "htm a list", htm=[context.plan.request.method])
    wrong: dict[str, object] = {
        "absent": None,
        "of another path": f"{url}/other",
        "of another host": "https://evil.example/me",
        "of another port": "http://127.0.0.1:1/me",
        "a prefix": url[:-1],
        "a list": [url],
        "empty": "",
        "with another's host as user": url.replace("://", "://evil@"),
    }
    for label, htu in wrong.items():
        yield _bent(context, f"htu {label}", htu=htu)


def _host(context: Context) -> Iterator[Probe]:
    """A proof made for another host, which the request's headers then claim to be."""
    path = context.plan.request.target.partition("?")[0]
    for host in ("evil.example", "evil.example:80", "evil.example/x"):
        proof = context.dpop.proof(
            context.plan.request, context.token.text, htu=f"https://{host}{path}"
        )
        for header in ("X-Forwarded-Host", "Forwarded", "X-Original-Host"):
            value = f"host={host};proto=https" if header == "Forwarded" else host
            request = _with(context, proof).setting(header, value)
            request = request.setting("X-Forwarded-Proto", "https")
            yield Probe(label=f"{header}: {host}", request=request)
    good = context.dpop.proof(context.plan.request, context.token.text)
    for host in ("[", "a b", "evil.example, good.example", "::1::", "%", "x" * 300):
        request = _with(context, good).setting("Host", host)
        yield Probe(label=f"Host: {host[:30]}", request=request, check=must_not_crash)


def _access_hash(context: Context) -> Iterator[Probe]:
    yield _bent(context, "ath absent", ath=None)
    yield _bent(context, "ath of another token", ath=forge.b64(bytes(32)))
    yield _bent(context, "ath empty", ath="")
    yield _bent(context, "ath a list", ath=[])
    yield _bent(context, "ath the token itself", ath=context.token.text)


def _other_key(context: Context) -> Iterator[Probe]:
    other = Prover(signer=context.attacker.ec, origin=context.dpop.origin, nonce=context.dpop.nonce)
    proof = other.proof(context.plan.request, context.token.text)
    yield Probe(label="a proof by another key", request=_with(context, proof))
    mixed = other.proof(
        context.plan.request,
        context.token.text,
        header={"jwk": context.dpop.header()["jwk"], "alg": other.signer.alg},
    )
    yield Probe(label="another key's signature under the right jwk", request=_with(context, mixed))
    if context.signer is not None:
        text = context.mint(cnf={"jkt": thumbprint(context.attacker.ec)})
        request = context.plan.carrier.put(context.plan.request, text)
        right = context.dpop.proof(context.plan.request, text)
        label = "a token bound to another key, with this key's proof"
        yield Probe(label=label, request=request.setting("DPoP", right))


def _bad_proof_keys(context: Context) -> Iterator[Probe]:
    signer = context.dpop.signer
    private = {k: v for k, v in signer.key.as_dict(private=True).items() if k != "kid"}
    yield _bent(context, "a private jwk", {"jwk": private})
    yield _bent(context, "no jwk", {"jwk": None})
    yield _bent(context, "jwk a string", {"jwk": "x"})
    yield _bent(context, "jwk an empty object", {"jwk": {}})
    yield _bent(context, "typ absent", {"typ": None})
    yield _bent(context, "typ JWT", {"typ": "JWT"})
    yield _bent(context, "an unknown crit", {"crit": ["x-unknown"], "x-unknown": 1})
    yield from _unsigned_proofs(context)


def _unsigned_proofs(context: Context) -> Iterator[Probe]:
    claims = context.dpop.claims(context.plan.request, context.token.text)
    secret = b"symmetric-secret-of-the-attacker-0001"
    jwk = {"kty": "oct", "k": forge.b64(secret)}
    head = context.dpop.header(alg="HS256", jwk=jwk)
    symmetric = forge.sign(forge.HmacSigner(key=secret), head, claims)
    none = forge.compact(context.dpop.header(alg="none"), claims, b"")
    edited = forge.compact(context.dpop.header(), claims, bytes(64))
    for label, proof in {"HS256": symmetric, "alg none": none, "a zero signature": edited}.items():
        yield Probe(label=f"proof with {label}", request=_with(context, proof))
    for junk in ("x", "a.b.c", "..", "{}", "\u0000"):
        yield Probe(label=f"proof {junk!r}", request=_with(context, junk))


def _stale(context: Context) -> Iterator[Probe]:
    now = int(time.time())
    times: dict[str, object] = {
        "an hour old": now - 3600,
        "an hour ahead": now + 3600,
        "absent": None,
        "a digit string": str(now),
        "true": True,
        "a list": [now],
    }
    for label, iat in times.items():
        yield _bent(context, f"iat {label}", iat=iat)
    yield _bent(context, "jti absent", jti=None)
    if context.dpop.nonce is not None:
        yield _bent(context, "a nonce never given", nonce="never-given")
        yield _bent(context, "nonce absent", nonce=None)


def _two_proofs(context: Context) -> Iterator[Probe]:
    good, other = (context.dpop.proof(context.plan.request, context.token.text) for _ in range(2))
    orders = {"both good": (good, other), "good, then junk": (good, "x"), "junk first": ("x", good)}
    for label, (first, second) in orders.items():
        request = _bare(context).adding("DPoP", first).adding("DPoP", second)
        yield Probe(label=label, request=request)
    joined = _with(context, f"{good}, {other}")
    yield Probe(label="two in one header", request=joined)


def _certificate(context: Context) -> Iterator[Probe]:
    bare = _bare(context)
    yield Probe(label="without a client certificate", request=bare)
    for header in ("X-Client-Cert", "X-SSL-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert"):
        yield Probe(label=f"a made-up {header}", request=bare.setting(header, "Hash=0;Cert=x"))
    if context.signer is not None:
        head = header_of(context.token)
        text = forge.sign(context.owner, head, context.fresh(cnf={"x5t#S256": "x"}))
        yield context.attempt(text, "bound to a certificate that nobody has")


ATTACKS = (
    Attack(
        id="I1",
        title="Bound token sent as Bearer",
        severity=Severity.HIGH,
        references=("RFC 9449 7.2", "ASVS 10.3.5"),
        needs=(Need.BOUND_TOKEN,),
        play=each(_as_bearer),
        expected=f'{PROOF}"invalid_token"',
        proves="The binding is decoration: a stolen token works without its key.",
        remedy="Where a token bears cnf, ask for the proof of its key, under the DPoP scheme only.",
    ),
    Attack(
        id="I2",
        title="Proof replayed",
        severity=Severity.MEDIUM,
        references=("RFC 9449 11.1",),
        needs=(Need.DPOP_KEY,),
        play=_replay,
        expected=f'{PROOF}"invalid_dpop_proof"',
        proves="An overheard request can be sent again.",
        remedy="Remember every proof's jti for as long as its iat is acceptable.",
    ),
    Attack(
        id="I3",
        title="Replay cache flooded, then replay",
        severity=Severity.MEDIUM,
        references=("RFC 9449 11.1",),
        needs=(Need.DPOP_KEY,),
        play=_flooded,
        expected=f'{PROOF}"invalid_dpop_proof"',
        proves="Enough other proofs push a used one out of memory.",
        remedy="When the memory of proofs is full, refuse new ones instead of forgetting old ones.",
    ),
    Attack(
        id="I4",
        title="htm or htu of another request",
        severity=Severity.HIGH,
        references=("RFC 9449 4.3",),
        needs=(Need.DPOP_KEY,),
        play=each(_target),
        expected=f'{PROOF}"invalid_dpop_proof"',
        proves="A proof made for one request serves another.",
        remedy=CHECK,
    ),
    Attack(
        id="I5",
        title="Malformed or forwarded Host against htu",
        severity=Severity.MEDIUM,
        references=("RFC 9449 4.3", "RFC 9110 7.2"),
        needs=(Need.DPOP_KEY,),
        play=each(_host),
        expected="400, or a refusal of the proof",
        proves="The caller decides for which host his proof is meant.",
        remedy="Compare htu with the configured origin, not with what the request claims.",
    ),
    Attack(
        id="I6",
        title="ath missing or wrong",
        severity=Severity.HIGH,
        references=("RFC 9449 4.3", "RFC 9449 7"),
        needs=(Need.DPOP_KEY,),
        play=each(_access_hash),
        expected=f'{PROOF}"invalid_dpop_proof"',
        proves="A proof made for one token serves another.",
        remedy=CHECK,
    ),
    Attack(
        id="I7",
        title="Another key's proof",
        severity=Severity.CRITICAL,
        references=("RFC 9449 4.3", "RFC 9449 6.1"),
        needs=(Need.DPOP_KEY,),
        play=each(_other_key),
        expected=f'{PROOF}"invalid_token"',
        proves="Any key will do: the token is not bound at all.",
        remedy="Compare the thumbprint of the proof's key with cnf.jkt.",
    ),
    Attack(
        id="I8",
        title="Private jwk, symmetric or no algorithm in the proof",
        severity=Severity.HIGH,
        references=("RFC 9449 4.3",),
        needs=(Need.DPOP_KEY,),
        play=each(_bad_proof_keys),
        expected=f'{PROOF}"invalid_dpop_proof"',
        proves="A proof that proves nothing passes.",
        remedy=CHECK,
    ),
    Attack(
        id="I9",
        title="Stale iat, missing jti, unknown nonce",
        severity=Severity.MEDIUM,
        references=("RFC 9449 4.3", "RFC 9449 9"),
        needs=(Need.DPOP_KEY,),
        play=each(_stale),
        expected=f'{PROOF}"invalid_dpop_proof" or "use_dpop_nonce"',
        proves="A proof made long ago, or in advance, passes.",
        remedy="Take proofs of the last minute only, or hand out nonces.",
    ),
    Attack(
        id="I10",
        title="Two proofs",
        severity=Severity.LOW,
        references=("RFC 9449 4.3",),
        needs=(Need.DPOP_KEY,),
        play=each(_two_proofs),
        expected="400 or 401 invalid_dpop_proof",
        proves="A proxy and the API can each look at another proof.",
        remedy=CHECK,
    ),
    Attack(
        id="I11",
        title="Token bound to a certificate, without it",
        severity=Severity.HIGH,
        references=("RFC 8705 3",),
        needs=(Need.MTLS_TOKEN,),
        play=each(_certificate),
        proves="The binding to the TLS certificate is decoration.",
        remedy="Compare cnf.x5t#S256 with the certificate of the connection, else refuse.",
    ),
)
