"""The consent epoch of a person: bumped by every consent change and link event, checked by every T1."""

from __future__ import annotations

from collections.abc import Collection

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


def bump(connection: Connection, eids: Collection[str]) -> None:
    """A T1 that decided under the epoch before this one will not commit."""
    if not eids:
        return
    build = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(consent_epoch)
    connection.execute(
        build.on_conflict_do_update(index_elements=["eid"], set_={"epoch": consent_epoch.c.epoch + 1}),
        [{"eid": eid, "epoch": 1} for eid in sorted(eids)],
    )
