"""Consents recorded, replaced and revoked: in force from the commit on."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hie.audit.events import Kind, event
from hie.consent import book
from hie.engine.handler import Handler
from hie.errors import HieError, NotFound
from hie.identify import eid_of, members_of, persons_of, resolve
from hie.model import Identifier
from hie.store import epochs, messages

if TYPE_CHECKING:
    from hie.engine.process import Engine


class ConsentCommands:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.handlers: dict[str, Handler] = {"consent.put": self._put, "consent.revoke": self._revoke}

    async def _put(self, actor: str, body: dict[str, Any], id: str | None = None) -> dict[str, Any]:
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

    async def _revoke(self, actor: str, id: str, document: str = "") -> dict[str, Any]:
        def current(connection: Connection) -> dict[str, Any]:
            known = book.get(connection, id)
            if known is None:
                raise NotFound("there is no such consent")
            return known.body

        body = await self.engine.writer.run(current)
        revoked = {**body, "status": "inactive"}
        if document:
            revoked["sourceReference"] = {"display": document}
        return await self._put(actor, revoked, id)

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
