"""What is kept of an address, be it in the database or in the log."""

from socket import AF_INET6, inet_ntop, inet_pton
from typing import Final, Literal

Storage = Literal["full", "masked", "none"]

NETWORK: Final = 6  # octets of an IPv6 address that are kept, a site's /48
TUNNEL: Final = 5  # of 2002::/16, whose next four octets are an address of IPv4: three of these


def stored_address(ip: str | None, storage: Storage) -> str | None:
    """`ip` as `normalised` writes it. Masked: `203.0.113.7` → `203.0.113.0`, `2001:db8:1:2::3` → `2001:db8:1::`."""
    if ip is None or storage == "full":
        return ip
    if storage == "none":
        return None
    if ":" in ip:
        kept = TUNNEL if ip.startswith("2002:") else NETWORK
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, ip)[:kept].ljust(16, b"\0"))
    return f"{ip.rpartition('.')[0]}.0"
