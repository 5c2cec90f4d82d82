"""The certificate of this machine: made once, made again in time."""

from __future__ import annotations

import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from kaiwa import tls
from kaiwa.tls import local_certificate


def loaded(cert: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(cert.read_bytes())


def test_it_is_made_once(tmp_path: Path) -> None:
    cert, key = local_certificate(tmp_path / "tls")
    first = cert.read_bytes(), key.read_bytes()
    assert local_certificate(tmp_path / "tls") == (cert, key)
    assert (cert.read_bytes(), key.read_bytes()) == first


def test_the_key_is_this_users_alone(tmp_path: Path) -> None:
    _, key = local_certificate(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_cert_and_key_belong_together_and_name_this_machine(tmp_path: Path) -> None:
    cert, key = local_certificate(tmp_path)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    found = loaded(cert)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert found.not_valid_after_utc - found.not_valid_before_utc < datetime.timedelta(days=398)


@pytest.mark.parametrize("reason", ["near its end", "new names", "new address", "no key", "broken"])
def test_it_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    cert, key = local_certificate(tmp_path)
    first = loaded(cert).serial_number
    names, addresses = tls._names()
    match reason:
        case "near its end":
            monkeypatch.setattr(tls, "RENEW_BEFORE", tls.LIFETIME + datetime.timedelta(days=1))
        case "new names":
            monkeypatch.setattr(tls, "_names", lambda: (names | {"moved.local"}, addresses))
        case "new address":
            monkeypatch.setattr(tls, "_names", lambda: (names, addresses | {"192.0.2.7"}))
        case "no key":
            key.unlink()
        case "broken":
            cert.write_text("no certificate")
    local_certificate(tmp_path)
    assert loaded(cert).serial_number != first
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)


def test_a_name_that_went_away_is_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, _ = local_certificate(tmp_path)
    first = cert.read_bytes()
    monkeypatch.setattr(tls, "_names", lambda: ({"localhost"}, {"127.0.0.1"}))
    local_certificate(tmp_path)
    assert cert.read_bytes() == first


def test_a_make_that_was_cut_short_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = local_certificate(tmp_path)
    key.unlink()

    def full(path: Path, data: bytes) -> int:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(Path, "write_bytes", full)
        local_certificate(tmp_path)
    local_certificate(tmp_path)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
