"""What an adapter offers: Protocols only. Decoders and encoders are pure and run in any process."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any, Protocol

from hie.model import Acknowledgement, Arrival, FeedContext, Keys, Receipt, Record, SubscriberContext, View


class Decoder(Protocol):
    """A format on the way in. Modules `adapters.<format>.decode` provide `peek` and `decode` with these shapes."""

    def peek(self, raw: bytes) -> Keys:
        """Keys of a complete message in a few microseconds, no allocation beyond them. Raises hie.errors.Rejected."""

    def decode(self, raw: bytes, context: FeedContext) -> Iterator[Record]:
        """Records of a message or document. Raises hie.errors.DecodeError only where nothing at all can be said."""


class Encoder(Protocol):
    """A format on the way out."""

    def encode(self, view: View, context: SubscriberContext) -> bytes:
        """Bytes as they leave. Raises hie.errors.PermanentRefusal where the view cannot be put into the format."""


class Accept(Protocol):
    """Injected into every source: makes one arrival durable."""

    def __call__(self, arrival: Arrival) -> Awaitable[Receipt]:
        """Resolves only after the durable commit. Raises hie.errors.StoreUnavailable: answer AE / 503, accept nothing.

        May be called again before the first has resolved; arrivals become durable in the order of the calls.
        """


class Open(Protocol):
    """Injected into a source whose manifest says `opens`: one that carries any format and gets its bodies whole."""

    def __call__(self, raw: bytes, source: str) -> list[Arrival]:
        """The messages of a body in order, bytes unchanged, each peeked at; what the peek refuses carries its `refusal`.
        `source` is the peer or place for the journal. At least one; never raises for what the bytes are."""


class Budget(Protocol):
    """Bytes in flight, not committed yet, over all sources of the process."""

    @property
    def full(self) -> bool:
        """More is held than the node may: read no further."""

    @property
    def heaviest(self) -> str:
        """The feed that holds most. Where nothing else frees memory, its source gives its largest message up."""

    def change(self, feed: str, amount: int) -> None:
        """`amount` bytes more (less, where negative) are held for `feed`."""


class Verdict(Protocol):
    """Whether a decoder can read an arrival that has been stored."""

    def __call__(self, arrival: Arrival, /) -> Awaitable[Acknowledgement]:
        """AA, or AE or AR with the decoder's condition. Takes as long as it takes: set a limit of your own. Raises nothing
        for what the bytes are."""


class Entrance(Accept, Protocol):
    """What `accept` is inside the node. A source may do without the rest, and must where `accept` does not have it."""

    budget: Budget
    verdict: Verdict | None


class Meter(Protocol):
    """Injected into sources and sinks: counts and times named in hie.metrics."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


class Source(Protocol):
    """A running listener or poller of one feed."""

    async def start(self) -> None:
        """Binds and begins to accept. Raises hie.errors.ConfigurationError where the address cannot be had."""

    async def drain(self, seconds: float) -> None:
        """Stops accepting, finishes and answers what is in hand within `seconds`, then closes."""


class Sink(Protocol):
    """A connection to one subscriber. `send` returns when the other side has taken the bytes."""

    idempotent: bool
    """True: a repeated key has no second effect there; False: keyed-at-least-once."""

    async def send(self, payload: bytes, key: str) -> str:
        """Sends and returns the answer's code. Raises TemporaryFailure, PermanentRefusal or OutcomeUnknown."""

    async def close(self) -> None: ...


class Probe(Protocol):
    """Optional part of a source or sink in the manifest: looks whether the other side is there."""

    def __call__(self, settings: Any) -> str:
        """What was seen, in words. Sends no message and no data, takes nothing, changes nothing; ends within the settings'
        own time limits. Raises an error of hie.errors that says what stands in the way."""
