"""Who and what takes part in an appointment, and what each of them answered. Sources: HL7 v2.8.2 sections 10.6.4 to 10.6.7."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import plain
from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import location, merge, practitioner
from adapters.hl7v2.reader import Segment
from hie.model import Resource

_ANSWERS = {
    "booked": "accepted", "arrived": "accepted", "fulfilled": "accepted", "checked-in": "accepted", "cancelled": "declined",
    "entered-in-error": "declined", "pending": "tentative", "waitlist": "tentative", "proposed": "needs-action",
}  # fmt: skip
"""Filler status of one resource (table 0278, as Appointment.status) -> what that participant said."""


_PEOPLE = frozenset(
    ("P", "PERSON", "PERSONNEL", "PROVIDER", "PROV", "PHYSICIAN", "DOCTOR", "DR", "MD", "NURSE", "RN", "RESIDENT", "STAFF")
)  # fmt: skip
_THINGS = frozenset(("EQ", "EQUIPMENT", "EQUIP", "DEVICE", "DEV", "MACHINE"))
"""What AIG-4 (user-defined) calls people and things."""
_SYSTEMS = frozenset(("Local", "Internal", "Epic", "Cerner", "Meditech", "System", "Resource", "Custom"))


def word(text: str) -> str:
    return text.upper().replace(" ", "").replace("-", "")


def accepted(made: Resource) -> str:
    status = made.get("status", "")
    if status == "cancelled":
        return "declined"
    return "accepted" if status in ("booked", "arrived", "fulfilled", "checked-in") else "needs-action"


def answer(d: Draft, s: Segment, n: int, made: Resource) -> str:
    """AIG-14, AIL-12, AIP-12: the status of one resource, else that of the appointment."""
    sent = word(d.first(s.get(n)))
    if not sent:
        return accepted(made)
    if sent in ("ACCEPTED", "DECLINED", "TENTATIVE"):
        return sent.lower()
    found = d.coded("0278", sent)
    said = _ANSWERS.get(found[1]) if found is not None else None
    if said is None:
        d.lose(s, n)
    return said or accepted(made)


def person(made: Resource, who: dict[str, Any], role: dict[str, Any] | None, status: str) -> None:
    one: dict[str, Any] = {**({"type": [role]} if role else {}), "actor": who, "status": status}
    if one not in made["participant"]:
        made["participant"].append(one)


def contact(d: Draft, s: Segment, made: Resource, n: int, role: str, phone: int, address: int) -> None:
    """Those to call about it or who entered it, with their phone and address: of the first, where several are named."""
    first: Resource | None = None
    for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
        if who := practitioner(d, s, n, part, rep):
            kind = {"coding": [{"system": THO + "v3-ParticipationType", "code": role}]}
            person(made, who, kind, "needs-action")
            first = first or d.resources.get(who.get("reference", ""))
    for at, key in ((phone, "telecom"), (address, "address")):
        if not at or not s.get(at):
            continue
        if first is None:
            d.lose(s, at)
            continue
        found = telecoms(d, s, at, s.get(at), "work") if key == "telecom" else addresses(d, s, at, s.get(at))
        for one in found:
            merge(first.setdefault(key, []), one)


def actor(d: Draft, s: Segment, part: str, rep: int) -> dict[str, Any] | None:
    if s.name == "AIL":
        return location(d, s, 3, part, rep)
    if s.name == "AIP" or _is_person(d, s, part):
        return practitioner(d, s, 3, part, rep)
    parts = [*d.parts(part), "", "", "", ""]
    shown = plain(d, part)
    made: dict[str, Any] = {
        **({"type": "Device"} if _kinds(d, s) & _THINGS else {}),
        **({"display": shown} if shown else {}),
    }
    if (code := d.first(part)) and (code != shown or d.text(parts[2])):
        system = d.text(parts[2])
        made["identifier"] = {**({"system": d.system(system)} if system else {}), "value": code}
    if d.text(parts[3]) or d.text(parts[4]):
        return _device(d, s, [d.text(p) for p in parts], rep)
    d.rest(s, 3, rep, parts, 3)
    return made if "display" in made or "identifier" in made else None


def _device(d: Draft, s: Segment, parts: list[str], rep: int) -> dict[str, Any]:
    """A resource under two numbers, the sender's and another system's."""
    parts += [""] * (6 - len(parts))
    made = d.add("Device", d.scope, *parts[:6])
    for code, shown, system in (parts[:3], parts[3:6]):
        if code:
            merge(
                made.setdefault("identifier", []), {**({"system": d.system(system)} if system else {}), "value": code}
            )
        if shown:
            merge(made.setdefault("deviceName", []), {"name": shown, "type": "user-friendly-name"})
    d.rest(s, 3, rep, parts, 6)
    d.source(s, made)
    return d.ref(made)


def _is_person(d: Draft, s: Segment, part: str) -> bool:
    """Some systems name their providers in AIG: the type says so, or the third component is a given name, not a system."""
    words = _kinds(d, s)
    if words & (_PEOPLE | _THINGS):
        return bool(words & _PEOPLE)
    parts = [*(d.text(p) for p in d.parts(part)), "", "", ""]
    if not (parts[1] and parts[2]):
        return False
    if any(parts[5:]) and not any(parts[3:5]):
        return True  # title, degree or authority of an XCN; no second code
    family, given = (parts[at].replace("-", "").replace("'", "") for at in (1, 2))
    named = family.isalpha() and given.isalpha() and parts[2].istitle() and len(given) > 1
    return named and parts[2] not in _SYSTEMS and d.system(parts[2]).startswith("urn:hie:system:")


def _kinds(d: Draft, s: Segment) -> set[str]:
    return {d.text(p).upper() for p in d.parts(s.get(4).partition(d.message.repetition)[0])}
