"""The consent epoch of a person: bumped by every consent change and link event, checked by every T1.

SQLite has one writer. On PostgreSQL a T1 shares a lock on each of its persons until its commit and reads the epochs after
that; a change takes the same lock alone: so no T1 that read the older epoch is still to be committed when a revocation is.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from hie.store.tables import consent_epoch

_SELECT = select(consent_epoch.c.eid, consent_epoch.c.epoch).where(
    consent_epoch.c.eid.in_(bindparam("eids", expanding=True))
)


def read(connection: Connection, eids: Collection[str]) -> dict[str, int]:
    """Epoch of each; a person nobody ever decided anything about has epoch 0."""
    found = dict.fromkeys(eids, 0)
    if found:
        found.update({row.eid: row.epoch for row in connection.execute(_SELECT, {"eids": list(found)})})
    return found


def settled(connection: Connection, eids: Collection[str]) -> dict[str, int]:
    """As `read`, and none of them changes before the transaction in hand has ended."""
    _lock(connection, "pg_advisory_xact_lock_shared", eids)
    return read(connection, eids)


def bump(connection: Connection, eids: Collection[str]) -> None:
    """A T1 that decided under the epoch before this one will not commit."""
    if not eids:
        return
    _lock(connection, "pg_advisory_xact_lock", eids)
    build = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(consent_epoch)
    connection.execute(
        build.on_conflict_do_update(index_elements=["eid"], set_={"epoch": consent_epoch.c.epoch + 1}),
        [{"eid": eid, "epoch": 1} for eid in sorted(eids)],
    )


def _lock(connection: Connection, function: str, eids: Collection[str]) -> None:
    """One statement, one order: two transactions never wait for each other in a circle."""
    if eids and connection.dialect.name != "sqlite":
        keys = sorted(
            int.from_bytes(blake2b(f"epoch {eid}".encode(), digest_size=8).digest(), signed=True) for eid in eids
        )
        connection.exec_driver_sql(
            f"SELECT count({function}(k)) FROM (SELECT unnest(%s::bigint[]) AS k) AS held", (keys,)
        )
