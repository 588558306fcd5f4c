"""What is owed to a sender for one frame."""

from __future__ import annotations

from adapters.hl7v2.acknowledge import acknowledge_batch, answers
from adapters.hl7v2.framing import frame
from adapters.hl7v2.peek import Header
from hie.model import Acknowledgement

UNAVAILABLE = Acknowledgement("AE", 207, "", "not stored, send again")


class Pending:
    """The answer to one frame, until all its messages are committed."""

    __slots__ = ("begun", "commit_only", "envelope", "headers", "left", "outcomes", "size")

    def __init__(self, envelope: bytes, size: int, begun: float) -> None:
        self.headers: list[Header] = []
        self.outcomes: list[Acknowledgement] = []
        self.envelope = envelope
        self.size = size
        self.begun = begun
        self.left = 0
        self.commit_only: set[int] = set()
        """Messages whose application answer follows later."""

    def replies(self, mode: str) -> bytes:
        """The framed answers once nothing is left to wait for, b"" where none is due."""
        payloads: list[bytes] = []
        for slot, (header, outcome) in enumerate(zip(self.headers, self.outcomes, strict=True)):
            payloads += answers(header, outcome, mode, commit_only=slot in self.commit_only)
        if payloads and self.envelope:
            payloads = [acknowledge_batch(self.envelope, payloads)]
        return b"".join([frame(payload) for payload in payloads])
