"""Keys of a signed zone, as Cloud DNS reports them.

The sandbox publishes real public keys of the chosen algorithm and DS records computed from them by dnspython; it does
not sign answers (its name server is for looking at records, not for validating them), so no private key is kept.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any, Final

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from sandbox.cloud import now
from sandbox.values import Props

# Cloud DNS: algorithm name, number (RFC 8624) and default length of a key-signing key.
ALGORITHMS: Final[dict[str, tuple[int, int]]] = {
    "rsasha1": (5, 2048),
    "rsasha256": (8, 2048),
    "rsasha512": (10, 2048),
    "ecdsap256sha256": (13, 256),
    "ecdsap384sha384": (14, 384),
}
_KINDS: Final = (("keySigning", 257), ("zoneSigning", 256))
_ZONE_SIGNING_RSA_BITS: Final = 1024


def new_keys(zone: str, specs: Sequence[Props]) -> list[Props]:
    """A key-signing and a zone-signing key for a zone, of the kinds asked for."""
    by_type = {spec.get("keyType"): spec for spec in specs}
    return [_new_key(zone, kind, flags, by_type.get(kind) or {}) for kind, flags in _KINDS]


def _new_key(zone: str, kind: str, flags: int, spec: Props) -> Props:
    algorithm = spec.get("algorithm") or "rsasha256"
    number, bits = ALGORITHMS[algorithm]
    if number < 13:
        bits = int(spec.get("keyLength") or (bits if kind == "keySigning" else _ZONE_SIGNING_RSA_BITS))
        material = _rsa_public_key(bits)
    else:
        material = _ecdsa_public_key(bits)
    public = base64.b64encode(material).decode()
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, f"{flags} 3 {number} {public}")
    tag = dns.dnssec.key_id(rdata)  # type: ignore[arg-type]
    key: Props = {
        "id": str(tag),
        "algorithm": algorithm,
        "creationTime": now(),
        "description": "",
        "isActive": True,
        "keyLength": bits,
        "keyTag": tag,
        "publicKey": public,
    }
    if kind == "keySigning":
        ds = dns.dnssec.make_ds(dns.name.from_text(zone), rdata, "SHA256")
        digest = ds.digest.hex().upper()
        key |= {"digests": [{"digest": digest, "type": "sha256"}], "dsRecord": f"{tag} {number} 2 {digest}"}
    return key


def _rsa_public_key(bits: int) -> bytes:
    """RFC 3110: the exponent's length, the exponent, the modulus."""
    modulus = _prime(bits // 2) * _prime(bits - bits // 2)
    return b"\x03" + (65537).to_bytes(3, "big") + modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")


def _prime(bits: int) -> int:
    while True:
        candidate = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if all(candidate % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)) and _is_prime(candidate):
            return candidate


def _is_prime(number: int, rounds: int = 5) -> bool:
    """Miller and Rabin's test; the rounds are FIPS 186-5's, table B.1, for numbers of this length."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(rounds):
        value = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if value in (1, number - 1):
            continue
        for _ in range(twos - 1):
            value = value * value % number
            if value == number - 1:
                break
        else:
            return False
    return True


# NIST SP 800-186: field prime, coefficient b, generator. Coefficient a is -3 on both curves.
_CURVES: Final[dict[int, tuple[int, tuple[int, int]]]] = {
    256: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
}


def _ecdsa_public_key(bits: int) -> bytes:
    """RFC 6605: both coordinates of a point, here the generator times a number that nobody keeps."""
    prime, generator = _CURVES[bits]
    point: tuple[int, int] | None = None
    addend: tuple[int, int] | None = generator
    scalar = secrets.randbits(bits - 1) | 1
    while scalar:
        if scalar & 1:
            point = _add(point, addend, prime)
        addend = _add(addend, addend, prime)
        scalar >>= 1
    if point is None:
        raise RuntimeError("the scalar was a multiple of the curve's order")
    return b"".join(coordinate.to_bytes(bits // 8, "big") for coordinate in point)


def _add(one: tuple[int, int] | None, other: tuple[int, int] | None, prime: int) -> tuple[int, int] | None:
    """Addition of points on a curve with coefficient a = -3."""
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % prime == 0:
        return None
    if one == other:
        slope: Any = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, prime)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, prime)
    x = (slope * slope - one[0] - other[0]) % prime
    return x, (slope * (one[0] - x) - one[1]) % prime
