"""PN, ON, AD, TEL -> HumanName, Address, ContactPoint.

Sources: HL7 v3 data types R1 (EN, AD, TEL with their use codes), C-CDA on FHIR concept maps for name, address and telecom use.
"""

from __future__ import annotations

from adapters.ccda.draft import Draft
from adapters.ccda.times import period
from adapters.ccda.tree import Node
from hie.model import Resource

_NAME_USE = {
    "L": "usual",
    "C": "official",
    "OR": "official",
    "P": "nickname",
    "A": "anonymous",
    "I": "usual",
    "R": "usual",
    "SRCH": "usual",
    "PHON": "usual",
    "ASGN": "usual",
    "TEMP": "temp",
}
_QUALIFIER = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier"
_QUALIFIERS = frozenset({"LS", "AC", "NB", "PR", "HON", "BR", "AD", "SP", "MID", "CL", "IN", "VV"})
_ADDRESS_USE = {
    "H": "home",
    "HP": "home",
    "HV": "home",
    "WP": "work",
    "DIR": "work",
    "PUB": "work",
    "TMP": "temp",
    "BAD": "old",
    "OLD": "old",
}
_TELECOM_USE = {
    "H": "home",
    "HP": "home",
    "HV": "home",
    "WP": "work",
    "DIR": "work",
    "PUB": "work",
    "MC": "mobile",
    "TMP": "temp",
    "BAD": "old",
}
_SCHEMES = {
    "tel": "phone",
    "fax": "fax",
    "mailto": "email",
    "email": "email",
    "http": "url",
    "https": "url",
    "sms": "sms",
    "page": "pager",
    "pager": "pager",
}
_LINES = frozenset(
    [
        "streetAddressLine",
        "streetName",
        "houseNumber",
        "houseNumberNumeric",
        "direction",
        "streetNameType",
        "additionalLocator",
        "unitID",
        "unitType",
        "buildingNumberSuffix",
        "deliveryAddressLine",
        "precinct",
        "careOf",
        "postBox",
    ]
)


def names(d: Draft, node: Node, tag: str = "name") -> list[Resource]:
    """All names of a person."""
    return [made for kid in node.all(tag) if (made := name(d, kid))]


def name(d: Draft, node: Node) -> Resource | None:
    """One PN: parts with their qualifiers; text where it came as plain text."""
    node.used = True
    made: Resource = {}
    use = node.get("use").split()
    for each in use:
        if each in _NAME_USE:
            made["use"] = _NAME_USE[each]
            break
    parts: dict[str, list[str]] = {"family": [], "given": [], "prefix": [], "suffix": []}
    marks: dict[str, list[Resource | None]] = {"family": [], "given": [], "prefix": [], "suffix": []}
    loose = node.text.strip()
    for kid in node.kids:
        text = " ".join(kid.text.split())
        loose = f"{loose} {kid.tail.strip()}".strip()
        if kid.tag == "validTime":
            if when := period(d, kid):
                made["period"] = when
            continue
        kid.used = True
        if not text:
            continue
        qualifier = kid.get("qualifier").split()
        if kid.tag in parts:
            if "BR" in qualifier and kid.tag == "family" and len(node.all("family")) == 1:
                made.setdefault("use", "maiden")
            elif "CL" in qualifier and kid.tag == "given" and len(node.all("given")) == 1:
                made.setdefault("use", "nickname")
            parts[kid.tag].append(text)
            kinds = [{"url": _QUALIFIER, "valueCode": each} for each in qualifier if each in _QUALIFIERS]
            marks[kid.tag].append({"extension": kinds} if kinds else None)
        elif kid.tag != "delimiter":
            kid.used = False
    family, given = parts["family"], parts["given"]
    if family:
        made["family"] = " ".join(family)
        if marked := next((each for each in marks["family"] if each), None):
            made["_family"] = marked
    for key in ("given", "prefix", "suffix"):
        if parts[key]:
            made[key] = parts[key]
            if all(marks[key]):
                made[f"_{key}"] = marks[key]
            elif any(marks[key]):
                # a list with holes in it is more than most readers of JSON bear
                d.warn("name-qualifier", node, "a qualifier on one part of a name among several was not carried")
    if loose and any(c.isalnum() for c in loose):
        made["text"] = loose if not (family or given) else " ".join([*given, *family, loose])
    return made if made.keys() - {"use", "period"} else None


