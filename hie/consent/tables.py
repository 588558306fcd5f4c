"""Requests answered against files: consents in a folder, the people and records they speak of in one list.

The pure side of `hie consent decide`: what a decision of the live exchange would be, for cases written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from hie.codes import security
from hie.consent.compile import NOBODY, PatientConsents, compile_consents
from hie.consent.decide import Decisions, Request, decide
from hie.consent.directory import Directory
from hie.consent.item import Item, item
from hie.consent.jurisdiction import Policy
from hie.consent.period import instant
from hie.consent.reference import CARRIERS, plain
from hie.model import Resource, SecurityLabel

Labeller = Callable[[Sequence[Resource]], Mapping[str, tuple[SecurityLabel, ...]]]

_NOT_RECORDS = CARRIERS | {"Consent", "AuditEvent", "Bundle", "Parameters", "OperationOutcome", "Binary", "Coverage"}


class Cabinet:
    """Consents by file name, and the items of every patient."""

    def __init__(
        self, consents: Mapping[str, Any], resources: Sequence[Resource], policy: Policy, label: Labeller
    ) -> None:
        self.policy = policy
        self.consents = dict(consents)
        self.directory = Directory([*resources, *_consent_bodies(consents)], policy.timezone)
        teams = _named_teams(consents)
        self.items: dict[str, list[Item]] = {}
        labels = label(resources)
        by_reference = {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources}
        for reference, resource in by_reference.items():
            if resource["resourceType"] in _NOT_RECORDS or reference in teams:
                continue
            given = _as_sent(resource, labels.get(reference, ()))
            one = item(resource, given, by_reference, timezone=policy.timezone)
            if one.patient:
                self.items.setdefault(one.patient, []).append(one)
        self._compiled: dict[tuple[tuple[str, ...], str], PatientConsents] = {}

    @classmethod
    def read(cls, folder: Path, resources: Sequence[Resource], policy: Policy, label: Labeller) -> Cabinet:
        """All .json files of a folder; one that is not readable stays in as unreadable."""
        found: dict[str, Any] = {}
        for file in sorted(folder.glob("*.json")) if folder.is_dir() else [folder]:
            try:
                body = orjson.loads(file.read_bytes())
            except (OSError, orjson.JSONDecodeError):
                body = None
            kind = body.get("resourceType") if isinstance(body, dict) else None
            if isinstance(body, dict) and kind is None and "resources" in body:
                continue  # the list of resources itself may lie in the folder
            if kind == "Bundle":
                for number, entry in enumerate(body.get("entry", [])):
                    found[f"{file.name}#{number}"] = entry.get("resource") if isinstance(entry, dict) else None
            else:
                found[file.name] = body
        return cls(found, resources, policy, label)

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One request line -> one result line."""
        chosen = asked.get("consent")
        names = tuple(
            sorted(self.consents if chosen is None else map(str, chosen if isinstance(chosen, list) else [chosen]))
        )
        request = self._request(asked.get("request"))
        verdicts: dict[str, str] = {}
        reasons: dict[str, dict[str, Any]] = {}
        decided: list[Decisions] = []
        for patient in self._patients(names):
            answer = decide(self.policy, self._of(names, patient), (), request, self.items.get(patient, []))
            decided.append(answer)
            for reference, verdict in answer.verdicts.items():
                verdicts[reference] = verdict.verdict
                reasons[reference] = {
                    "rule": verdict.rule,
                    "text": verdict.text,
                    "consent": verdict.consent.partition("|")[0] or None,
                    "exception": verdict.code or None,
                    "basis": verdict.basis or None,
                    "pending": verdict.pending,
                }
        moments = [d.holds_until for d in decided if d.holds_until is not None]
        return {
            "id": asked.get("id"),
            "decision": _overall(decided, verdicts),
            "resources": verdicts,
            "reasons": reasons,
            "policy": self.policy.version,
            "mode": self.policy.mode,
            "obligations": sorted({o for d in decided for o in d.obligations}),
            "holds_until": min(moments, default=None),
        }

    def _request(self, asked: Any) -> Request:
        asked = asked if isinstance(asked, dict) else {}
        now = instant(asked.get("now"), self.policy.timezone)
        recipient = asked.get("recipient")
        held = [plain(r) for r in recipient if plain(r)] if isinstance(recipient, list) else []
        purpose = asked.get("purpose")
        if now is None or not isinstance(purpose, str):
            purpose, now = "", 0.0
        expanded = self.directory.expand(held, now)
        state = self.directory.state(held)
        return Request(
            recipient=expanded.sure,
            possible=expanded.possible,
            purpose=purpose,
            now=now,
            recipient_state=state if held else "active",
        )

    def _patients(self, names: Sequence[str]) -> list[str]:
        """Patients that a consent in force is about; one that does not say whose it is may be about any."""
        found: set[str] = set()
        for name in names:
            body = self.consents.get(name)
            patient = _patient(body, self.directory)
            if patient is None:
                found |= self.items.keys()
            elif isinstance(body, dict) and str(body.get("status")) not in _OVER:
                found.add(patient)
        return sorted(found)

    def _of(self, names: tuple[str, ...], patient: str) -> PatientConsents:
        key = (names, patient)
        if key not in self._compiled:
            mine: list[tuple[str, str, Any]] = []
            for name in names:
                body = self.consents.get(name)
                if _patient(body, self.directory) in (None, patient):
                    id = body.get("id") if isinstance(body, dict) else None
                    meta = body.get("meta") if isinstance(body, dict) else None
                    version = meta.get("versionId", "1") if isinstance(meta, dict) else "1"
                    mine.append((str(id or name), str(version), body))
            self._compiled[key] = compile_consents(mine, self.policy, self.directory) if mine else NOBODY
        return self._compiled[key]


