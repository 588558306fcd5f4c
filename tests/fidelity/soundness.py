"""What must not be in the output: invalid resources, references to nothing, resources without content, values nobody sent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from tests.fidelity.compare import plain

Resource = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
# resource types of R4B that R4 (4.0.1) does not know
NOT_R4 = {
    "AdministrableProductDefinition", "Citation", "ClinicalUseDefinition", "EvidenceReport", "Ingredient", "ManufacturedItemDefinition",
    "MedicinalProductDefinition", "NutritionProduct", "PackagedProductDefinition", "RegulatedAuthorization", "SubscriptionStatus", "SubscriptionTopic",
}  # fmt: skip
# elements that say who or whose, not what
IDENTITY = {
    "resourceType",
    "id",
    "meta",
    "text",
    "status",
    "intent",
    "subject",
    "patient",
    "beneficiary",
    "encounter",
    "identifier",
    "language",
}
# for these an identifier is the content: it is how a receiver finds the person or the body
NAMED = {
    "Patient",
    "Practitioner",
    "Organization",
    "RelatedPerson",
    "Device",
    "Location",
    "Account",
    "Encounter",
    "PractitionerRole",
}
# elements whose values are codes of FHIR itself, bound to a required value set
BOUND = {
    "status", "intent", "use", "gender", "priority", "docStatus", "mode", "comparator", "criticality", "severity", "durationUnit", "periodUnit", "when",
    "dayOfWeek", "contentType", "days", "relationship", "valueCode", "hash", "size", "resourceType", "type", "category", "role", "lifecycleStatus",
    "language", "code",
}  # fmt: skip
# statements of absence and names of categories that the implementation guides prescribe for what has none of its own
# the codes for a comment, for a place as an answer, and the unit of PV2-11 are named by the v2-to-FHIR maps and the standard
FIXED = {
    "48767-8",
    "11376-1",
    "day",
    "716186003", "no known allergy", "409137002", "no known drug allergy", "asked but unknown", "160245001", "no current problems or disability", "246205007", "quantity",
    "american indian or alaska native", "asian", "black or african american", "native hawaiian or other pacific islander", "white", "hispanic or latino",
    "not hispanic or latino",
}  # fmt: skip
UNREAD = {"id", "reference", "url", "recorded", "resourceType", "versionId", "profile"}
HL7_CODES = (
    "http://terminology.hl7.org/",
    "http://hl7.org/fhir",
    "urn:ietf:bcp:",
    "urn:iso:",
    "urn:ietf:rfc",
)


def invalid(resource: Resource) -> str | None:
    """Why R4B (or R4, where they differ) refuses the resource; never with a value of it."""
    kind = resource["resourceType"]
    if kind in NOT_R4:
        return f"{kind}: not in R4"
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as refused:
        first = refused.errors()[0]
        if "Expect any of field value" in first["msg"] and any(key.startswith("_") for key in resource):
            return None  # a required choice that says why it has no value: FHIR allows it, the models do not know it
        return f"{kind}.{'.'.join(str(x) for x in first['loc'] if not isinstance(x, int))}: {first['type']}"
    return None


def dangling(resources: list[Resource]) -> Iterator[str]:
    """References that lead nowhere: neither to a resource of the output, nor contained, nor to another place by name."""
    known = {f"{each['resourceType']}/{each.get('id')}" for each in resources}
    for each in resources:
        inside = {"#" + x.get("id", "") for x in each.get("contained", [])}
        for path, reference in _references(each["resourceType"], each):
            if reference not in known and reference not in inside and not reference.startswith(("http", "urn:")):
                yield path


def _references(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield path, value["reference"]
        for key, inner in value.items():
            yield from _references(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for each in value:
            yield from _references(path, each)


def empty(resource: Resource) -> bool:
    """Does the resource carry nothing but identity?"""
    content = {key.removeprefix("_") for key in resource} - IDENTITY
    return not content and not (resource["resourceType"] in NAMED and "identifier" in resource)


@cache
def _tables() -> tuple[frozenset[str], str]:
    """Every cell and quoted word of the code tables of the product."""
    cells: set[str] = set()
    for folder in (*ROOT.glob("adapters/*/tables"), *ROOT.glob("hie/*/tables"), ROOT / "hie/codes", ROOT / "config"):
        for file in folder.rglob("*"):
            if file.suffix in (".tsv", ".csv", ".yaml", ".toml", ".json", ".py", ".txt"):
                text = file.read_text("utf-8", "replace")
                cells.update(plain(x) for x in re.split(r"[\t\n|,;=\"']", text))
    return frozenset(cells), ""


class Input:
    """The values of an input, in the forms in which they may be met again."""

    def __init__(self, text: str) -> None:
        text = f"{text} {html.unescape(text)}" if "&" in text else text
        self.squashed = squash(text)
        self.words = set(re.findall(r"\w+", plain(text)))
        self.numbers = {Decimal(x) for x in re.findall(r"\d*\.?\d+(?:[eE][+-]?\d{1,3})?", text)}
        self.numbers |= {Decimal(x) for x in re.findall(r"\d*\.?\d+", text)}

    def says(self, value: Any) -> bool:
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return abs(Decimal(str(value))) in self.numbers
        text = str(value)
        if re.fullmatch(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?", text):
            return self._says_time(text)
        if squash(text.removesuffix(":00") if re.fullmatch(r"\d\d:\d\d:00", text) else text) in self.squashed:
            return True
        try:
            return Decimal(text) in self.numbers
        except InvalidOperation:
            return all(word in self.words for word in re.findall(r"\w+", plain(text)))

    def _says_time(self, text: str) -> bool:
        """No digit of a time but was sent; seconds that FHIR demands beside minutes may be zero."""
        digits = re.sub(r"\D", "", re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text) if "T" in text else text)
        return any(
            each in self.squashed
            for each in {digits, digits.removesuffix("00") if "T" in text else digits, digits.removesuffix("000")}
        )


def squash(text: str) -> str:
    return re.sub(r"[\W_]+", "", plain(text))


def invented(resources: list[Resource], sent: Input) -> Iterator[tuple[str, str]]:
    """Values of the output that are in no value of the input, in no code table and in no vocabulary of HL7: (path, value)."""
    for each in resources:
        if each["resourceType"] != "Provenance":
            yield from _unsaid(each["resourceType"], "", each, sent, False)


def _unsaid(path: str, name: str, value: Any, sent: Input, coded: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        system = value.get("system")
        official = isinstance(system, str) and system.startswith(HL7_CODES)
        start, end = value.get("start"), value.get("end")
        for key, inner in value.items():
            if key == "end" and isinstance(start, str) and isinstance(end, str) and _lasts(start, end) in sent.numbers:
                continue  # the start and the duration that was sent
            if key in ("extension", "modifierExtension"):
                for each in inner:
                    yield from _unsaid(
                        f"{path}.extension", key, {k: v for k, v in each.items() if k != "url"}, sent, official
                    )
            elif key not in UNREAD and not (key == "tag" and name == "meta"):
                yield from _unsaid(f"{path}.{key}", key, inner, sent, official)
    elif isinstance(value, list):
        for each in value:
            yield from _unsaid(path, name, each, sent, coded)
    elif not _known(name, value, sent, coded):
        yield path, str(value)


def _lasts(start: str, end: str) -> Decimal | None:
    """Minutes between two instants."""
    try:
        return Decimal(round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 60))
    except (ValueError, TypeError):
        return None


def _known(name: str, value: Any, sent: Input, official: bool) -> bool:
    if isinstance(value, bool) or value is None or (name in BOUND and str(value).islower()):
        return True
    if name in ("code", "display", "unit", "system") and official:
        return True
    if name == "system" and str(value).startswith(
        (
            "phone",
            "email",
            "fax",
            "url",
            "sms",
            "pager",
            "other",
            "http://",
            "urn:oid:",
            "urn:uuid:",
            "urn:dicom:uid",
            "https://",
        )
    ):
        return True
    if plain(str(value)) in FIXED:
        return True
    if name == "value" and re.search(r" x\d+$", str(value)):
        value = str(value).replace(" x", " ")  # the customary way to write an extension
    if name == "div":
        return all(
            word in sent.words for word in re.findall(r"\w+", plain(html.unescape(re.sub(r"<[^>]*>", " ", str(value)))))
        )
    if name in ("data", "hash", "size"):
        return True
    if isinstance(value, str):
        value = re.sub(r"^urn:(hie:(authority|system):|oid:|uuid:)", "", value)
    return sent.says(value) or plain(str(value)) in _tables()[0]
