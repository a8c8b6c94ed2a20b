"""Keys of a signed zone, as Cloud DNS reports them.

The keys are real public keys of the chosen algorithm, with DS records computed from them by dnspython. Answers are not
signed, so private keys are not kept.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local_cloud.cloud import now
from local_cloud.errors import google_error
from local_cloud.values import Props

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
_CURVES: Final[dict[int, ec.EllipticCurve]] = {256: ec.SECP256R1(), 384: ec.SECP384R1()}


def new_keys(zone: str, specs: Sequence[Props]) -> list[Props]:
    """A key-signing and a zone-signing key for a zone, of the requested kinds."""
    by_type = {spec.get("keyType"): spec for spec in specs}
    return [_new_key(zone, kind, flags, by_type.get(kind) or {}) for kind, flags in _KINDS]


def _new_key(zone: str, kind: str, flags: int, spec: Props) -> Props:
    algorithm = spec.get("algorithm") or "rsasha256"
    number, bits = ALGORITHMS[algorithm]
    if number < 13:
        bits = int(spec.get("keyLength") or (bits if kind == "keySigning" else _ZONE_SIGNING_RSA_BITS))
        if not 1024 <= bits <= 4096:
            message = f"Invalid value for 'entity.managedZone.dnssecConfig.defaultKeySpecs.keyLength': '{bits}'"
            raise google_error(400, message, "invalid")
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
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return b"\x03" + numbers.e.to_bytes(3, "big") + numbers.n.to_bytes(bits // 8, "big")


def _ecdsa_public_key(bits: int) -> bytes:
    """RFC 6605: both coordinates of a point."""
    numbers = ec.generate_private_key(_CURVES[bits]).public_key().public_numbers()
    return b"".join(coordinate.to_bytes(bits // 8, "big") for coordinate in (numbers.x, numbers.y))
