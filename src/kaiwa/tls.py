"""A certificate of this machine's own, for `kaiwa serve --tls`."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = datetime.timedelta(days=397)  # browsers refuse longer ones
RENEW_BEFORE: Final = datetime.timedelta(days=30)


def local_certificate(folder: Path, called: Iterable[str] = ()) -> tuple[Path, Path]:
    """The certificate and its key as PEM files in `folder`; made anew when missing, near its end,
    or when the machine's names have changed.

    It is self-signed for every name and address of this machine, and what else it is `called`:
    browsers ask once whether to trust it.
    """
    cert, key = folder / "cert.pem", folder / "key.pem"
    names, addresses = _names()
    names |= {name for name in called if not _is_address(name)}
    if not (key.exists() and _still_good(cert, names, addresses)):
        folder.mkdir(parents=True, exist_ok=True)
        _make(cert, key, names, addresses)
    return cert, key


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names() -> tuple[set[str], set[str]]:
    host = socket.gethostname()
    addresses = {
        address.address.split("%")[0]
        for found in psutil.net_if_addrs().values()
        for address in found
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }
    return {"localhost", host, f"{host}.local"}, addresses | {"127.0.0.1", "::1"}


def _still_good(cert: Path, names: set[str], addresses: set[str]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError):
        return False
    covers = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(ip) for ip in covers.get_values_for_type(x509.IPAddress)}
    return (
        found.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)
        and names <= set(covers.get_values_for_type(x509.DNSName))
        and {str(ipaddress.ip_address(address)) for address in addresses} <= covered
    )


def _make(cert: Path, key: Path, names: set[str], addresses: set[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kaiwa on this machine")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(a)) for a in sorted(addresses)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    cert.unlink(missing_ok=True)  # first: an old one beside a new key would pass for good
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
