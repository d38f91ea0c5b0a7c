"""Which IP addresses are public: a pure judgement on one address, from tables with their sources.

`ipaddress.is_global` is not enough. It calls multicast global, and addresses that carry an IPv4 address inside (NAT64,
6to4), with which a gateway on the way leads into the network that the IPv4 address is of.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

METADATA: Final = "the metadata service of a cloud"

NOT_PUBLIC: Final[tuple[tuple[str, str, str], ...]] = (
    # Told apart because it is what attackers are after. All but Azure's would be refused below as well.
    ("169.254.169.254/32", METADATA, "AWS, Azure, Google, DigitalOcean, OpenStack"),
    ("169.254.170.2/32", METADATA, "AWS ECS"),
    ("100.100.100.200/32", METADATA, "Alibaba Cloud"),
    ("192.0.0.192/32", METADATA, "Oracle Cloud"),
    ("168.63.129.16/32", METADATA, "Azure; a public address that is the host's own"),
    ("fd00:ec2::254/128", METADATA, "AWS"),
    ("fd20:ce::254/128", METADATA, "Google"),
    # IPv4: IANA's special-purpose registry (RFC 6890), and what was never given out.
    ("0.0.0.0/8", "this network", "RFC 791, section 3.2"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared address space (CGNAT)", "RFC 6598"),
    ("127.0.0.0/8", "loopback", "RFC 1122, section 3.2.1.3"),
    ("169.254.0.0/16", "link-local", "RFC 3927"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "reserved for protocols", "RFC 6890, section 2.1"),
    ("192.0.2.0/24", "for documentation", "RFC 5737"),
    ("192.88.99.0/24", "the 6to4 relay", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("198.18.0.0/15", "for benchmarks", "RFC 2544"),
    ("198.51.100.0/24", "for documentation", "RFC 5737"),
    ("203.0.113.0/24", "for documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 1112"),
    ("240.0.0.0/4", "reserved", "RFC 1112, section 4"),
    # IPv6: of the global unicast space below, what is special; of the rest, what has a name.
    ("::/128", "unspecified", "RFC 4291, section 2.5.2"),
    ("::1/128", "loopback", "RFC 4291, section 2.5.3"),
    ("::/96", "IPv4-compatible", "RFC 4291, section 2.5.5.1"),
    ("64:ff9b::/96", "NAT64, with an IPv4 address inside", "RFC 6052"),
    ("64:ff9b:1::/48", "NAT64, with an IPv4 address inside", "RFC 8215"),
    ("100::/64", "the discard prefix", "RFC 6666"),
    ("2001::/32", "Teredo, with an IPv4 address inside", "RFC 4380"),
    ("2001::/23", "reserved for protocols", "RFC 2928"),
    ("2001:db8::/32", "for documentation", "RFC 3849"),
    ("2002::/16", "6to4, with an IPv4 address inside", "RFC 3056"),
    ("3fff::/20", "for documentation", "RFC 9637"),
    ("fc00::/7", "private (ULA)", "RFC 4193"),
    ("fe80::/10", "link-local", "RFC 4291, section 2.5.6"),
    ("fec0::/10", "site-local", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291, section 2.7"),
)
"""Network, what it is, and who says so. The first one that an address is in tells what it is."""

GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All that was ever given out of IPv6 (IANA's registry of global unicast addresses, RFC 4291, section 2.4)."""

_IPV4: Final = [(IPv4Network(text), what) for text, what, _ in NOT_PUBLIC if ":" not in text]
_IPV6: Final = [(IPv6Network(text), what) for text, what, _ in NOT_PUBLIC if ":" in text]


def why_not_public(address: str) -> str | None:
    """Return what keeps `address` from being public, to follow "which is"; None when it is public.

    An IPv4 address mapped into IPv6 (`::ffff:127.0.0.1`) is judged as the IPv4 address that it is.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "no IP address"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            what = next((what for network, what in _IPV6 if ip in network), None)
            return what or (None if ip in GLOBAL_UNICAST else "reserved")
        ip = ip.ipv4_mapped
    return next((what for network, what in _IPV4 if ip in network), None)
