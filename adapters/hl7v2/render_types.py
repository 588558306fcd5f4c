"""FHIR data types as HL7 v2.5.1 data types, delimiters `|^~\\&`, escapes applied to every leaf.

Source: HL7 v2.5.1 chapter 2A; the HL7 v2-to-FHIR guide read backwards for the tables of uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hie.codes.systems import OID_TO_URI, V2_NAME_TO_URI

_V2_TABLES = "http://terminology.hl7.org/CodeSystem/v2-"
_PREFERRED = (
    "LN",
    "SCT",
    "RXNORM",
    "I10C",
    "I9C",
    "I10P",
    "C4",
    "HCPCS",
    "NDC",
    "CVX",
    "MVX",
    "UCUM",
    "CDCREC",
    "UNII",
)
SYSTEM_NAMES = {V2_NAME_TO_URI[name]: name for name in _PREFERRED}
_URI_TO_OID = {uri: oid for oid, uri in reversed(OID_TO_URI.items())}
_ESCAPES = str.maketrans(
    {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "\\": "\\E\\", "&": "\\T\\", "\n": "\\.br\\", "\r": None, "\t": " "}
    | {chr(c): None for c in range(32) if chr(c) not in "\n\r\t"}
)
NAME_USES = {
    "official": "L",
    "usual": "D",
    "nickname": "N",
    "anonymous": "S",
    "maiden": "M",
    "temp": "TEMP",
    "old": "BAD",
}
ADDRESS_USES = {"home": "H", "work": "B", "temp": "C", "old": "BA", "billing": "BI"}
_EQUIPMENT = {"phone": "PH", "fax": "FX", "pager": "BP", "sms": "CP", "email": "Internet"}


def text(value: object) -> str:
    """One leaf value, escaped; line ends become `\\.br\\`, other control characters are left out."""
    return str(value).replace("\r\n", "\n").translate(_ESCAPES)


def composed(*parts: str, by: str = "^") -> str:
    """Components (escaped already) joined, trailing empty ones left off."""
    return by.join(parts).rstrip(by)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """`name` with its fields by number; empty ones are left out at the end."""
    last = max((n for n, value in fields.items() if value), default=0)
    return "|".join((name, *(fields.get(n, "") for n in range(1, last + 1))))


def ts(value: str | None) -> str:
    """FHIR date, dateTime or instant -> TS/DTM, precision and offset as they are."""
    if not value:
        return ""
    day, _, clock = value.partition("T")
    made = day.replace("-", "")
    if not clock:
        return made
    if clock.endswith("Z"):
        clock, offset = clock[:-1], "+0000"
    elif len(clock) > 6 and clock[-6] in "+-":
        clock, offset = clock[:-6], clock[-6:].replace(":", "")
    else:
        offset = ""
    return made + clock.replace(":", "")[:11] + offset


def system_name(uri: str | None) -> str:
    """Name of a code system in v2: table 0396, `HL7nnnn`, the OID, the sender's own name; else the URI."""
    if not uri:
        return ""
    if name := SYSTEM_NAMES.get(uri):
        return name
    if uri.startswith(_V2_TABLES):
        return "HL7" + uri[len(_V2_TABLES) :]
    for prefix in ("urn:oid:", "urn:hie:system:"):
        if uri.startswith(prefix):
            return uri[len(prefix) :]
    return uri


def cwe(concept: Mapping[str, Any] | None) -> str:
    """CodeableConcept -> CWE: the first two codings and the original text."""
    if not concept:
        return ""
    codings = concept.get("coding") or []
    parts = []
    for coding in codings[:2]:
        parts += [
            text(coding.get("code", "")),
            text(coding.get("display", "")),
            text(system_name(coding.get("system"))),
        ]
    versions = [text(coding.get("version", "")) for coding in codings[:2]]
    if any(versions):
        parts += [""] * (6 - len(parts)) + versions
    words = concept.get("text", "")
    if not codings:
        return composed("", text(words))
    if words:
        parts += [""] * (8 - len(parts)) + [text(words)]
    return composed(*parts)


def coded(coding: Mapping[str, Any] | None) -> str:
    """A bare Coding -> CWE."""
    return cwe({"coding": [coding]}) if coding else ""


def authority(uri: str | None) -> str:
    """Assigning authority as HD in subcomponents: name, or `&universal id&type`."""
    if not uri:
        return ""
    if uri.startswith("urn:hie:authority:"):
        return text(uri[len("urn:hie:authority:") :])
    if oid := uri.removeprefix("urn:oid:") if uri.startswith("urn:oid:") else _URI_TO_OID.get(uri):
        return f"&{oid}&ISO"
    if uri == "urn:hie:enterprise-id":
        return f"HIE&{text(uri)}&URI"
    return f"&{text(uri)}&{'UUID' if uri.startswith('urn:uuid:') else 'URI'}"


def identifier_type(identifier: Mapping[str, Any]) -> str:
    """Code of table 0203, or ""."""
    codings = identifier.get("type", {}).get("coding", [])
    return next((str(c.get("code", "")) for c in codings if str(c.get("system", "")).endswith("v2-0203")), "")


def cx(identifier: Mapping[str, Any]) -> str:
    """Identifier -> CX."""
    value = identifier.get("value")
    if not value:
        return ""
    kind = identifier_type(identifier)
    return composed(text(value), "", "", authority(identifier.get("system")), text(kind))


def ei(identifier: Mapping[str, Any] | None) -> str:
    """Identifier -> EI."""
    if not identifier or not identifier.get("value"):
        return ""
    return composed(text(identifier["value"]), *authority(identifier.get("system")).split("&"))


def xpn(name: Mapping[str, Any]) -> str:
    given = name.get("given") or []
    family = name.get("family", "")
    if not family and not given and name.get("text"):
        family = name["text"]
    return composed(
        text(family),
        text(given[0]) if given else "",
        text(" ".join(given[1:])),
        text(" ".join(name.get("suffix") or [])),
        text(" ".join(name.get("prefix") or [])),
        "",
        NAME_USES.get(name.get("use", ""), ""),
    )


def xad(address: Mapping[str, Any]) -> str:
    line = address.get("line") or []
    if not line and not address.get("city") and address.get("text"):
        line = [address["text"]]
    return composed(
        text(line[0]) if line else "",
        text(" ".join(line[1:])),
        text(address.get("city", "")),
        text(address.get("state", "")),
        text(address.get("postalCode", "")),
        text(address.get("country", "")),
        ADDRESS_USES.get(address.get("use", ""), "M" if address.get("type") == "postal" else ""),
        "",
        text(address.get("district", "")),
    )


def xtn(contact: Mapping[str, Any]) -> str:
    value = contact.get("value", "")
    if not value:
        return ""
    if contact.get("system") == "email":
        return composed("", "NET", "Internet", text(value))
    mobile = contact.get("use") == "mobile"
    use = {"work": "WPN", "home": "PRN", "mobile": "PRN", "temp": "VHN"}.get(contact.get("use", ""), "PRN")
    return composed(text(value), use, "CP" if mobile else _EQUIPMENT.get(contact.get("system", "phone"), "PH"))


def repeated(parts: list[str]) -> str:
    return "~".join(p for p in parts if p)
