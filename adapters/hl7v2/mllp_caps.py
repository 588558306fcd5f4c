"""Who may hold how much of a listener: connections per address and in total, bytes in flight."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol

from hie.ports import Budget

Network = IPv4Network | IPv6Network
DRIP_SECONDS = 5.0
"""How long a message may take to arrive before its connection may have to give way to a new one at a cap."""


class Holder(Protocol):
    """A connection as the caps see it."""

    address: str
    last_active: float
    begun: float
    """When the message that is being read began."""
    frames: int

    @property
    def busy(self) -> bool:
        """A message is being read or waits for its answer."""

    @property
    def waiting(self) -> bool:
        """A message waits for its answer."""

    def evict(self) -> None: ...


class Caps:
    """Counts connections and chooses who gives way: an idle one, or one that drips, before a good one is refused."""

    def __init__(self, total: int, per_address: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._per_address = per_address
        self._clock = clock
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
        mine = [h for h in self._open if not h.waiting and (not address or h.address == address)]
        # those that never sent a message go first, then the longest silent
        idle = min((h for h in mine if not h.busy), key=lambda h: (h.frames > 0, h.last_active), default=None)
        drips = min((h for h in mine if h.busy), key=lambda h: h.begun, default=None)
        if idle is None and (drips is None or self._clock() - drips.begun < DRIP_SECONDS):
            return reason
        victim = idle or drips
        assert victim is not None
        self.release(victim)
        victim.evict()
        return ""


class Share:
    """What one listener holds, within its own limit and the byte budget of its process (None: there is none)."""

    def __init__(self, feed: str, limit: int, whole: Budget | None) -> None:
        self._feed = feed
        self._limit = limit
        self._whole = whole
        self.used = 0

    @property
    def full(self) -> bool:
        """Readers of large messages pause."""
        return self.used > self._limit or (self._whole is not None and self._whole.full)

    @property
    def must_shed(self) -> bool:
        """It is this listener that fills the memory."""
        return self.full and (self._whole is None or self.used > self._limit or self._whole.heaviest == self._feed)

    def change(self, amount: int) -> None:
        self.used += amount
        if self._whole is not None:
            self._whole.change(self._feed, amount)


def allowed(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks. IPv4 mapped into IPv6 counts as IPv4."""
    try:
        peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return any(peer.version == network.version and peer in network for network in networks)
