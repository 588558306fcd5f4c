"""The contained Medication: what a code alone does not say of a drug (form, strength, package, batch, maker, parts).

It is contained because nobody knows it by a number. Sources: HL7 v2.8.2 sections 4.14.1 to 4.14.7; FHIR R4 Medication.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, unit
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

ID = "drug"


def held(made: Resource) -> dict[str, Any] | None:
    """The contained Medication, if there is one."""
    return next((c for c in made.get("contained", ()) if c["id"] == ID), None)


def drug_of(made: Resource) -> dict[str, Any]:
    """The contained Medication, made from the plain code where it is not there yet."""
    found = held(made)
    if found is None:
        code = made.pop("medicationCodeableConcept", {})
        found = {"resourceType": "Medication", "id": ID}
        if "coding" in code or "text" in code:
            found["code"] = code
        made.setdefault("contained", []).insert(0, found)
        made["medicationReference"] = {"reference": "#" + ID}
    return found


def named(d: Draft, s: Segment, n: int, made: Resource) -> None:
    """The drug by its code; a second statement of it (the pharmacy's after the order's) adds its codes and words."""
    raw = s.get(n).partition(d.message.repetition)[0]
    found = concept(d, s, n, raw) if raw else None
    if found is not None and d.message.component not in raw and " " in raw:
        found = {"text": d.text(raw)}  # a name typed where the code belongs
    inner = held(made)
    before = inner.get("code") if inner is not None else made.get("medicationCodeableConcept")
    if before is not None and "extension" in before:
        before = None
    if found is not None and before is not None:
        _also(before, found)
    elif found is not None and inner is not None:
        inner["code"] = found
    elif found is not None:
        made["medicationCodeableConcept"] = found
    elif before is None and inner is None:
        made["medicationCodeableConcept"] = d.nobody()
    for rep, part in d.repeats(s.get(n)) if d.message.repetition in s.get(n) else ():
        if rep > 1:
            _more(d, s, n, part, rep, made)


def supplementary(d: Draft, s: Segment, n: int, made: Resource) -> None:
    """Further codes of the drug: RXE-31, RXD-25, RXO-24."""
    for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
        _more(d, s, n, part, rep, made)


def _more(d: Draft, s: Segment, n: int, part: str, rep: int, made: Resource) -> None:
    found = concept(d, s, n, part, rep)
    if found is None:
        return
    if "text" in found:  # words of a further field are no name of the drug, which has its own
        del found["text"]
        d.lose(s, n, rep)
        if not found:
            return
    inner = held(made)
    code = inner.setdefault("code", {}) if inner is not None else made.setdefault("medicationCodeableConcept", {})
    if "extension" in code:
        del code["extension"]
    _also(code, found)


def _also(code: dict[str, Any], found: dict[str, Any]) -> None:
    for one in found.get("coding", ()):
        if one not in code.setdefault("coding", []):
            code["coding"].append(one)
    if "text" in found and code.setdefault("text", found["text"]) != found["text"]:
        words = {"display": found["text"]}
        if words not in code.setdefault("coding", []):
            code["coding"].append(words)


def form_of(d: Draft, s: Segment, n: int, made: Resource) -> None:
    form = concept(d, s, n, s.get(n)) if s.get(n) else None
    if form is None:
        return
    known = drug_of(made).setdefault("form", form)
    if known is form or known == form:
        return
    if _words(known) & _words(form):  # the same form in another system's code
        _also(known, form)
    else:
        d.lose(s, n)


def _words(code: dict[str, Any]) -> set[str]:
    found = {str(c[key]).lower() for c in code.get("coding", ()) for key in ("code", "display") if key in c}
    return found | ({code["text"].lower()} if "text" in code else set())


def amount_of(d: Draft, s: Segment, n: int, unit_field: int) -> dict[str, Any] | None:
    """A number with the unit of another field -> Quantity; both are listed where the number is none."""
    value = number(d.first(s.get(n))) if s.get(n) else None
    if value is None:
        for one in (n, unit_field):
            if one and s.get(one):
                d.lose(s, one)
        return None
    made: dict[str, Any] = {"value": value}
    if unit_field and s.get(unit_field):
        unit(d, s, unit_field, s.get(unit_field), made)
    return made


def strength(
    d: Draft, s: Segment, n: int, unit_field: int, made: Resource, volume: int = 0, volume_unit: int = 0
) -> None:
    """How much of the drug is in one of its form, or in the volume that the sender names (250 mg in 5 mL)."""
    per = amount_of(d, s, volume, volume_unit) if volume and (s.get(volume) or s.get(volume_unit)) else None
    if not (s.get(n) or s.get(unit_field)):
        if per is not None:
            for one in (volume, volume_unit):
                if s.get(one):
                    d.lose(s, one)
        return
    amount = amount_of(d, s, n, unit_field)
    if amount is None:
        return
    drug = drug_of(made)
    ratio = {"numerator": amount, "denominator": per or {"value": 1}}
    parts = drug.setdefault("ingredient", [])
    item = drug["code"] if "code" in drug else d.nobody()
    own = next((p for p in parts if p["itemCodeableConcept"].get("coding") == item.get("coding")), None)
    if own is None:
        parts.append({"itemCodeableConcept": dict(item), "strength": ratio})
    elif own.setdefault("strength", ratio) != ratio:
        for one in (n, unit_field, volume, volume_unit):
            if one and s.get(one):
                d.lose(s, one)


def package(d: Draft, s: Segment, n: int, unit_field: int, made: Resource) -> None:
    """The size of the package dispensed."""
    if (s.get(n) or s.get(unit_field)) and (amount := amount_of(d, s, n, unit_field)):
        drug_of(made)["amount"] = {"numerator": amount, "denominator": {"value": 1}}


def batch(d: Draft, s: Segment, lot: int, expiry: int, made: Resource) -> None:
    for rep, part in d.repeats(s.get(lot)) if s.get(lot) else ():
        if rep > 1:
            d.lose(s, lot, rep)
        elif text := d.text(part):
            drug_of(made).setdefault("batch", {})["lotNumber"] = text
    for rep, part in d.repeats(s.get(expiry)) if s.get(expiry) else ():
        span: dict[str, Any] = {}
        if rep > 1:
            d.lose(s, expiry, rep)
        elif put_time(d, s, expiry, part, span, "expirationDate"):
            drug_of(made).setdefault("batch", {}).update(span)


def maker(d: Draft, s: Segment, n: int, made: Resource) -> None:
    for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
        found = None if rep > 1 else manufacturer(d, s, part)
        if found is None:
            d.lose(s, n, rep)
        else:
            drug_of(made)["manufacturer"] = found


def manufacturer(d: Draft, s: Segment, raw: str) -> dict[str, Any] | None:
    """A CWE that names who made it -> Reference(Organization)."""
    parts = [d.text(p) for p in d.parts(raw)] + ["", "", ""]
    code, name, system = parts[:3]
    if not (code or name):
        return None
    identifier = {"value": code, **({"system": d.system(system)} if system else {})}
    if not name:
        return {"type": "Organization", "identifier": identifier}
    resource = d.add("Organization", d.system(system) if system else d.scope, code or name)
    resource["name"] = name
    if code:
        resource["identifier"] = [identifier]
    d.source(s, resource)
    return d.ref(resource)


def rxc(d: Draft, s: Segment) -> None:
    """A component of a mixture: an ingredient of the contained Medication."""
    target = d.now.get("medication")
    if target is None:
        fill(d, s)
        for n in (1, 2, 3, 4, 5, 6, 7, 8, 9):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.owner or d.now.get("patient"))
        return
    d.source(s, target)
    item = (concept(d, s, 2, s.get(2)) if s.get(2) else None) or d.nobody()
    for rep, part in d.repeats(s.get(7)) if s.get(7) else ():
        if other := concept(d, s, 7, part, rep):
            item.pop("extension", None)
            _also(item, other)
    entry: dict[str, Any] = {"itemCodeableConcept": item}
    if (kind := d.first(s.get(1)).upper()) in ("A", "B"):
        entry["isActive"] = kind == "A"
    elif kind:
        d.lose(s, 1)
    amount = amount_of(d, s, 3, 4) if s.get(3) or s.get(4) else None
    own = amount_of(d, s, 5, 6) if s.get(5) or s.get(6) else None
    if amount is None:
        amount, own = own, None
        per = amount_of(d, s, 8, 9) if s.get(8) or s.get(9) else None
    else:
        per = None
        for n in (
            (5, 6) if own not in (None, amount) else ()
        ):  # what is in the mixture counts, not what came in the vial
            if s.get(n):
                d.lose(s, n)
        for n in (8, 9):
            if s.get(n):
                d.lose(s, n)
    if amount is not None:
        entry["strength"] = {"numerator": amount, "denominator": per or {"value": 1}}
    elif per is not None:
        d.lose(s, 8)
    parts = drug_of(target).setdefault("ingredient", [])
    if entry not in parts:  # RXO and RXE both list the same parts
        parts.append(entry)
    fill(d, s, target)
