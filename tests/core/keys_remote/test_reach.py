"""Which addresses may be asked for keys."""

import ipaddress

import pytest

from jwt_guard.keys.reach import AddressRefused, Reach
from jwt_guard.keys.urls import is_fetchable

PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822")
LOOPBACK = ("127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1")
PRIVATE = ("10.0.0.1", "172.16.9.9", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1")
NEVER = (
    "169.254.169.254",
    "fe80::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "::ffff:168.63.129.16",
)


def _allowed(reach: Reach, addresses: tuple[str, ...]) -> set[bool]:
    return {reach.allows(ipaddress.ip_address(each)) for each in addresses}


def test_only_public_addresses_are_asked_by_default() -> None:
    """Neither this host, nor the network around it, nor what stands for them in IPv6."""
    reach = Reach()
    assert _allowed(reach, PUBLIC) == {True}
    assert _allowed(reach, LOOPBACK + PRIVATE + NEVER) == {False}


def test_loopback_and_private_are_allowed_by_name_and_nothing_else_is() -> None:
    """A cloud's metadata service is never asked."""
    assert _allowed(Reach(loopback=True), LOOPBACK) == {True}
    assert _allowed(Reach(loopback=True), PRIVATE) == {False}
    assert _allowed(Reach(private=True), PRIVATE) == {True}
    assert _allowed(Reach(private=True), LOOPBACK) == {False}
    assert _allowed(Reach(loopback=True, private=True), NEVER) == {False}


def test_one_bad_address_of_a_name_is_enough() -> None:
    """A name with a public and a private address is refused."""
    reach = Reach()
    assert reach.checked(["93.184.216.34", "93.184.216.34"]) == ["93.184.216.34"]
    for addresses in ([], ["93.184.216.34", "10.0.0.1"]):
        with pytest.raises(AddressRefused):
            reach.checked(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.test/jwks",
        "https://user:secret@issuer.example.test/jwks",
        "https://issuer.example.test@evil.test/jwks",
        "https://issuer.example.test\\@evil.test/jwks",
        "https://issuer.example.test:port/jwks",
        "https:///jwks",
        "https://[::1/jwks",
        "https://127.0.0.1/jwks",
        "https://localhost/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "https://issuer.example.test/jw\nks",
        "https://issüer.example.test/jwks",
        "file:///etc/passwd",
        "ftp://issuer.example.test/jwks",
        "data:application/json,{}",
        "",
    ],
)
def test_urls_that_are_not_fetched(url: str) -> None:
    """Other schemes, credentials, addresses that may not be asked, text that is no URL."""
    assert not is_fetchable(url, Reach())


def test_urls_that_are_fetched() -> None:
    """Https to names and public addresses; http to this very host where that is allowed."""
    assert is_fetchable("https://issuer.example.test/jwks?x=1", Reach())
    assert is_fetchable("https://93.184.216.34/jwks", Reach())
    assert is_fetchable("http://127.0.0.1:80/jwks", Reach(loopback=True))
    assert is_fetchable("http://localhost/jwks", Reach(loopback=True))
    assert not is_fetchable("http://localhost/jwks", Reach())
    assert not is_fetchable("http://10.0.0.1/jwks", Reach(loopback=True, private=True))
    assert is_fetchable("https://10.0.0.1/jwks", Reach(private=True))
