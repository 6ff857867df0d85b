"""The local authority: one per home, made when first needed.

It carries no name constraints: a project's domain may be any, and a new project must not need a new authority. Its key
never leaves the home, is readable by its owner alone, and can sign leaf certificates only (path length 0).
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.certificates.record import certificate_path
from nself_core.render.atomic import write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

_YEARS = 10


@dataclass(frozen=True)
class Authority:
    """The authority's key and certificate."""

    key: EllipticCurvePrivateKey
    certificate: Certificate
    pem: bytes

    @classmethod
    def of(cls, home: Path, now: datetime) -> Authority:
        """The home's authority, made where there is none or it has ended."""
        folder = home / "ca"
        if certificate_path(home).exists():
            known = cls._read(folder)
            if known.certificate.not_valid_after_utc > now:
                return known
            folder.rename(home / f"ca-ended-{known.certificate.not_valid_after_utc:%Y%m%d}-{secrets.token_hex(3)}")
        cls._make(home, folder, now)
        return cls._read(folder)

    @classmethod
    def _read(cls, folder: Path) -> Authority:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509 import load_pem_x509_certificate

        try:
            pem = (folder / "rootCA.pem").read_bytes()
            certificate = load_pem_x509_certificate(pem)
            key = load_pem_private_key((folder / "rootCA-key.pem").read_bytes(), None)
        except (OSError, ValueError) as error:
            raise _broken(folder, str(error)) from error
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise _broken(folder, "its key and certificate do not belong together")
        return cls(key, certificate, pem)

    @staticmethod
    def _make(home: Path, folder: Path, now: datetime) -> None:
        """Key and certificate appear together, by renaming a folder; where two do so at once, the first one's stay."""
        key, certificate = _new(now)
        fresh = home / f".ca-{os.getpid()}-{secrets.token_hex(4)}"
        fresh.mkdir(mode=0o700, parents=True)
        try:
            write_atomically(fresh / "rootCA-key.pem", key, 0o600)
            write_atomically(fresh / "rootCA.pem", certificate, 0o644)
            fresh.rename(folder)
        except OSError:
            if not (folder / "rootCA.pem").exists():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _broken(folder: Path, why: str) -> UserError:
    return UserError(
        f"the local authority cannot be used: {why}",
        where=str(folder),
        remedy="move that folder away; the next build makes a new one, which nself trust installs",
        code="ca-broken",
    )


def _new(now: datetime) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nself local authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"nself {_person()} {secrets.token_hex(4)}"[:64]),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
    )


def _person() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()
