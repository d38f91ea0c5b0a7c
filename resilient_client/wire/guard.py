"""The address guard: under `Policy(allow_private=False)` connections go to public addresses only.

What is judged is the address that is then connected to, after the one lookup there is: a name that resolves to
something else a moment later changes nothing, and neither does the way in which an address was written.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from resilient_client.errors import ConfigError
from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.public_addresses import why_not_public

if TYPE_CHECKING:
    from resilient_client.exchange import Url, Wire
    from resilient_client.policy import Policy
    from resilient_client.wire.sockets import Address

INTERNET: Final = frozenset((socket.AF_INET, socket.AF_INET6))

SHOWN: Final = 3
"""Addresses that a message names."""

UNJUDGED: Final = "the addresses that this transport connects to cannot be judged, and allow_private=False wants that"


def judges(wire: Wire) -> bool:
    """Return whether `wire` keeps `Limits.public_only`; one that does says so, as others do not know of it."""
    return bool(getattr(wire, "judges_addresses", False))


def check_wire(wire: Wire, policies: Iterable[Policy]) -> None:
    """Raise `ConfigError` when one of the policies wants a guard that `wire` cannot give."""
    if not judges(wire) and not all(policy.allow_private for policy in policies):
        name = getattr(wire, "name", None)
        why = UNJUDGED if name is None else f"wire={name!r} cannot do that, its library connects where it will"
        raise ConfigError(
            f"allow_private=False: {why}; leave transport= and wire= out, or guard the transport itself and leave "
            f"allow_private=False out"
        )


def blocked(why: str) -> WireError:
    """Return the error of a connection that is not made."""
    return WireError(FailureKind.BLOCKED, f"{why}; allow_private=False is for public addresses only", sent=False)


def public_ones(host: str, addresses: Iterable[Address]) -> list[Address]:
    """Return the public ones among the addresses of `host`; raises `WireError` (`blocked`) when there is none."""
    reasons = [(address, _why_not(address)) for address in addresses]
    allowed = [address for address, why in reasons if why is None]
    if not allowed:
        told = [_told(host, str(address.sockaddr[0]), why) for address, why in reasons[:SHOWN]]
        raise blocked(", and ".join(told))
    return allowed


def _why_not(address: Address) -> str | None:
    return why_not_public(str(address.sockaddr[0])) if address.family in INTERNET else "no IP address"


def _told(host: str, address: str, why: str | None) -> str:
    return f"{host} is {why}" if host == address else f"{host} is {address}, which is {why}"


def check_literal(host: str) -> bool:
    """Return whether `host` is a plain IP address; raises `WireError` (`blocked`) when it is one that is not public."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if (why := why_not_public(host)) is not None:
        raise blocked(_told(host, host, why))
    return True


def check_way(origin: Url, *, uds: str | None, proxied: bool) -> None:
    """Raise `WireError` (`blocked`) when the way to `origin` leaves nothing to judge.

    The proxy itself is the operator's choice and is not judged. What it connects to is its own affair once it was given
    a name, so only an address can be let through.
    """
    if uds is not None:
        raise blocked(f"the unix socket {uds} has no address")
    if proxied and not check_literal(origin.host):
        raise blocked(
            f"the proxy would look {origin.host} up, and nobody here would know what it connects to: have the proxy "
            f"refuse private addresses, or call without it"
        )
