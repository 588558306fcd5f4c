"""The acknowledgement as the body of an HTTP answer: one, in original mode, since the request waits for it."""

from __future__ import annotations

from adapters.hl7v2.acknowledge import answers
from adapters.hl7v2.peek import header_of
from hie.model import Acknowledgement


def answer(raw: bytes, outcome: Acknowledgement) -> list[bytes]:
    """The acknowledgement of `raw` (none to an acknowledgement), without frame bytes."""
    return answers(header_of(raw), outcome, "original")
