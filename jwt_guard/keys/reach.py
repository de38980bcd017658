"""Which addresses may be asked for keys (RFC 8725bis section 3.10)."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Address", "AddressRefused", "Reach"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    )
)
"""Where clouds keep their metadata services, beside link-local addresses."""


class AddressRefused(Exception):
    """A host resolves to an address that must not be asked for keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which addresses may be asked for keys: public ones, and what is named here.

    Attributes:
        loopback: whether this very host may be.
        private: whether private networks may be (RFC 1918, RFC 4193, RFC 6598). Link-local
            addresses and the others where clouds keep their metadata services never are.
    """

    loopback: bool = False
    private: bool = False

    def allows(self, address: Address) -> bool:
        """Whether this address may be asked."""
        address = _embedded(address)
        if address.is_loopback:
            return self.loopback
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        if address.is_reserved or address in _METADATA:
            return False
        return address.is_global or self.private

    def may_allow(self, host: str) -> bool:
        """Whether a host is worth resolving: a name is, an address only if it may be asked."""
        if host == "localhost":
            return self.loopback
        try:
            return self.allows(ipaddress.ip_address(host))
        except ValueError:
            return True

    def checked(self, addresses: Iterable[str]) -> list[str]:
        """The addresses, in order.

        Raises:
            AddressRefused: one of them may not be asked. One is enough: a name that resolves to
                a public and a private address is no better than one that resolves to the latter.
        """
        found = list(dict.fromkeys(addresses))
        if not found or not all(self.allows(ipaddress.ip_address(each)) for each in found):
            raise AddressRefused
        return found


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
