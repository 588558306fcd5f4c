"""Facts of the data types of C-CDA: codes, times, quantities, names, identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fidelity.compare import readable_time
from tests.fidelity.document import XSI, Element, Narrative, address, child, children, words
from tests.fidelity.fact import Fact

# registers whose name is all that an identifier without a number says
URIS = {
    "2.16.840.1.113883.4.6": ("http://hl7.org/fhir/sid/us-npi",),
    "2.16.840.1.113883.4.1": ("http://hl7.org/fhir/sid/us-ssn",),
}


class Maker:
    """Makes the facts of one statement: where they stand, to which part of the document they belong, what may hold them."""

    def __init__(self, part: str, statement: Element, narrative: Narrative, strict: bool = True) -> None:
        self.part = part
        self.scope = address(statement)
        self.narrative = narrative
        self.strict = strict

    def one(
        self, element: Element, kind: str, accept: tuple[str, ...], places: str, ends: str = "", form: str = "text"
    ) -> Iterator[Fact]:
        accept = tuple(each for each in accept if each and each.strip())
        if accept:
            yield Fact(
                address(element),
                self.part,
                kind,
                accept,
                tuple(places.split()),
                tuple(ends.split()),
                form,
                self.scope,
                self.strict,
            )

    def code(self, element: Element | None, kind: str, places: str, text: bool = True) -> Iterator[Fact]:
        """A code with its translations; its display or text only where there is no code."""
        if element is None:
            return
        coded = False
        for each in [element, *children(element, "translation")]:
            code = each.get("code")
            if code and not each.get("nullFlavor"):
                coded = True
                yield from self.one(each, kind, (code.strip(),), places, "code value", "code")
        if text:
            original = self.narrative.of(child(element, "originalText"))
            display = element.get("displayName") or ""
            if not coded and (original or display):
                yield from self.one(
                    element, kind, (original, display), places, "text display value valueString name description", "has"
                )
            elif original and len(original) < 200:
                yield from self.one(
                    element,
                    "text",
                    (original, display),
                    places,
                    "text display value valueString name description",
                    "has",
                )

    def time(self, element: Element | None, kind: str, low: str, high: str = "") -> Iterator[Fact]:
        """A point in time, or the bounds of an interval."""
        if element is None:
            return
        for each, places in (
            (element, low),
            (child(element, "low"), low),
            (child(element, "center"), low),
            (child(element, "high"), high or low),
        ):
            if (
                each is not None
                and each.get("value")
                and not each.get("nullFlavor")
                and readable_time(each.get("value"))
            ):
                yield from self.one(each, kind, (each.get("value").strip(),), places, form="time")

    def quantity(self, element: Element | None, kind: str, places: str) -> Iterator[Fact]:
        """A number with its unit, or bounds of them."""
        if element is None:
            return
        for each in (
            element,
            child(element, "low"),
            child(element, "high"),
            child(element, "center"),
            child(element, "numerator"),
            child(element, "denominator"),
        ):
            if each is None or each.get("nullFlavor"):
                continue
            if each.get("value"):
                form = "number" if re.fullmatch(r"\s*[+-]?[\d.]+([eE][+-]?\d+)?\s*", each.get("value")) else "has"
                yield from self.one(each, kind, (each.get("value"),), places, form=form)
            unit = each.get("unit")
            if unit and unit != "1":
                yield from self.one(
                    each, "unit", (unit, unit.strip("{}[]")), places, "unit code text value valueString", "code"
                )

    def identifier(self, element: Element, places: str) -> Iterator[Fact]:
        for each in children(element, "id"):
            if each.get("nullFlavor") or not each.get("root"):
                continue
            value = each.get("extension") or each.get("root")
            yield from self.one(
                each,
                "identifier",
                (value, f"urn:oid:{value}", f"urn:uuid:{value.lower()}", *URIS.get(value, ())),
                places,
                "value system",
                "text",
            )

    def name(self, element: Element | None, places: str) -> Iterator[Fact]:
        """Each name's parts, or its text."""
        for each in children(element, "name"):
            if each.get("nullFlavor"):
                continue
            parts = [x for x in each if words(x)]
            for part in parts:
                yield from self.one(
                    part, "name", (words(part),), places, "family given prefix suffix text name display", "has"
                )
            if not parts:
                yield from self.one(each, "name", (words(each),), places, "text name display family", "has")

    def contact(self, element: Element | None, places: str) -> Iterator[Fact]:
        for each in children(element, "addr"):
            for part in each:
                if words(part) and not part.get("nullFlavor"):
                    yield from self.one(
                        part,
                        "address",
                        (words(part),),
                        places,
                        "line city state postalCode country district text",
                        "has",
                    )
        for each in children(element, "telecom"):
            value = (each.get("value") or "").strip()
            bare = re.sub(r"^(tel|mailto|email|fax|http|https):", "", value, flags=re.I)
            if bare and not each.get("nullFlavor"):
                yield from self.one(each, "telecom", (value, bare), places, "value url endpoint", "digits")

    def value(self, element: Element, places: str) -> Iterator[Fact]:
        """An observation's value by its type."""
        kind = (element.get(XSI) or "").split(":")[-1]
        if element.get("nullFlavor") and kind not in ("CD", "CE", "CO"):
            return
        if kind in ("CD", "CE", "CV", "CO", "CS", "SC"):
            yield from self.code(element, "value", places)
        elif kind in ("PQ", "IVL_PQ", "REAL", "INT", "MO", "RTO", "RTO_PQ_PQ", "IVL_INT", "IVL_REAL"):
            yield from self.quantity(element, "value", places)
        elif kind in ("TS", "IVL_TS"):
            yield from self.time(element, "value", places)
        elif kind == "BL":
            yield from self.one(element, "value", (element.get("value", ""),), places)
        elif kind in ("ST", "ED", ""):
            text = self.narrative.of(element)
            yield from self.one(element, "value", (text[:120], element.get("value", "")), places, form="letters")

    def status(self, statement: Element, meanings: dict[str, tuple[str, ...]], places: str) -> Iterator[Fact]:
        code = child(statement, "statusCode")
        if statement.get("negationInd") == "true":
            return  # what was not done has another status than the act of saying so
        if code is not None and code.get("code") in meanings:
            yield from self.one(code, "status", meanings[code.get("code")], places, form="code")

    def people(self, statement: Element, places: str) -> Iterator[Fact]:
        """Those who did it: names of persons, or of the organisation where no person is named."""
        for role in ("performer",):
            for each in children(statement, role):
                entity = child(each, "assignedEntity")
                person = child(entity, "assignedPerson")
                named = list(self.name(person, places))
                yield from named
                if not named:
                    yield from self.name(child(entity, "representedOrganization"), places)
