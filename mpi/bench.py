"""Loads a synthetic population and measures look-ups: `hie mpi bench`."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from mpi.features import SSN_SYSTEM
from mpi.frequency import Frequencies
from mpi.index import Index
from mpi.person import Address, Identifier, Name, Person
from mpi.registration import Registration
from mpi.tables import METADATA

BATCH = 256
STREETS = [
    f"{a} {b}".strip()
    for a in ("Oak", "Elm", "Lake", "Hill", "Mill", "Park", "River", "Cedar", "North", "Grand")
    for b in ("", "Ridge", "View", "Creek", "Grove", "Point")
]


def population(n: int, seed: int = 1) -> Iterator[Registration]:
    """`n` different persons with names as frequent as in life, three to a household."""
    pick = random.Random(seed)
    pools = {}
    for kind in ("g", "f"):
        table = Frequencies.table(kind)
        # names that are in no table, in their share
        rare = [
            f"{a}{b}{c}"
            for a in ("KA", "LO", "MI", "TSU", "VAN")
            for b in ("REN", "DO", "LIK", "SHA", "BEK")
            for c in ("OV", "ETTI", "SKI", "ARA", "UMO", "IAN", "EZ", "OGLU")
        ]
        pools[kind] = (
            [*table, *rare],
            [*table.values(), *[max(1e-9, 1 - sum(table.values())) / len(rare)] * len(rare)],
        )
    givens, families = (iter(pick.choices(*pools[kind], k=n)) for kind in ("g", "f"))
    family = street = zip_ = phone = ""
    for i, given in enumerate(givens):
        if i % 3 == 0:
            family = next(families)
            street = f"{pick.randint(1, 9999)} {pick.choice(STREETS)} {pick.choice(('St', 'Ave', 'Rd'))}"
            zip_, phone = f"{pick.randint(97000, 97999)}", f"{pick.randint(2010000000, 9899999999)}"
        born = f"{pick.randint(1935, 2023)}-{pick.randint(1, 12):02}-{pick.randint(1, 28):02}"
        ssn = f"{pick.randint(1, 665):03}{pick.randint(1, 99):02}{pick.randint(1, 9999):04}"
        yield Registration(
            f"clinic{i % 7}",
            Identifier(f"urn:clinic:{i % 7}", "MR", str(i)),
            Person(
                names=(Name((given, pick.choice("ABCDEFGHJKLMNPRST")), family),),
                birth_date=born,
                sex=pick.choice(("male", "female")),
                identifiers=(Identifier(SSN_SYSTEM, "SS", ssn),) if pick.random() < 0.6 else (),
                addresses=(Address(street, "", "Portland", "OR", zip_),),
                phones=(phone,),
            ),
            1.7e9 + i,
            f"m{i}",
        )


def _p(values: list[float], share: float) -> float:
    return round(1000 * sorted(values)[min(len(values) - 1, int(len(values) * share))], 3)


def _load(connection: Connection, index: Index, registrations: list[Registration]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(registrations), BATCH):
        index.register(connection, registrations[start : start + BATCH])
        if start % (BATCH * 40) == 0:
            connection.commit()
    connection.commit()
    return time.perf_counter() - wall, time.process_time() - cpu


def bench(n: int, lookups: int = 2000, url: str = "") -> dict[str, Any]:
    """Times in milliseconds; `cpu` is this process's. The database is fresh, or is expected to be empty where `url` names one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mpi.db"
        engine = create_engine(url or f"sqlite:///{path}", poolclass=NullPool)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-200000"):
                    connection.execute(text(f"PRAGMA {pragma}"))
            METADATA.create_all(connection)
            connection.commit()
            index = Index()
            everybody = list(population(n))
            wall, cpu = _load(connection, index, everybody)
            pick = random.Random(2)
            asked = [pick.choice(everybody).person for _ in range(lookups)]
            index.match(connection, asked[0])
            times, began = [], time.process_time()
            found = 0
            for person in asked:
                at = time.perf_counter()
                found += bool(index.match(connection, person))
                times.append(time.perf_counter() - at)
            look = time.process_time() - began
            known = everybody[:: max(1, n // 5000)][:5000]
            at_cpu = time.process_time()
            for start in range(0, len(known), BATCH):
                index.register(connection, known[start : start + BATCH])
            fast = (time.process_time() - at_cpu) / len(known)
            again = list(population(min(n, 5000), seed=99))
            extra_wall, extra = _load(
                connection,
                index,
                [
                    Registration(r.source, Identifier("urn:other", "MR", str(i)), r.person, r.at, r.reference)
                    for i, r in enumerate(again)
                ],
            )
            size = path.stat().st_size if path.exists() else 0
        engine.dispose()
    return {
        "population": n,
        "database": engine.dialect.name,
        "load_s": round(wall, 2),
        "load_cpu_ms_each": round(1000 * cpu / n, 4),
        "lookups_per_s": round(lookups / sum(times), 1),
        "lookup_p50_ms": _p(times, 0.5),
        "lookup_p99_ms": _p(times, 0.99),
        "lookup_cpu_ms": round(1000 * look / lookups, 4),
        "found": found,
        "register_new_cpu_ms": round(1000 * extra / len(again), 4),
        "register_new_ms": round(1000 * extra_wall / len(again), 4),
        "register_unchanged_cpu_ms": round(1000 * fast, 4),
        "database_mb": round(size / 1e6, 1),
    }
