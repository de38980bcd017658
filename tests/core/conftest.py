"""Material that several tests of the core need."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support import tokens


@pytest.fixture(scope="session")
def certificate_pem() -> str:
    """A self-signed certificate of the RS256 key."""
    private = tokens.key("RS256").private_key
    assert isinstance(private, RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example.test")])
    start = dt.datetime.fromtimestamp(tokens.NOW, dt.UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=1))
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()
