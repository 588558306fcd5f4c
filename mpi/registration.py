"""One registration at one clinic."""

from __future__ import annotations

from dataclasses import dataclass

from mpi.person import Identifier, Person


@dataclass(frozen=True, slots=True)
class Registration:
    source: str
    """Feed or clinic."""
    identifier: Identifier | None
    """The clinic's own identifier: the key of the record. None (a fax, a partial document): a record of its own each time."""
    person: Person
    at: float
    """Seconds since the epoch."""
    reference: str = ""
    """Message id, or whatever leads back to the raw payload."""
    told: float | None = None
    """When it was so, where that is not when it came (old data): decides which of two registrations is the later one."""
