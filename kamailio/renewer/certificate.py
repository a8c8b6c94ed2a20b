"""A certificate chain with its key: made, read, and checked before it goes anywhere."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from acme import crypto_util
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RSA_BITS: Final = 2048


def new_key(kind: str) -> str:
    """A key of that kind (`KEYS` of the configuration), PEM, not encrypted: Kamailio reads no other."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsaP256" else rsa.generate_private_key(65537, RSA_BITS)
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def request(key: str, names: Sequence[str]) -> bytes:
    """A signing request for these names, PEM."""
    return crypto_util.make_csr(key.encode(), list(names))


@dataclass(frozen=True)
class Pair:
    """A chain, the leaf first, and the leaf's key: PEM, byte for byte as in the Secret. Made by `read` alone."""

    chain: bytes
    key: bytes

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The certificate that is for the names."""
        return x509.load_pem_x509_certificates(self.chain)[0]

    @cached_property
    def der(self) -> bytes:
        """The leaf as it is served."""
        return self.leaf.public_bytes(Encoding.DER)

    @property
    def begins(self) -> datetime.datetime:
        """Not valid before."""
        return self.leaf.not_valid_before_utc

    @property
    def ends(self) -> datetime.datetime:
        """Not valid after."""
        return self.leaf.not_valid_after_utc

    def renewed_at(self, remaining: float) -> float:
        """Unix time from which this part of its life is left."""
        return (self.ends - (self.ends - self.begins) * remaining).timestamp()

    def is_of(self, kind: str) -> bool:
        """Whether its key is of that kind, or a larger one."""
        key = self.leaf.public_key()
        if kind == "ecdsaP256":
            return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS

    def lacks(self, names: Iterable[str]) -> list[str]:
        """The names that it is not for."""
        try:
            has = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return list(names)
        return sorted(set(names) - set(has.get_values_for_type(x509.DNSName)))


def read(chain: bytes, key: bytes) -> Pair:
    """Raises `ValueError`, in words, where they do not belong together or the chain is broken."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ValueError("tls.crt is not a certificate chain in PEM") from None
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("tls.key is not an unencrypted private key in PEM") from None
    same = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*same) != certificates[0].public_key().public_bytes(*same):
        raise ValueError("tls.key is not the key of the first certificate in tls.crt")
    for issued, issuer in itertools.pairwise(certificates):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise ValueError(
                f"tls.crt: {issuer.subject.rfc4514_string()} did not issue what stands before it"
            ) from None
    return Pair(chain, key)
