"""What another model would do with the population: shadow-scored, shown as a diff, applied only when a person says so.

Decisions of humans and statements of clinics survive: nobody set apart is merged, nobody linked by hand is split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from mpi import enterprise, history
from mpi.history import Moved
from mpi.linkage import Linkage
from mpi.model import Model
from mpi.person import Identifier, load
from mpi.registration import Registration
from mpi.tables import LINK_EVENT, RECORD

BY_HAND = ("link", "merge", "undo", "split")


class Merge(NamedTuple):
    survivor: str
    """EID that keeps its name: the one with most records."""
    merged: tuple[str, ...]
    records: tuple[int, ...]
    """One record of each, the survivor's first."""


class Split(NamedTuple):
    eid: str
    leaving: tuple[tuple[int, ...], ...]
    """Groups of records that would each become a person of their own."""


class Diff(NamedTuple):
    model: str
    persons_before: int
    persons_after: int
    merges: tuple[Merge, ...]
    splits: tuple[Split, ...]

    @property
    def affected(self) -> frozenset[str]:
        """Every EID that would change: whoever holds one is to be told."""
        return frozenset(eid for merge in self.merges for eid in (merge.survivor, *merge.merged)) | frozenset(
            split.eid for split in self.splits
        )


def diff(connection: Connection, model: Model) -> Diff:
    """Links the whole population anew in memory, in the order of arrival. Reads only."""
    now: dict[int, int] = {}
    arrivals = []
    columns = (
        RECORD.c.id,
        RECORD.c.eid,
        RECORD.c.source,
        RECORD.c.authority,
        RECORD.c.type,
        RECORD.c.value,
        RECORD.c.person,
    )
    for row in connection.execute(select(*columns).order_by(RECORD.c.id)):
        now[row.id] = row.eid
        # the record id stands in for the identifier: a clinic may have given one twice
        arrivals.append(
            Registration(row.source, Identifier("record", "", str(row.id)), load(row.person), 0.0, str(row.id))
        )
    linkage = Linkage(model)
    for _ in linkage.run(arrivals):
        pass
    then = {int(reference): eid for reference, eid in linkage.clusters().items()}
    linkage.connection.close()
    by_hand = {
        row.record_id
        for row in connection.execute(
            select(LINK_EVENT.c.record_id).where(LINK_EVENT.c.decision.in_(BY_HAND)).distinct()
        )
    }
    members: defaultdict[int, list[int]] = defaultdict(list)
    for record, eid in now.items():
        members[eid].append(record)
    splits = []
    for eid, records in sorted(members.items()):
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for record in records:
            groups[then[record]].append(record)
        if len(groups) > 1 and not by_hand.intersection(records):
            leaving = sorted(groups.values(), key=lambda group: (-len(group), group[0]))[1:]
            splits.append(Split(enterprise.as_text(eid), tuple(tuple(group) for group in leaving)))
    splitting = {split.eid for split in splits}
    groups_after: defaultdict[str, set[int]] = defaultdict(set)
    for record, cluster in then.items():
        groups_after[cluster].add(now[record])
    merges = []
    for eids in groups_after.values():
        whole = [eid for eid in eids if enterprise.as_text(eid) not in splitting]
        if len(whole) < 2:
            continue
        keep, *gone = sorted(whole, key=lambda eid: (-len(members[eid]), members[eid][0]))
        gone = [eid for eid in gone if not history.apart_between(connection, members[keep], members[eid])]
        if gone:
            firsts = tuple(members[eid][0] for eid in (keep, *gone))
            merges.append(Merge(enterprise.as_text(keep), tuple(map(enterprise.as_text, gone)), firsts))
    merges.sort(key=lambda merge: merge.records)
    after = len(members) - sum(len(m.merged) for m in merges) + sum(len(s.leaving) for s in splits)
    return Diff(model.version, len(members), after, tuple(merges), tuple(splits))


def apply(connection: Connection, change: Diff, *, actor: str, at: float | None = None) -> list[Moved]:
    """Carries an approved diff out as ordinary link events, each of which can be undone. Returns the records that moved."""
    reason = f"re-link with model {change.model}"
    moved: list[Moved] = []
    for split in change.splits:
        for group in split.leaving:
            moved += history.split(connection, group, actor=actor, reason=reason, at=at)
    for merge in change.merges:
        survivor, *others = merge.records
        for other in others:
            moved += history.link_records(connection, survivor, other, actor=actor, reason=reason, at=at)
    return moved


def summary(change: Diff, subscribers: Sequence[str] = ()) -> str:
    """Two lines for the one who has to approve it."""
    told = f"; to be told: {', '.join(subscribers)}" if subscribers else ""
    return (
        f"model {change.model}: {change.persons_before:,} persons become {change.persons_after:,}\n"
        f"{len(change.merges):,} merges, {len(change.splits):,} splits, {len(change.affected):,} enterprise ids affected{told}"
    )
