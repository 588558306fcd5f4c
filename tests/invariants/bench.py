"""The real pipeline, gate, commands and writer over a real database, without processes and sockets: a test decides what
happens between which two steps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from hie import registry, settings
from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind
from hie.consent import jurisdiction
from hie.engine.commands import Commands
from hie.gate import Begun, Gate, Prepared, Result
from hie.identify import Identity, eid_of
from hie.model import DeliveryState, Envelope
from hie.pipeline import Applied, Pipeline, Step
from hie.routing import Router
from hie.simulation import messages
from hie.simulation.people import Someone, someone
from hie.store.database import open_reader, open_writer
from hie.store.tables import audit, delivery, record
from hie.store.writer import Writer
from hie.understand import understand
from tests.databases import EMBEDDED, Database
from tests.node import CONFIG, NORTH_URI, RIVER_URI

V3 = "http://terminology.hl7.org/CodeSystem/"


def opt_out(mrn: str, authority: str = NORTH_URI, status: str = "active", kind: str = "deny") -> dict[str, Any]:
    """FHIR R4 Consent: nobody may have anything (`deny`), or everybody everything (`permit`)."""
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": {"coding": [{"system": f"{V3}consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {
            "identifier": {"type": {"coding": [{"system": f"{V3}v2-0203", "code": "MR"}]}, "system": authority, "value": mrn}
        },
        "dateTime": "2026-01-01T00:00:00+00:00",
        "policyRule": {"coding": [{"system": f"{V3}v3-ActCode", "code": "OPTOUT" if kind == "deny" else "OPTIN"}]},
        "provision": {"type": kind},
    }  # fmt: skip


class Bench:
    def __init__(self, directory: Path, gate: type[Gate] = Gate, seed: int = 1, database: Database = EMBEDDED) -> None:
        config = directory / "hie.yaml"
        config.write_text(
            CONFIG.format(
                http=1, north=2, river=3, mllp_sink=4, http_sink=5, north_uri=NORTH_URI, river_uri=RIVER_URI,
                ack_seconds=1, give_up="1h", database=database.setting, engines=1,
            )
        )  # fmt: skip
        self.settings = settings.load(config)
        database.migrated(self.settings.var)
        self.database = open_writer(self.settings.database_url)
        self.trail = Trail(self.database, Chain("proving"))
        self.reader = open_reader(self.settings.database_url)
        self.writer = Writer(self.database)
        policy = jurisdiction.load(self.settings.policy)
        self.pipeline = Pipeline(
            self.settings, Identity(), Router(self.settings.subscribers, self.settings.directory), self.trail
        )
        self.gate = gate(self.settings, policy, self.trail, self.settings.var / "journal")
        self.subscriber = self.settings.subscribers[1]
        self.subscribers = {s.name: s for s in self.settings.subscribers}
        self.dispatchers: dict[str, Any] = {}
        self.commands = Commands(self)  # type: ignore[arg-type]
        self.chance = random.Random(seed)
        self.sent: list[tuple[str, bytes]] = []
        """(key, payload) of what left."""
        self.serial = 0
        self.envelopes: dict[str, Envelope] = {}
        """What arrived, by message id: the journal of this node."""

    def close(self) -> None:
        self.writer.close()
        self.reader.dispose()

    def applied(self, applied: Applied) -> None:
        """What the engine does after a commit: here a test decides."""

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.writer.submit(work).result(20)

    # -- in

    def arrive(self, *raws: bytes, feed: str = "north", format: str = "hl7v2", run: int | None = None) -> Applied:
        """Everything in one commit, as one batch of the journal would be applied; `run`: by a repair, out of its order."""
        steps = []
        for raw in raws:
            self.serial += 1
            keys = registry.decoder(format, "peek")(raw)
            id = f"20260101-{self.serial:08d}"
            envelope = Envelope(id, feed, format, raw, b"\0" * 32, 1.8e9 + self.serial, keys)
            self.envelopes[id] = envelope
            steps.append(Step(envelope, None, "", (), understand(self.pipeline.task(envelope)), run))
        applied: Applied = self.write(lambda connection: self.pipeline.apply(connection, steps))
        return applied

    def admit(self, person: Someone | None = None, mrn: str = "", feed: str = "north", **more: Any) -> tuple[int, str]:
        """Registers a visit; answers (delivery id to `practice`, enterprise id)."""
        person = person or someone(self.chance)
        mrn = mrn or f"{self.chance.randrange(10**8)}"
        authority = feed.upper()
        control_id = f"B-{self.serial + 1}"
        run = more.pop("run", None)
        raw = messages.admission(
            person,
            mrn,
            authority,
            f"{authority}EHR",
            authority,
            more.pop("event", "A04"),
            control_id,
            f"V{mrn}",
            **more,
        )
        applied = self.arrive(raw, feed=feed, run=run)
        return applied.entries["practice"][0].id, self.eid(applied.entries["practice"][0].id)

    def eid(self, id: int) -> str:
        with self.reader.connect() as connection:
            number = connection.execute(select(delivery.c.mpi_record).where(delivery.c.id == id)).scalar_one()
            found = eid_of(connection, number)
        assert found is not None
        return found

    def consent(self, body: dict[str, Any], id: str | None = None) -> dict[str, Any]:
        return asyncio.run(self.commands.answer("consent.put", {"body": body, "id": id}, "user:officer"))  # type: ignore[no-any-return]

    def command(self, name: str, **arguments: Any) -> Any:
        return asyncio.run(self.commands.answer(name, arguments, "user:operator"))

    # -- out

    def prepare(self, *ids: int) -> list[Prepared]:
        with self.reader.connect() as connection:
            return self.gate.prepare(connection, self.subscriber, ids)

    def begin(self, prepared: Sequence[Prepared]) -> Begun:
        begun: Begun = self.write(lambda connection: self.gate.begin(connection, self.subscriber, prepared))
        return begun

    def end(
        self, prepared: Prepared, state: DeliveryState | None = None, reason: str = "", due_at: float = 0.0
    ) -> None:
        """T2: as the subscriber took it, or as `state` says."""
        outcome = prepared.outcome
        result = Result(state or outcome.state, reason or outcome.reason, "", "AA", due_at)
        self.write(lambda connection: self.gate.end(connection, self.subscriber, [(prepared, result)]))

    def deliver(self, *ids: int, between: Callable[[], object] = lambda: None) -> Begun:
        """One attempt; `between` runs after the decision and before T1."""
        prepared = self.prepare(*ids)
        between()
        begun = self.begin(prepared)
        for item in begun.sendable:
            self.sent.append((item.key, item.payload))
            self.end(item)
        return begun

    # -- what came of it

    def row(self, id: int) -> Any:
        with self.reader.connect() as connection:
            return connection.execute(select(delivery).where(delivery.c.id == id)).one()

    def records(self, message_id: str) -> int:
        with self.reader.connect() as connection:
            return len(connection.execute(select(record.c.idx).where(record.c.message_id == message_id)).all())

    def chain(self) -> list[tuple[str, dict[str, Any]]]:
        """(kind, body) of the audit chain: the order of the commits."""
        with self.reader.connect() as connection:
            rows = connection.execute(select(audit.c.kind, audit.c.body).order_by(audit.c.seq)).all()
        return [(kind, orjson.loads(text)) for kind, text in rows]


def disclosed_against_a_deny(chain: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Disclosures begun while an opt-out of that very person was in force, by the order of the commits."""
    denied: dict[str, set[str]] = {}
    found = []
    for kind, body in chain:
        if kind == Kind.CONSENT_CHANGE:
            standing = denied.setdefault(body["eid"], set())
            (standing.add if body["state"] == "active" else standing.discard)(body["consent"])
        elif kind == Kind.DISCLOSURE_BEGUN and denied.get(body["eid"]):
            found.append(f"delivery {body['delivery']} of {body['eid']} under epoch {body['epoch']}")
    return found


class Blind(Gate):
    """Broken: T1 does not look at the epoch, so what was decided before a revocation goes out after it."""

    def begin(self, connection: Any, subscriber: Any, prepared: Sequence[Prepared]) -> Begun:
        from hie.store import epochs

        now = epochs.read(connection, {p.eid for p in prepared})
        return super().begin(connection, subscriber, [replace(p, epoch=now[p.eid], others={}) for p in prepared])
