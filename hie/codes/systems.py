"""OIDs and HL7v2 table names -> the URIs FHIR uses. What is not here becomes `urn:oid:` or a configured URI, never a guess.

Sources: HL7 Terminology (THO) identifier registry, FHIR R4 "Using Codes: named systems", HL7 table 0396.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

THO = "http://terminology.hl7.org/CodeSystem/"

OID_TO_URI: dict[str, str] = {
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.4": "http://www.cms.gov/Medicare/Coding/ICD10",
    "2.16.840.1.113883.6.42": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.103": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.104": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "2.16.840.1.113883.6.285": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "2.16.840.1.113883.6.14": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "2.16.840.1.113883.6.13": "http://www.ada.org/cdt",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
    "2.16.840.1.113883.12.227": "http://hl7.org/fhir/sid/mvx",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
    "2.16.840.1.113883.6.238": "urn:oid:2.16.840.1.113883.6.238",
    "2.16.840.1.113883.6.101": "http://nucc.org/provider-taxonomy",
    "2.16.840.1.113883.6.259": "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html",
    "2.16.840.1.113883.3.26.1.1": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "2.16.840.1.113883.4.9": "http://fdasis.nlm.nih.gov",
    "2.16.840.1.113883.6.209": "urn:oid:2.16.840.1.113883.6.209",
    "2.16.840.1.113883.6.121": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.11": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.316": "urn:ietf:bcp:47",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "1.0.3166.1.2.2": "urn:iso:std:iso:3166",
    "2.16.840.1.113883.6.92": "https://www.usps.com/",
    "2.16.840.1.113883.5.1": THO + "v3-AdministrativeGender",
    "2.16.840.1.113883.5.2": THO + "v3-MaritalStatus",
    "2.16.840.1.113883.5.4": THO + "v3-ActCode",
    "2.16.840.1.113883.5.6": THO + "v3-ActClass",
    "2.16.840.1.113883.5.7": THO + "v3-ActPriority",
    "2.16.840.1.113883.5.8": THO + "v3-ActReason",
    "2.16.840.1.113883.5.14": THO + "v3-ActStatus",
    "2.16.840.1.113883.5.25": THO + "v3-Confidentiality",
    "2.16.840.1.113883.5.60": THO + "v3-LanguageAbilityMode",
    "2.16.840.1.113883.5.61": THO + "v3-LanguageAbilityProficiency",
    "2.16.840.1.113883.5.83": THO + "v3-ObservationInterpretation",
    "2.16.840.1.113883.5.84": THO + "v3-ObservationMethod",
    "2.16.840.1.113883.5.85": THO + "v3-ParticipationFunction",
    "2.16.840.1.113883.5.88": THO + "v3-ParticipationFunction",
    "2.16.840.1.113883.5.90": THO + "v3-ParticipationType",
    "2.16.840.1.113883.5.110": THO + "v3-RoleClass",
    "2.16.840.1.113883.5.111": THO + "v3-RoleCode",
    "2.16.840.1.113883.5.112": THO + "v3-RouteOfAdministration",
    "2.16.840.1.113883.5.139": THO + "v3-TimingEvent",
    "2.16.840.1.113883.5.1008": THO + "v3-NullFlavor",
    "2.16.840.1.113883.5.1052": THO + "v3-ActSite",
    "2.16.840.1.113883.5.1063": THO + "v3-ObservationValue",
    "2.16.840.1.113883.5.1065": THO + "v3-hl7Realm",
    "2.16.840.1.113883.5.1076": THO + "v3-ReligiousAffiliation",
    "2.16.840.1.113883.5.1119": THO + "v3-AddressUse",
    "2.16.840.1.113883.4.1": "http://hl7.org/fhir/sid/us-ssn",
    "2.16.840.1.113883.4.6": "http://hl7.org/fhir/sid/us-npi",
    "2.16.840.1.113883.4.572": "http://hl7.org/fhir/sid/us-medicare",
    "2.16.840.1.113883.4.927": "http://hl7.org/fhir/sid/us-mbi",
    "2.16.840.1.113883.4.7": "urn:oid:2.16.840.1.113883.4.7",
    "2.16.840.1.113883.4.814": "urn:oid:2.16.840.1.113883.4.814",
}
"""OID -> URI for code systems and identifier systems."""

V2_NAME_TO_URI: dict[str, str] = {
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SNM3": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct",
    "SCT2": "http://snomed.info/sct",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "RXN": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "RXNRM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "I10": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD-10-CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10P": "http://www.cms.gov/Medicare/Coding/ICD10",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CDX": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CP": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD9": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD-9-CM": "http://hl7.org/fhir/sid/icd-9-cm",
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "CPT-4": "http://www.ama-assn.org/go/cpt",
    "HCPCS": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "HPC": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "HCPT": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://hl7.org/fhir/sid/mvx",
    "UCUM": "http://unitsofmeasure.org",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "CDCPHINVS": "urn:oid:2.16.840.1.114222.4.5.274",
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238",
    "UNII": "http://fdasis.nlm.nih.gov",
    "NUCC": "http://nucc.org/provider-taxonomy",
    "NPI": "http://hl7.org/fhir/sid/us-npi",
    "USSSA": "http://hl7.org/fhir/sid/us-ssn",
    "SSA": "http://hl7.org/fhir/sid/us-ssn",
    "ISO3166": "urn:iso:std:iso:3166",
    "ISO6392": "urn:ietf:bcp:47",
    "ISO639": "urn:ietf:bcp:47",
    "ISO6391": "urn:ietf:bcp:47",
    "SCDI": "urn:oid:2.16.840.1.113883.3.26.1.1",
}
"""Coding system names of HL7 table 0396 (and what senders write for them) -> URI. Upper case."""

_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+\Z")
_V2_TABLE = re.compile(r"HL7?-?(\d{1,4})\Z")


def is_oid(text: str) -> bool:
    return _OID.match(text) is not None


def from_oid(oid: str) -> str:
    """URI of an OID: its registered URI, else `urn:oid:`; HL7v2 tables (2.16.840.1.113883.12.N) become v2-NNNN."""
    known = OID_TO_URI.get(oid)
    if known is not None:
        return known
    if oid.startswith("2.16.840.1.113883.12.") and (table := oid[21:]).isdigit():
        return f"{THO}v2-{table.zfill(4)}"
    return f"urn:oid:{oid}"


def from_v2_name(name: str, configured: Mapping[str, str] | None = None) -> str:
    """URI of a coding system named in a v2 field: the site's table, table 0396, HL7nnnn, an OID, a URI; else
    `urn:hie:system:NAME`, which says that nobody told us what it is."""
    if configured and (found := configured.get(name)):
        return found
    upper = name.strip().upper()
    known = V2_NAME_TO_URI.get(upper)
    if known is not None:
        return known
    if table := _V2_TABLE.match(upper):
        return f"{THO}v2-{table.group(1).zfill(4)}"
    if is_oid(upper):
        return from_oid(upper)
    if "://" in name or name.startswith("urn:"):
        return name
    return "urn:hie:system:" + re.sub(r"[^A-Za-z0-9._-]", "-", name.strip())


def authority_uri(namespace: str, universal: str, universal_type: str, configured: Mapping[str, str]) -> str:
    """URI of an assigning authority (HL7 HD: namespace id, universal id, its type): the site's table by either part,
    the OID or URI sent, else `urn:hie:authority:NAME`; "" where nothing was sent."""
    for part in (universal, namespace):
        if part and (found := configured.get(part)):
            return found
    if universal:
        if universal_type.upper() in ("ISO", "") and is_oid(universal):
            return from_oid(universal)
        if "://" in universal or universal.startswith("urn:"):
            return universal
        if universal_type.upper() in ("UUID", "GUID"):
            return f"urn:uuid:{universal.lower()}"
    name = namespace or universal
    if not name:
        return ""
    if name.upper() in ("USSSA", "SSA", "NPI"):
        return V2_NAME_TO_URI[name.upper()]
    if is_oid(name):
        return from_oid(name)
    return "urn:hie:authority:" + re.sub(r"[^A-Za-z0-9._:-]", "-", name.strip())
