"""What a process that decodes is asked: apart from the pipeline, so that who asks need not load it."""

from __future__ import annotations

from typing import NamedTuple

from hie.model import FeedContext


class Task(NamedTuple):
    """What is needed to understand one message."""

    format: str
    """"" where the message's feed is not configured: nobody knows whose numbers its identifiers are."""
    raw: bytes
    context: FeedContext
    source_types: frozenset[str]
