"""A registration with all that is derived from it before anything is read."""

from __future__ import annotations

from mpi.batch import Row
from mpi.features import VERSION, Features, encode
from mpi.registration import Registration


def _stored(text: str) -> str:
    """PostgreSQL stores no NUL."""
    return text.replace("\x00", "") if "\x00" in text else text


class Incoming:
    __slots__ = ("content", "features", "keys", "local_hash", "person", "registration")

    def __init__(
        self,
        registration: Registration,
        features: Features,
        keys_: list[int],
        local_hash: int | None,
        content: int,
        person: str,
    ) -> None:
        self.registration = registration
        self.features = features
        self.keys = keys_
        self.local_hash = local_hash
        self.content = content
        self.person = person

    @property
    def said(self) -> float:
        r = self.registration
        return r.at if r.told is None else r.told

    def as_row(self, id_: int, eid: int) -> tuple[object, ...]:
        r = self.registration
        authority, type_, value = map(_stored, r.identifier) if r.identifier is not None else ("", "", None)
        return (
            id_, eid, _stored(r.source), authority, type_, value, self.local_hash, self.said, _stored(r.reference), self.content, VERSION,
            encode(self.features), self.person,
        )  # fmt: skip

    def as_update(self, row: Row) -> tuple[object, ...]:
        r = self.registration
        return (
            row.eid, _stored(r.source), self.said, _stored(r.reference), self.content, VERSION, encode(row.features), self.person, row.id,
        )  # fmt: skip
