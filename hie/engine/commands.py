"""What other processes may ask of the writer: consent changes, repairs, sessions, notes in the audit chain.

Who may ask is decided before (hie.access in the web process, the file system for the socket); who asked is audited here.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hie.access import changes
from hie.audit.events import Kind, event
from hie.consent import book
from hie.delivery.outbox import KEY_SEPARATOR
from hie.delivery.schedule import Entry
from hie.errors import HieError, NotFound
from hie.identify import eid_of, members_of, persons_of, resolve
from hie.intake import journals
from hie.model import Identifier
from hie.pipeline import RELEASED, Step
from hie.store import epochs, messages, subscribers

if TYPE_CHECKING:
    from hie.engine.process import Engine


class Commands:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def answer(self, command: str, arguments: dict[str, Any], actor: str) -> Any:
        handler = getattr(self, f"_{command.replace('.', '_').replace('-', '_')}", None)
        if handler is None:
            raise NotFound(f"there is no command {command!r}", code="unknown-command")
        return await handler(actor, **arguments)

    async def _ping(self, actor: str) -> dict[str, Any]:
        """Alive, and the writer commits: what readiness asks."""
        await self.engine.writer.run(lambda connection: None)
        return {"unfinished": {name: len(d.schedule) for name, d in self.engine.dispatchers.items()}}

    # -- consent

    async def _consent_put(self, actor: str, body: dict[str, Any], id: str | None = None) -> dict[str, Any]:
        """Stores a consent (or its new version) and bumps the epoch of its person in the same commit."""
        if body.get("resourceType") != "Consent":
            raise HieError("the body is no FHIR Consent", code="not-a-consent")
        consent_id = id or body.get("id") or str(uuid.uuid4())

        def work(connection: Connection) -> dict[str, Any]:
            known = book.get(connection, consent_id)
            record = known.mpi_record if known else self._registration(connection, body.get("patient") or {})
            version = book.put(connection, consent_id, record, body, actor, time.time())
            eid = eid_of(connection, record)
            assert eid is not None
            epochs.bump(connection, {eid})
            state = {"consent": consent_id, "version": str(version), "eid": eid, "state": str(body.get("status", ""))}
            self.engine.trail.add(connection, event(Kind.CONSENT_CHANGE, actor, state))
            return {"id": consent_id, "version": version, "eid": eid, "epoch": epochs.read(connection, {eid})[eid]}

        result = await self.engine.writer.run(work)
        # the revocation is in force from the commit on; attempts begun before it may still be on their way
        return {**result, "begun_before": await self._begun(result["eid"], result["epoch"])}

    async def _consent_revoke(self, actor: str, id: str, document: str = "") -> dict[str, Any]:
        def current(connection: Connection) -> dict[str, Any]:
            known = book.get(connection, id)
            if known is None:
                raise NotFound("there is no such consent")
            return known.body

        body = await self.engine.writer.run(current)
        revoked = {**body, "status": "inactive"}
        if document:
            revoked["sourceReference"] = {"display": document}
        return await self._consent_put(actor, revoked, id)

    async def _begun(self, eid: str, epoch: int) -> list[dict[str, Any]]:
        """Disclosures of the person begun under an older epoch and not ended yet."""

        def read() -> list[dict[str, Any]]:
            with self.engine.reader.connect() as connection:
                return messages.begun_before(connection, eid, epoch)

        return await asyncio.to_thread(read)

    @staticmethod
    def _registration(connection: Connection, patient: dict[str, Any]) -> int:
        """The registration a consent is given for, from Consent.patient. Raises NotFound."""
        eids: set[str] = set()
        reference = patient.get("reference", "")
        if reference.startswith("Patient/"):
            eids = {resolve(connection, reference.removeprefix("Patient/"))}
        elif identifier := patient.get("identifier"):
            authority, value = identifier.get("system", ""), identifier.get("value", "")
            if authority == "urn:hie:enterprise-id":
                eids = {resolve(connection, value)}
            else:
                kinds = [c.get("code", "") for c in identifier.get("type", {}).get("coding", ())] or [
                    "MR",
                    "",
                    "PI",
                    "SS",
                ]
                eids = persons_of(connection, [Identifier(authority, kind, value) for kind in kinds])
        members = [record for eid in eids if eid for record in members_of(connection, eid)]
        if len(eids) != 1 or not members:
            raise NotFound(
                "Consent.patient names nobody we know",
                code="unknown-patient",
                hint="Patient/ENTERPRISE-ID, or an identifier with system and value that a feed has sent",
            )
        return min(members)

    # -- repair

    async def _deadletters_release(
        self,
        actor: str,
        ids: list[int] | None = None,
        subscriber: str | None = None,
        reason: str | None = None,
        all: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        if not (ids or subscriber or reason or all):
            raise HieError("say which: ids, a subscriber, a reason, or all", code="nothing-chosen")

        def work(connection: Connection) -> list[Any]:
            rows = subscribers.dead_letters(connection, subscriber, reason, ids)
            rows = [row for row in rows if row.subscriber in self.engine.dispatchers]
            if not dry_run:
                subscribers.release(connection, [row.id for row in rows], time.time())
                self._administration(connection, actor, "deadletters.release", len(rows), subscriber or "")
            return rows

        rows = await self.engine.writer.run(work)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.subscriber] = counts.get(row.subscriber, 0) + 1
            if not dry_run:
                now = time.time()
                entry = Entry(row.id, tuple(row.ordering_key.split(KEY_SEPARATOR)), now, now)
                self.engine.dispatchers[row.subscriber].add([entry])
        return {"count": len(rows), "by_subscriber": counts, "dry_run": dry_run}

    async def _delivery_purge(self, actor: str, ids: list[int], reason: str) -> dict[str, Any]:
        def work(connection: Connection) -> list[int]:
            purged = subscribers.purge(connection, ids, reason, time.time())
            self._administration(connection, actor, "delivery.purge", len(purged))
            return purged

        purged = await self.engine.writer.run(work)
        for dispatcher in self.engine.dispatchers.values():
            dispatcher.forget(purged)
        return {"count": len(purged)}

    async def _subscriber_pause(self, actor: str, name: str, reason: str = "") -> dict[str, Any]:
        return await self._pausing(actor, name, True, reason)

    async def _subscriber_resume(self, actor: str, name: str, reason: str = "") -> dict[str, Any]:
        return await self._pausing(actor, name, False, reason)

    async def _pausing(self, actor: str, name: str, paused: bool, reason: str) -> dict[str, Any]:
        dispatcher = self.engine.dispatchers.get(name)
        if dispatcher is None:
            raise NotFound(f"no subscriber is called {name!r}")

        def work(connection: Connection) -> None:
            if paused:
                subscribers.pause(connection, name, reason, time.time())
            else:
                subscribers.resume(connection, name)
            self._administration(connection, actor, f"subscriber.{'pause' if paused else 'resume'}", 1, name)

        await self.engine.writer.run(work)
        dispatcher.paused = paused
        dispatcher.wake()
        return {"name": name, "paused": paused}

    async def _quarantine_release(self, actor: str, ids: list[str]) -> dict[str, Any]:
        """Runs quarantined messages through today's decoders again."""
        released = 0
        settings = self.engine.settings
        journal = journals.open_reader(settings.database_url, settings.var / "journal")
        for id in ids:
            entry = await asyncio.to_thread(journal.get, id)
            understood = await asyncio.to_thread(self.engine.understand, entry.envelope)
            step = Step(entry.envelope, None, "", (*entry.flags, RELEASED), understood)

            def work(connection: Connection, step: Step = step, id: str = id) -> Any:
                if not messages.take_out_of_quarantine(connection, id):
                    raise NotFound(f"{id} is not in quarantine")
                self._administration(connection, actor, "quarantine.release", 1)
                return self.engine.pipeline.apply(connection, [step])

            self.engine.applied(await self.engine.writer.run(work))
            released += 1
        return {"count": released}

    # -- access and audit

    async def _access(self, actor: str, change: str, arguments: dict[str, Any]) -> Any:
        """Credentials and sessions: the changes of hie.access, by name."""
        return await self.engine.writer.run(
            lambda connection: changes.apply(connection, self.engine.trail, actor, change, arguments)
        )

    async def _audit_note(self, actor: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.wrap_future(self.engine.note(Kind(kind), actor, body))
        return {}

    def _administration(
        self, connection: Connection, actor: str, command: str, count: int, subscriber: str = ""
    ) -> None:
        body: dict[str, Any] = {"command": command, "count": count, "subscriber": subscriber}
        self.engine.trail.add(connection, event(Kind.ADMINISTRATION, actor, body))
