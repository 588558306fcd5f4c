"""Fills a node's tables with a day at a region, so that every page has something to show."""

from __future__ import annotations

import time

from sqlalchemy import insert

from hie.audit.events import Kind, event
from hie.compression import compress
from hie.store import subscribers, tables
from tests.api.region import Region


def tell(region: Region, seen: str, now: float) -> None:
    """`seen` is a message that lies in the journal; it gets a record and deliveries."""
    day = time.strftime("%Y%m%d", time.gmtime(now))
    region.applied(seen)
    region.message(seen, "north", now - 30, control_id="SEEN-1", event="ORU^R01", warnings=1, unmapped=2)
    region.record(seen)
    region.delivery(seen, "county-ed", "delivered-redacted", reason="accepted-redacted", answer="200")
    region.delivery(
        seen,
        "payer",
        "denied",
        reason="denied",
        text="the patient's consent of 2026-01-12 forbids payers; it covers everything",
    )
    _disclosure(region, seen, now)
    for n in range(60):
        region.message(f"{day}-{100 + n:08d}", "north", now - 3000 + n * 40, control_id=f"N{n}")
    for n in range(12):
        region.message(
            f"{day}-{200 + n:08d}",
            "harbor",
            now - 9000 + n,
            outcome="quarantined" if n < 4 else "routed",
            reason="undecodable" if n < 4 else "routed",
            text="PID is missing" if n < 4 else "",
            flags="lf-segments" if n == 0 else "",
        )
    region.message(
        f"{day}-00000300", "fax", now - 50, format="fax", outcome="rejected", reason="refused", text="no page"
    )
    for n in range(7):
        region.delivery(
            f"{day}-{100 + n:08d}",
            "county-ed",
            "dead-lettered",
            reason="refused" if n < 5 else "gave-up",
            text="the subscriber answered 422" if n < 5 else "no connection for three days",
            answer="http-422" if n < 5 else "http-connect",
            attempts=1 if n < 5 else 41,
            at=now - 5000 + n,
        )
    for n in range(9):
        region.delivery(
            f"{day}-{120 + n:08d}", "primary-care", "queued", attempts=3, at=now - 1500 + n, reason="http-5xx"
        )
    with region.answers.engine.begin() as connection:
        subscribers.pause(connection, "payer", "maintenance until 18:00", now - 600)
        connection.execute(
            insert(tables.configuration).values(hash=region.settings.hash, loaded_at=now - 7200, body="{}")
        )
        region.answers.trail.add(
            connection,
            event(Kind.START, "node", {"process": "engine", "configuration": region.settings.hash}),
            event(
                Kind.CONSENT_CHANGE, "user:petra", {"consent": "c-17", "version": "2", "state": "inactive", "eid": "E5"}
            ),
            event(
                Kind.DISCLOSURE_BEGUN, "node", {"delivery": 1, "subscriber": "county-ed", "released": {"Patient": 1}}
            ),
        )


def _disclosure(region: Region, message_id: str, now: float) -> None:
    decision = (
        '{"released":{"Patient":1},"withheld":{"Observation":1},"reasons":[{"verdict":"permit","items":1,"rule":"default",'
        '"text":"treatment is permitted unless somebody objects"},{"verdict":"deny","items":1,"rule":"category:ETH",'
        '"text":"substance use goes only where the patient has agreed in writing (42 CFR Part 2)"}]}'
    )
    region.write(
        insert(tables.disclosure).values(
            delivery_id=1,
            kind="push",
            at=now - 29.9,
            ended_at=now - 29.8,
            state="delivered-redacted",
            eid="E1",
            mpi_record=1,
            message_id=message_id,
            source="north",
            recipient="county-ed",
            purpose="TREAT",
            epoch=1,
            policy="us-opt-out@1",
            decision=compress(decision.encode()),
        )
    )
