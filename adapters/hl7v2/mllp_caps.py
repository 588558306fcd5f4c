"""Who may hold how much of a listener: connections per address and in total, bytes in flight."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol

Network = IPv4Network | IPv6Network


class Holder(Protocol):
    """A connection as the caps see it."""

    address: str
    last_active: float
    frames: int

    @property
    def busy(self) -> bool:
        """A message is being read or waits for its answer."""

    def evict(self) -> None: ...


class Caps:
    """Counts connections and chooses who gives way: an idle one before a good one is refused."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._open: dict[Holder, None] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def holders(self) -> list[Holder]:
        return list(self._open)

    def admit(self, new: Holder) -> str:
        """Counts `new` in and returns "", or the reason for refusing it: `address-cap` or `total-cap`."""
        reason = ""
        if self._by_address[new.address] >= self._per_address:
            reason = self._make_room("address-cap", new.address)
        if not reason and len(self._open) >= self._total:
            reason = self._make_room("total-cap", "")
        if not reason:
            self._open[new] = None
            self._by_address[new.address] += 1
        return reason

    def release(self, holder: Holder) -> None:
        if holder in self._open:
            del self._open[holder]
            self._by_address[holder.address] -= 1
            if not self._by_address[holder.address]:
                del self._by_address[holder.address]

    def _make_room(self, reason: str, address: str) -> str:
        idle = [h for h in self._open if not h.busy and (not address or h.address == address)]
        if not idle:
            return reason
        # those that never sent a message go first, then the longest silent
        victim = min(idle, key=lambda h: (h.frames > 0, h.last_active))
        self.release(victim)
        victim.evict()
        return ""


class Budget:
    """Bytes of unfinished and uncommitted messages. `full` asks the readers to pause."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    @property
    def full(self) -> bool:
        return self.used > self._limit

    def change(self, amount: int) -> None:
        self.used += amount


def allowed(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks. IPv4 mapped into IPv6 counts as IPv4."""
    try:
        peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return any(peer.version == network.version and peer in network for network in networks)
