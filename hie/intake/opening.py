"""What lies in one body that came whole, by a queue or from a folder: one message or several, each peeked at on its own."""

from __future__ import annotations

import logging

from hie import registry
from hie.errors import Rejected
from hie.model import Acknowledgement, Arrival

log = logging.getLogger(__name__)


class Opening:
    """Takes bodies of one feed apart (hie.ports.Open)."""

    def __init__(self, feed: str, format: str) -> None:
        self.feed = feed
        self.format = format

    def __call__(self, raw: bytes, source: str) -> list[Arrival]:
        split = registry.splitter(self.format)
        batch = split(raw) if split is not None else None
        if batch is None or (len(batch.messages) == 1 and not batch.header and not batch.rest):
            return [self._peeked(raw if batch is None else batch.messages[0], source)]
        if not batch.messages:
            refusal = Acknowledgement("AR", 200, "MSH", "the batch holds no message")
            return [Arrival(self.feed, self.format, raw, source, None, refusal)]
        flags = ["batch" if batch.header else "several-in-frame", *(() if batch.complete else ("batch-incomplete",))]
        outside = Acknowledgement("AR", 100, "MSH", "bytes that belong to no message of the body")
        return [
            *(self._peeked(message, source, tuple(flags)) for message in batch.messages),
            *(Arrival(self.feed, self.format, part, source, None, outside) for part in batch.rest),
        ]

    def _peeked(self, raw: bytes, source: str, flags: tuple[str, ...] = ()) -> Arrival:
        try:
            keys = registry.decoder(self.format, "peek")(raw)
        except Rejected as error:
            refusal = Acknowledgement(error.ack, error.err, error.where, error.text)
        except Exception as error:  # a defect of a peek must not cost the bytes: what is not taken comes again for ever
            log.error("peek failed", extra={"feed": self.feed, "reason": type(error).__name__})
            refusal = Acknowledgement("AE", 207, "", "a defect of ours: the header could not be read")
        else:
            return Arrival(self.feed, self.format, raw, source, keys, None, flags)
        return Arrival(self.feed, self.format, raw, source, None, refusal, flags)