_OVER = frozenset(("draft", "proposed", "rejected", "inactive", "entered-in-error"))


def _overall(decided: Sequence[Decisions], verdicts: Mapping[str, str]) -> str:
    """`not-applicable` where no consent (nor a step before them) answered for anything."""
    if not any(d.answered for d in decided):
        return "not-applicable"
    said = set(verdicts.values())
    return "partial" if len(said) > 1 else said.pop() if said else "deny"


def _patient(body: Any, directory: Directory) -> str | None:
    """Reference of whose consent it is; None where that cannot be told."""
    subject = body.get("patient") if isinstance(body, dict) else None
    if not isinstance(subject, dict):
        return None
    reference = plain(subject.get("reference"))
    if reference.startswith("Patient/"):
        return reference if directory.resolves(reference) else None
    identifier = subject.get("identifier")
    if isinstance(identifier, dict):
        matched = directory.identified(str(identifier.get("system", "")), str(identifier.get("value", "")))
        if len(matched) == 1:
            return next(iter(matched))
    return None


def _as_sent(resource: Resource, given: tuple[SecurityLabel, ...]) -> tuple[SecurityLabel, ...]:
    """Labels that are already there are kept as they are; only what nobody labelled is labelled."""
    meta = resource.get("meta")
    folded = security.fold(meta.get("security") if isinstance(meta, dict) else None)
    if folded.broken or not given:
        return ()
    if not folded.mask and folded.level is None and not folded.other:
        return given
    sent = tuple(one for one in given if one.cause == "set by the sender")
    if folded.level is not None:
        return sent
    restricted = folded.mask & ~security.UNCLASSIFIED or folded.other
    return (
        *sent,
        SecurityLabel("R" if restricted else "N", "follows from the sender's labels", security.CONFIDENTIALITY),
    )


def _consent_bodies(consents: Mapping[str, Any]) -> list[Resource]:
    return [body for body in consents.values() if isinstance(body, dict)]


def _named_teams(consents: Mapping[str, Any]) -> set[str]:
    """Care teams that a consent names as an actor: they are directory, not record."""
    found: set[str] = set()
    stack: list[Any] = [body.get("provision") for body in consents.values() if isinstance(body, dict)]
    while stack:
        at = stack.pop()
        if isinstance(at, list):
            stack.extend(at)
        elif isinstance(at, dict):
            stack.append(at.get("provision"))
            for actor in at.get("actor", []) if isinstance(at.get("actor"), list) else []:
                target = actor.get("reference") if isinstance(actor, dict) else None
                if isinstance(target, dict) and plain(target.get("reference")).startswith("CareTeam/"):
                    found.add(plain(target.get("reference")))
    return found
