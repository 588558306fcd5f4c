"""RXD -> MedicationDispense. Sources: HL7 v2.8.2 section 4.14.5 (RXD); FHIR R4 MedicationDispense."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import drug, timing
from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import telecoms, xad
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.dose import highest, texts
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.drug import amount_of
from adapters.hl7v2.orders import common
from adapters.hl7v2.parties import location, practitioner
from adapters.hl7v2.pharmacy import ordered_by, prescription, start
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time, time_of
from hie.model import Resource

_SUBSTITUTED = {
    "N": False,
    "G": True,
    "T": True,
    "1": False,
    "2": False,
    "4": False,
    "5": False,
    "7": False,
    "8": False,
}
"""Table 0167: whether something else than what was prescribed went out; 0, 3 and 6 do not say."""


def rxd(d: Draft, s: Segment) -> None:
    asked = ordered_by(d)
    made, orc = start(d, s, "MedicationDispense", d.first(s.get(2)), (0, 0))
    if asked is not None:
        made["authorizingPrescription"] = [d.ref(asked)]
        d.now["carried-out"] = asked
    made["status"] = _status(d, s)
    drug.named(d, s, 2, made)
    if d.patient:
        made["subject"] = dict(d.patient)
    if (encounter := d.now.get("encounter")) is not None:
        made["context"] = d.ref(encounter)
    if orc is not None:
        common(d, orc, made)
    if s.get(3):
        put_time(d, s, 3, s.get(3), made, "whenHandedOver")
    if (s.get(4) or s.get(5)) and (amount := amount_of(d, s, 4, 5)):
        made["quantity"] = amount
    drug.form_of(d, s, 6, made)
    prescription(d, s, 7, made)
    if text := "\n".join(t for p in s.get(9).split(d.message.repetition) if (t := readable(d, p))):
        made["note"] = [{"text": text}]
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append({"actor": who})
    _substituted(d, s, made)
    slot: dict[str, Any] = {}
    highest(d, s, 12, slot)
    texts(d, s, (15,), slot)
    if slot:
        made.setdefault("dosageInstruction", [{}])[0].update(slot)
    _places(d, s, made)
    drug.strength(d, s, 16, 17, made, 28, 29)
    drug.batch(d, s, 18, 19, made)
    drug.maker(d, s, 20, made)
    drug.package(d, s, 22, 23, made)
    drug.supplementary(d, s, 25, made)
    if (raw := s.get(33)) and (kind := concept(d, s, 33, raw, 0, "0484")):
        made["type"] = kind
    timing.waiting(d, made)
    fill(d, s, made)


def _status(d: Draft, s: Segment) -> str:
    """From ORC-5, else from what ORC-1 takes back; else RXD-3 names when it was dispensed, so it was."""
    orc = d.now.get("rx-orc")
    for n, table in ((5, "0038d"), (1, "0119d")):
        if orc is not None and (found := d.coded(table, d.first(orc.get(n)))):
            return found[1]
    return "completed" if s.get(3) and time_of(d, s.get(3)).value else "unknown"


def _substituted(d: Draft, s: Segment, made: Resource) -> None:
    sent = d.first(s.get(11)).upper()
    if not sent:
        return
    if len(sent) > 1 or sent not in "NGT012345678":
        d.lose(s, 11)
        return
    known = _SUBSTITUTED.get(sent)
    kind = {"coding": [{"system": THO + "v2-0167", "code": sent}]}
    made["substitution"] = {
        **({"wasSubstituted": known} if known is not None else {"_wasSubstituted": d.nobody()}),
        "type": kind,
    }


def _places(d: Draft, s: Segment, made: Resource) -> None:
    """RXD-13 where it goes to; RXD-30, 31, 34 the pharmacy it goes to; RXD-27 where it was packed."""
    if (raw := s.get(13)) and (place := location(d, s, 13, d.message.component.join(d.parts(raw)[:8]))):
        made["destination"] = place
        d.rest(s, 13, 0, d.parts(raw.partition(d.message.repetition)[0]), 8)
    if raw := s.get(30):
        name = concept(d, s, 30, raw.partition(d.message.repetition)[0]) or {}
        words = name.get("text") or next((c.get("display") or c.get("code") for c in name.get("coding", ())), "")
        if words and "destination" not in made:
            shop = d.add("Location", d.scope, "pharmacy", d.first(raw) or words)
            shop["name"] = words
            if (code := d.first(raw)) and code != words:
                shop["identifier"] = [{"value": code}]
            if s.get(31) and (address := xad(d, s, 31, s.get(31).partition(d.message.repetition)[0])):
                shop["address"] = address
            if s.get(34) and (points := telecoms(d, s, 34, s.get(34), "work")):
                shop["telecom"] = points
            made["destination"] = d.ref(shop)
            d.source(s, shop)
        else:
            d.lose(s, 30)
    if "destination" not in made or not s.get(30):
        for n in (31, 34):
            if s.get(n):
                d.lose(s, n)
    if (raw := s.get(27)) and (place := location(d, s, 27, d.message.component.join(d.parts(raw)[:8]))):
        made["location"] = place
