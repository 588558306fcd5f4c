"""Builds C-CDA documents for the tests: invented people, invented clinics."""

from __future__ import annotations

from typing import Any

from adapters.ccda.decode import decode
from hie.model import FeedContext, Record, Resource

CONTEXT = FeedContext(feed="test", timezone="America/Chicago")

PATIENT = """<recordTarget><patientRole>
<id root="2.16.840.1.113883.19.5" extension="MRN-77"/><id root="2.16.840.1.113883.4.1" extension="987-65-4320"/>
<addr use="HP"><streetAddressLine>12 Alder Way</streetAddressLine><city>Dunmore</city><state>WI</state><postalCode>53001</postalCode></addr>
<telecom use="MC" value="tel:+1(555)010-7788"/>
<patient><name use="L"><given>Orla</given><given>June</given><family>Brandvold</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19610214"/></patient>
</patientRole></recordTarget>"""
AUTHOR = """<author><time value="20240305101500-0600"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1999999984"/>
<assignedPerson><name><given>Ivo</given><family>Tarrant</family></name></assignedPerson>
<representedOrganization><id root="2.16.840.1.113883.19.7"/><name>Lakeside Clinic</name></representedOrganization></assignedAuthor></author>"""
CUSTODIAN = """<custodian><assignedCustodian><representedCustodianOrganization><id root="2.16.840.1.113883.19.7"/>
<name>Lakeside Clinic</name></representedCustodianOrganization></assignedCustodian></custodian>"""


def section(
    code: str, entries: str = "", text: str = "<paragraph>Text</paragraph>", attributes: str = "", more: str = ""
) -> str:
    """A section of LOINC `code`; each item of `entries` must bring its own <entry>."""
    return (
        f'<component><section {attributes}>{more}<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>'
        f"<title>Section {code}</title><text>{text}</text>{entries}</section></component>"
    )


def document(
    *sections: str, header: str = "", patient: str = PATIENT, author: str = AUTHOR, custodian: str = CUSTODIAN
) -> bytes:
    """A whole document around sections."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<id root="2.16.840.1.113883.19.9" extension="doc-1"/>'
        '<code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summary"/><title>Summary of care</title>'
        '<effectiveTime value="20240305101500-0600"/><confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>'
        f"{patient}{author}{custodian}{header}"
        f"<component><structuredBody>{''.join(sections)}</structuredBody></component></ClinicalDocument>"
    ).encode()


def entry(body: str) -> str:
    return f"<entry>{body}</entry>"


def read(raw: bytes, context: FeedContext = CONTEXT) -> Record:
    """The one record of a document."""
    (record,) = decode(raw, context)
    return record


def of(record: Record, kind: str) -> list[Resource]:
    return [each for each in record.resources if each["resourceType"] == kind]


def one(record: Record, kind: str) -> Resource:
    (only,) = of(record, kind)
    return only


def codes(record: Record) -> list[str]:
    """Warning codes."""
    return [each.code for each in record.warnings]


def references(value: Any) -> list[str]:
    """All relative references inside a resource."""
    found: list[str] = []
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            found.append(value["reference"])
        for each in value.values():
            found += references(each)
    elif isinstance(value, list):
        for each in value:
            found += references(each)
    return found
