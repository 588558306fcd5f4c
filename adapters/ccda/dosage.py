"""Dose, route, site, rate, limits, sig and instructions of an administration -> Dosage.

Sources: C-CDA R2.1 Medication Activity, Precondition for Substance Administration, Instruction, Medication Free Text Sig;
FHIR R4 Dosage.
"""

from __future__ import annotations

from adapters.ccda.coded import code_of, codes_of, concept, first_text
from adapters.ccda.draft import Draft, put
from adapters.ccda.narrative import text_of
from adapters.ccda.quantities import dose, ratio
from adapters.ccda.statement import settled, take
from adapters.ccda.timing import Schedule
from adapters.ccda.tree import Node
from hie.model import Resource

_INSTRUCTIONS = frozenset({"PINSTRUCT", "FINSTRUCT"})
"""IHE codes that say no more than that this is an instruction."""
_IHE_PATIENT = "1.3.6.1.4.1.19376.1.5.3.1.4.3"
_SNOMED = "2.16.840.1.113883.6.96"


def dosages(d: Draft, node: Node, times: Schedule, bounds: bool = False) -> list[Resource]:
    """The Dosage of an administration, repeated where it has several independent schedules. `bounds`: the interval
    belongs to the timing (requests); else the caller carries it."""
    made: Resource = {}
    _text(d, made, node)
    _needed(d, made, node)
    put(made, site=concept(d, node.kid("approachSiteCode")), route=concept(d, node.kid("routeCode")))
    put(made, method=_method(d, node))
    if amounts := _amounts(d, node):
        made["doseAndRate"] = [amounts]
    maximum = node.kid("maxDoseQuantity")
    if maximum is not None and (limit := ratio(d, maximum, half=True)):
        made["maxDosePerPeriod"] = limit
    timings = [dict(each) for each in times.timings]
    if bounds and times.bounds:
        timings = timings or [{}]
        for each in timings:
            each["repeat"] = {"boundsPeriod": times.bounds, **each.get("repeat", {})}
    elif times.duration:
        timings = timings or [{}]
        for each in timings:
            each["repeat"] = {"boundsDuration": times.duration, **each.get("repeat", {})}
    if times.points:
        timings = timings or [{}]
        timings[0] = {"event": [value for value, _ in times.points], **timings[0]}
    if not timings:
        return [made] if made else []
    return [_ordered(made, each) for each in timings]


def _ordered(made: Resource, timing: Resource) -> Resource:
    head: Resource = {key: made[key] for key in ("text", "additionalInstruction", "patientInstruction") if key in made}
    return {**head, "timing": timing, **{k: v for k, v in made.items() if k not in head}}


def _text(d: Draft, made: Resource, node: Node) -> None:
    """The sig: the free text sig entry, else the text of the entry itself; instructions for the patient."""
    sig = ""
    for inner in take(node, "147", codes=("76662-6",)):
        settled(inner)
        sig = text_of(d, inner.kid("text")) or sig
        if (product := inner.down("consumable", "manufacturedProduct", "manufacturedLabeledDrug")) is not None:
            product.used = True
    if not sig and (own := node.kid("text")) is not None:
        sig = text_of(d, own)
        if len(sig) > 1000:
            sig = ""
    put(made, text=sig)
    said: list[str] = []
    for inner in take(node, "20", "2.16.840.1.113883.10.20.1.49", _IHE_PATIENT, codes=("PINSTRUCT",)):
        settled(inner)
        code = inner.kid("code")
        shown = concept(d, code)
        text = text_of(d, inner.kid("text")) or (
            text_of(d, inner.kid("value")) if inner.kid("value") is not None else ""
        )
        if text:
            said.append(text)
        if shown and not codes_of(code) <= _INSTRUCTIONS and shown.get("coding"):
            made.setdefault("additionalInstruction", []).append(shown)
    if said:
        made["patientInstruction"] = "\n".join(dict.fromkeys(said))


def _needed(d: Draft, made: Resource, node: Node) -> None:
    """A precondition makes it "as needed"; its value or code is what for."""
    for link in node.all("precondition"):
        criterion = link.kid("criterion")
        if criterion is None:
            continue
        link.used = criterion.used = True
        value, code = criterion.kid("value"), criterion.kid("code")
        shown = concept(d, value)
        if shown is None and value is not None and (said := text_of(d, value)):
            shown = {"text": said}
        if (code_of(code) in ("ASSERTION", "") or shown) and code is not None:
            code.used = True
        if shown is None and code_of(code) != "ASSERTION":
            shown = concept(d, code)
        text = text_of(d, criterion.kid("text"))
        if shown is None and text:
            shown = {"text": text}
        elif shown and text and "text" not in shown:
            shown = {**shown, "text": text}
        if shown:
            made.pop("asNeededBoolean", None)
            if "asNeededCodeableConcept" not in made:
                made["asNeededCodeableConcept"] = shown
            else:
                present = made["asNeededCodeableConcept"]
                present["coding"] = present.get("coding", []) + shown.get("coding", [])
                both = [t for t in (first_text(present), first_text(shown)) if t]
                put(present, text="; ".join(dict.fromkeys(both)))
                if not present["coding"]:
                    del present["coding"]
        elif "asNeededCodeableConcept" not in made:
            made["asNeededBoolean"] = True


def _method(d: Draft, node: Node) -> Resource | None:
    """The technique of giving it, where the code of the administration names one; other codes sort it (see medication)."""
    code = node.kid("code")
    return concept(d, code) if code is not None and code.get("codeSystem") == _SNOMED else None


def _amounts(d: Draft, node: Node) -> Resource:
    made: Resource = {}
    amount = node.kid("doseQuantity")
    found = dose(d, amount)
    if found:
        kind, value = found
        _unit(d, value, node)
        made[f"dose{kind}"] = value
    rate = node.kid("rateQuantity")
    if (pace := dose(d, rate)) is not None:
        made[f"rate{pace[0]}"] = pace[1]
    return made


def _unit(d: Draft, value: Resource, node: Node) -> None:
    """A dose without a unit counts what administrationUnitCode names: 2 (tablets)."""
    code = node.kid("administrationUnitCode")
    if code is None or code.used:
        return
    shown = concept(d, code)
    if not shown:
        return
    carried = False
    for each in (value.get("low"), value.get("high"), value) if "value" not in value else (value,):
        if each is None or "value" not in each:
            continue
        if "unit" in each:
            carried = carried or each.get("code") == code_of(code)
            continue
        carried = True
        each["unit"] = first_text(shown) or shown["coding"][0]["code"]
        if "coding" in shown and "system" in shown["coding"][0]:
            each["system"] = shown["coding"][0]["system"]
            each["code"] = shown["coding"][0]["code"]
    if not carried:
        for part in code.walk():
            part.used = False
