"""Documents of the invented treatment programme: a C-CDA and a fax page, made anew for each person."""

from __future__ import annotations

import time
import uuid

from hie.simulation.people import Someone

PROGRAMME = "2.16.840.1.113883.3.9999.3"


def _uuid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))


def care_document(person: Someone, number: str, serial: int) -> bytes:
    """C-CDA R2.1 CCD: opioid use disorder as a problem, buprenorphine-naloxone as a medication."""
    now = time.strftime("%Y%m%d%H%M%S", time.gmtime()) + "+0000"
    since = f"{person.born.year + 30 if person.born.year < 1990 else 2021}0315"
    sex = {"F": "Female", "M": "Male"}[person.sex]
    former = (
        f'<name use="L"><given qualifier="BR">{person.given}</given><family>{person.former_family}</family></name>'
        if person.former_family
        else ""
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc">
<realmCode code="US"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.10.20.22.1.1" extension="2015-08-01"/>
<templateId root="2.16.840.1.113883.10.20.22.1.2" extension="2015-08-01"/>
<id root="{PROGRAMME}.9" extension="{number}-{serial}"/>
<code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summarization of Episode Note"/>
<title>Treatment summary</title><effectiveTime value="{now}"/>
<confidentialityCode code="R" codeSystem="2.16.840.1.113883.5.25"/><languageCode code="en-US"/>
<recordTarget><patientRole><id root="{PROGRAMME}" extension="{number}"/>
<addr use="HP"><streetAddressLine>{person.street}</streetAddressLine><city>{person.town}</city><state>IL</state><postalCode>{person.zip}</postalCode><country>US</country></addr>
<telecom use="HP" value="tel:{person.phone}"/>
<patient><name use="L"><given>{person.given}</given><given>{person.middle}</given><family>{person.family}</family></name>{former}
<administrativeGenderCode code="{person.sex}" codeSystem="2.16.840.1.113883.5.1" displayName="{sex}"/><birthTime value="{person.born:%Y%m%d}"/></patient>
</patientRole></recordTarget>
<author><time value="{now}"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1467829031"/>
<assignedPerson><name><given>Milan</given><family>Sorel</family></name></assignedPerson>
<representedOrganization><name>Harbor Recovery Center</name></representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="{PROGRAMME}.1"/><name>Harbor Recovery Center</name></representedCustodianOrganization></assignedCustodian></custodian>
<component><structuredBody>
<component><section><templateId root="2.16.840.1.113883.10.20.22.2.5.1" extension="2015-08-01"/>
<code code="11450-4" codeSystem="2.16.840.1.113883.6.1" displayName="Problem list"/><title>Problems</title>
<text><list><item ID="p1">Opioid dependence, in treatment</item></list></text>
<entry typeCode="DRIV"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3" extension="2015-08-01"/>
<id root="{_uuid(number, "problem")}"/><code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/><effectiveTime><low value="{since}"/></effectiveTime>
<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4" extension="2015-08-01"/>
<id root="{_uuid(number, "problem-observation")}"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96" displayName="Problem"/>
<text><reference value="#p1"/></text><statusCode code="completed"/><effectiveTime><low value="{since}"/></effectiveTime>
<value xsi:type="CD" code="F11.20" codeSystem="2.16.840.1.113883.6.90" displayName="Opioid dependence, uncomplicated"/></observation></entryRelationship></act></entry>
</section></component>
<component><section><templateId root="2.16.840.1.113883.10.20.22.2.1.1" extension="2014-06-09"/>
<code code="10160-0" codeSystem="2.16.840.1.113883.6.1" displayName="History of Medication use"/><title>Medications</title>
<text><list><item ID="m1">Buprenorphine 8 mg / naloxone 2 mg sublingual film, daily</item></list></text>
<entry typeCode="DRIV"><substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.16" extension="2014-06-09"/>
<id root="{_uuid(number, "medication", str(serial))}"/><text><reference value="#m1"/></text><statusCode code="active"/>
<effectiveTime xsi:type="IVL_TS"><low value="{since}"/></effectiveTime>
<effectiveTime xsi:type="PIVL_TS" institutionSpecified="true" operator="A"><period value="1" unit="d"/></effectiveTime>
<routeCode code="C38300" codeSystem="2.16.840.1.113883.3.26.1.1" displayName="SUBLINGUAL"/><doseQuantity value="1"/>
<consumable><manufacturedProduct classCode="MANU"><templateId root="2.16.840.1.113883.10.20.22.4.23" extension="2014-06-09"/>
<manufacturedMaterial><code code="1010600" codeSystem="2.16.840.1.113883.6.88" displayName="buprenorphine 8 MG / naloxone 2 MG Sublingual Film"/></manufacturedMaterial></manufacturedProduct></consumable>
</substanceAdministration></entry></section></component>
</structuredBody></component></ClinicalDocument>
""".encode()


def fax(person: Someone, number: str) -> bytes:
    """A one-page progress note as an OCR server would hand it over."""
    today = time.strftime("%m/%d/%Y", time.gmtime())
    return f"""FROM: HARBOR RECOVERY CENTER   FAX: 217-555-0144   PAGE 1 OF 1

HARBOR RECOVERY CENTER
PROGRESS NOTE

Patient: {person.family}, {person.given} {person.middle}
DOB: {person.born:%m/%d/%Y}    Sex: {person.sex}
MRN: {number}
Date of service: {today}

Provider: Milan Sorel MD

Assessment: doing well in the programme. Next visit in four weeks.
""".encode()


def consent(authority: str, mrn: str, recipient: str, status: str = "active") -> dict[str, object]:
    """FHIR R4 Consent: one recipient may have everything for treatment, substance-use records included."""
    v3 = "http://terminology.hl7.org/CodeSystem/"
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": {"coding": [{"system": f"{v3}consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {
            "identifier": {
                "type": {"coding": [{"system": f"{v3}v2-0203", "code": "MR"}]},
                "system": authority,
                "value": mrn,
            }
        },
        "dateTime": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "policyRule": {"coding": [{"system": f"{v3}v3-ActCode", "code": "OPTIN"}]},
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {"coding": [{"system": f"{v3}v3-ParticipationType", "code": "IRCP"}]},
                    "reference": {"reference": recipient},
                }
            ],
            "purpose": [{"system": f"{v3}v3-ActReason", "code": "TREAT"}],
        },
    }