def display(made: Resource) -> str:
    """A name as one line."""
    if made.get("text"):
        return str(made["text"])
    parts = [*made.get("prefix", ()), *made.get("given", ()), made.get("family", ""), *made.get("suffix", ())]
    return " ".join(part for part in parts if part)


def organisation_name(node: Node | None) -> str:
    """ON as text, its parts joined."""
    if node is None:
        return ""
    node.used = True
    parts = [node.text]
    for kid in node.kids:
        kid.used = True
        parts += [kid.text, kid.tail]
    return " ".join(" ".join(parts).split())


def addresses(d: Draft, node: Node) -> list[Resource]:
    made = []
    for kid in node.kids:
        if kid.tag == "addr" and (one := address(d, kid)) and one not in made:
            made.append(one)
    return made


def address(d: Draft, node: Node) -> Resource | None:
    """One AD. An address sent as plain text stays text."""
    node.used = True
    made: Resource = {}
    lines: list[str] = []
    city: list[str] = []
    use = node.get("use").split()
    for each in use:
        if each in _ADDRESS_USE:
            made["use"] = _ADDRESS_USE[each]
            break
    if "PST" in use:
        made["type"] = "postal"
    elif "PHYS" in use:
        made["type"] = "physical"
    loose = node.text.strip()
    for kid in node.kids:
        tag = kid.tag
        text = " ".join(kid.text.split())
        loose = f"{loose} {kid.tail.strip()}".strip()
        if tag == "useablePeriod":
            if when := period(d, kid):
                made["period"] = when
            continue
        kid.used = True
        if not text:
            continue
        if tag in _LINES:
            lines.append(text)
        elif tag == "city":
            city.append(text)
        elif tag == "state":
            made["state"] = text
        elif tag == "postalCode":
            made["postalCode"] = text
        elif tag == "country":
            made["country"] = text
        elif tag == "county":
            made["district"] = text
        elif tag == "censusTract":
            made["extension"] = [
                {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-censusTract", "valueString": text}
            ]
        elif tag == "delimiter":
            pass
        else:
            kid.used = False
    if lines:
        made["line"] = lines
    if city:
        made["city"] = ", ".join(city)
    if loose and any(c.isalnum() for c in loose):
        made["text"] = " ".join(loose.split())
    return made if made.keys() - {"use", "type", "period"} else None


def telecoms(d: Draft, node: Node) -> list[Resource]:
    made = []
    for kid in node.kids:
        if kid.tag == "telecom" and (one := telecom(d, kid)) and one not in made:
            made.append(one)
    return made


def telecom(d: Draft, node: Node) -> Resource | None:
    """One TEL: the scheme of its URL tells the system; without a scheme only what is plain from the value does."""
    value = node.get("value").strip()
    if not value:
        return None
    node.used = True
    scheme, colon, rest = value.partition(":")
    made: Resource = {}
    system = _SCHEMES.get(scheme.lower()) if colon else None
    if system and system != "url":
        value = rest.strip()
    elif not colon and "@" in value:
        system = "email"
    elif not colon and value[:1] in "+(0123456789" and sum(c.isdigit() for c in value) >= 7:
        system = "phone"
    if not value:
        return None
    if system:
        made["system"] = system
    made["value"] = value
    for each in node.get("use").split():
        if each in _TELECOM_USE:
            made["use"] = _TELECOM_USE[each]
            break
        if each == "PG":
            made["system"] = "pager"
    if not system and "system" not in made:
        made["system"] = "other"
    if (when := node.kid("useablePeriod")) is not None and (valid := period(d, when)):
        made["period"] = valid
    return made
