"""Facts of medications, supplies and vaccinations."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fidelity.ccda_conditions import related
from tests.fidelity.ccda_parts import Maker
from tests.fidelity.ccda_sections import DONE, MEDICATION, PLANNED, T
from tests.fidelity.document import XSI, Element, child, children, words
from tests.fidelity.fact import Fact


def drug(statement: Element, m: Maker, places: str) -> Iterator[Fact]:
    for product in ("consumable", "product"):
        material = child(statement, product, "manufacturedProduct", "manufacturedMaterial")
        if material is None:
            material = child(statement, product, "manufacturedProduct", "manufacturedLabeledDrug")
        yield from m.code(child(material, "code"), "code", places)
        expiry = child(material, "expirationTime")
        yield from m.time(expiry, "date", "Immunization.expirationDate *.medication *.batch Medication.")
        lot = child(material, "lotNumberText")
        if lot is not None and words(lot):
            yield from m.one(
                lot, "lot", (words(lot),), "Immunization.lotNumber *.medication *.batch Medication.", form="text"
            )
        yield from m.name(
            child(statement, product, "manufacturedProduct", "manufacturerOrganization"),
            "Immunization.manufacturer *.medication Medication.",
        )


def medication(statement: Element, m: Maker, part: str) -> Iterator[Fact]:
    yield from m.identifier(statement, MEDICATION)
    yield from drug(statement, m, "*.medication Medication.code Immunization.vaccineCode")
    planned = statement.get("moodCode") in PLANNED
    dosage = "*.dosage"
    if statement.get("negationInd") == "true":
        yield from m.one(
            statement,
            "negation",
            ("not-taken", "not-done", "true"),
            "MedicationStatement.status MedicationAdministration.status MedicationRequest.doNotPerform MedicationRequest.status",
            form="code",
        )
    elif not planned:
        yield from m.status(statement, DONE, "*.status")
    for time in children(statement, "effectiveTime"):
        kind = (time.get(XSI) or "").split(":")[-1]
        if kind in ("PIVL_TS", "PIVL"):
            period = child(time, "period")
            if period is not None and not period.get("nullFlavor"):
                for each in (
                    x for x in (period, child(period, "low"), child(period, "high")) if x is not None and x.get("value")
                ):
                    yield from m.one(
                        each, "frequency", (each.get("value"),), dosage, "period periodMax frequency code", "number"
                    )
        elif kind in ("EIVL_TS", "EIVL"):
            event = child(time, "event")
            if event is not None and event.get("code"):
                yield from m.one(event, "frequency", (event.get("code"),), dosage, form="code")
            offset = child(time, "offset", "low")
            if offset is not None and offset.get("unit") == "min":
                yield from m.one(
                    offset, "frequency", (offset.get("value", "").lstrip("-"),), dosage, "offset", "number"
                )
        else:
            bounds = "*.effective *.dosage *.authoredOn *.occurrence *.dispenseRequest"
            yield from m.time(time, "date", bounds)
    yield from m.quantity(child(statement, "doseQuantity"), "dose", dosage + " Immunization.doseQuantity")
    yield from m.quantity(child(statement, "rateQuantity"), "rate", dosage)
    maximum = child(statement, "maxDoseQuantity")
    yield from m.quantity(maximum, "maximum", dosage)
    yield from m.code(child(statement, "routeCode"), "route", dosage)
    for site in children(statement, "approachSiteCode"):
        yield from m.code(site, "site", dosage)
    for each in children(statement, "precondition"):
        value = child(each, "criterion", "value")
        yield from m.code(value, "prn", dosage)
    for each in related(statement, T + "19"):
        yield from m.code(child(each, "value"), "indication", "*.reasonCode *.reasonReference Condition.code")
    for each in related(statement, T + "20"):
        text = m.narrative.of(child(each, "text"))
        if text:
            yield from m.one(each, "instructions", (text[:200],), "*.dosage *.note", form="has")


def supply(statement: Element, m: Maker) -> Iterator[Fact]:
    places = "MedicationRequest. MedicationDispense. SupplyDelivery. SupplyRequest. DeviceRequest. DeviceUseStatement. Device."
    yield from m.identifier(statement, places)
    yield from drug(
        statement,
        m,
        "*.medication Medication.code SupplyDelivery. DeviceRequest. SupplyRequest. DeviceUseStatement. Device.",
    )
    amount = child(statement, "quantity")
    if not (m.part == "equipment" and amount is not None and amount.get("value") == "1"):  # one use of a device is one
        yield from m.quantity(amount, "quantity", places)
    repeat = child(statement, "repeatNumber")
    if repeat is not None and (repeat.get("value") or "").isdigit():
        refills = (repeat.get("value"), str(max(int(repeat.get("value")) - 1, 0)))
        yield from m.one(repeat, "quantity", refills, places, form="text")


def vaccine(statement: Element, m: Maker) -> Iterator[Fact]:
    if statement.get("moodCode") in PLANNED:
        yield from planned_drug(statement, m)
        return
    yield from m.identifier(statement, "Immunization.identifier")
    yield from drug(statement, m, "Immunization.vaccineCode")
    if statement.get("negationInd") == "true":
        yield from m.one(statement, "negation", ("not-done",), "Immunization.status", form="code")
    else:
        yield from m.status(statement, DONE, "Immunization.status")
    for time in children(statement, "effectiveTime"):
        yield from m.time(time, "date", "Immunization.occurrence")
    yield from m.quantity(child(statement, "doseQuantity"), "dose", "Immunization.doseQuantity")
    yield from m.code(child(statement, "routeCode"), "route", "Immunization.route")
    for site in children(statement, "approachSiteCode"):
        yield from m.code(site, "site", "Immunization.site")
    number = child(statement, "repeatNumber")
    if number is not None and (number.get("value") or "").isdigit() and not number.get("nullFlavor"):
        yield from m.one(number, "dose number", (number.get("value"),), "Immunization.protocolApplied", form="number")
    for each in related(statement, T + "19"):
        yield from m.code(child(each, "value"), "indication", "Immunization.reasonCode Immunization.reasonReference")
    for each in related(statement, T + "53"):
        yield from m.code(child(each, "code"), "reason", "Immunization.statusReason")
    for each in related(statement, T + "9"):
        yield from m.code(
            child(each, "value"),
            "reaction",
            "Immunization.reaction AllergyIntolerance. Observation.value Condition.code",
        )
    yield from m.people(statement, "Immunization.performer")


def planned_drug(statement: Element, m: Maker) -> Iterator[Fact]:
    yield from drug(statement, m, "MedicationRequest. ImmunizationRecommendation. Medication. ServiceRequest.")
