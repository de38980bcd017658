"""The public keys that fit one ECDSA signature (SEC 1, section 4.1.6): at most two matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from jwt_guard.attacks.forge import Token
from jwt_guard.attacks.material import PublicKey

Point = tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A short Weierstrass curve y^2 = x^3 + ax + b over p, of order n with generator g."""

    p: int
    a: int
    b: int
    n: int
    g: tuple[int, int]
    curve: ec.EllipticCurve
    name: str
    digest: str

    def add(self, one: Point, other: Point) -> Point:
        """The sum of two points; None is the point at infinity."""
        if one is None or other is None:
            return one or other
        if one[0] == other[0] and (one[1] + other[1]) % self.p == 0:
            return None
        slope = self._slope(one, other)
        x = (slope * slope - one[0] - other[0]) % self.p
        return x, (slope * (one[0] - x) - one[1]) % self.p

    def _slope(self, one: tuple[int, int], other: tuple[int, int]) -> int:
        if one == other:
            return (3 * one[0] ** 2 + self.a) * pow(2 * one[1], -1, self.p) % self.p
        return (other[1] - one[1]) * pow(other[0] - one[0], -1, self.p) % self.p

    def times(self, factor: int, point: Point) -> Point:
        """A multiple of a point."""
        total: Point = None
        while factor:
            if factor & 1:
                total = self.add(total, point)
            point = self.add(point, point)
            factor >>= 1
        return total

    def lift(self, x: int) -> tuple[int, int] | None:
        """A point with that x, where there is one; p is 3 modulo 4 on these curves."""
        square = (x**3 + self.a * x + self.b) % self.p
        y = pow(square, (self.p + 1) // 4, self.p)
        return (x, y) if y * y % self.p == square else None


P256 = Curve(
    p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    a=-3,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    g=(
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    curve=ec.SECP256R1(),
    name="P-256",
    digest="sha256",
)
P384 = Curve(
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    a=-3,
    b=int(
        "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE814112"
        "0314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF",
        16,
    ),
    n=int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    g=(
        int(
            "AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B98"
            "59F741E082542A385502F25DBF55296C3A545E3872760AB7",
            16,
        ),
        int(
            "3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147C"
            "E9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F",
            16,
        ),
    ),
    curve=ec.SECP384R1(),
    name="P-384",
    digest="sha384",
)
CURVES = {"ES256": P256, "ES384": P384}


def recovered_keys(token: Token) -> Iterator[PublicKey]:
    """The public keys under which the token's own signature verifies."""
    curve, signature = CURVES.get(token.alg), token.signature
    half = len(signature) // 2
    if curve is None or 8 * half != curve.p.bit_length():
        return
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    message = hashlib.new(curve.digest, token.signing_input.encode()).digest()
    nonce_point = curve.lift(r)
    for candidate in (nonce_point, _mirrored(nonce_point, curve)):
        point = _recover(curve, r, s, int.from_bytes(message, "big"), candidate)
        if point is not None:
            yield _published(curve, point)


def _mirrored(point: Point, curve: Curve) -> Point:
    return None if point is None else (point[0], curve.p - point[1])


def _recover(curve: Curve, r: int, s: int, e: int, nonce_point: Point) -> Point:
    if nonce_point is None or not 0 < r < curve.n:
        return None
    inverse = pow(r, -1, curve.n)
    return curve.add(
        curve.times(s * inverse % curve.n, nonce_point),
        curve.times(-e * inverse % curve.n, curve.g),
    )


def _published(curve: Curve, point: tuple[int, int]) -> PublicKey:
    key = ec.EllipticCurvePublicNumbers(point[0], point[1], curve.curve).public_key()
    return PublicKey(jwk={"kty": "EC", "crv": curve.name}, key=key)
