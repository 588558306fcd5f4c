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
    "2.16.840.1.113883.6.209": "http://hl7.org/fhir/ndfrt",
    "2.16.840.1.113883.3.26.1.5": "http://hl7.org/fhir/ndfrt",
    "2.16.840.1.113883.6.345": "http://va.gov/terminology/medrt",
    "2.16.840.1.113883.3.26.1.2": "http://ncimeta.nci.nih.gov",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.24": "urn:iso:std:iso:11073:10101",
    "2.16.840.1.113883.6.43.1": THO + "icd-o-3",
    "2.16.840.1.113883.6.256": "http://www.radlex.org",
    "2.16.840.1.113883.6.344": "http://hl7.org/fhir/sid/dsm5",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "2.16.840.1.113883.3.221.5": "https://nahdo.org/sopt",
    "2.16.840.1.113883.6.50": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
    "2.16.840.1.113883.6.301.1": "https://www.nubc.org/CodeSystem/TypeOfBill",
    "2.16.840.1.113883.6.301.3": "https://www.nubc.org/CodeSystem/RevenueCodes",
    "2.16.840.1.113883.6.301.5": "http://www.nubc.org/patient-discharge",
    "2.16.840.1.113883.6.301.11": "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/HospitalAcqCond/Coding",
    "1.3.160": "https://www.gs1.org/gtin",
    "1.0.15961.10.816": "http://hl7.org/fhir/NamingSystem/hibcc-dI",
    "2.16.840.1.113883.6.18.1.17": "http://hl7.org/fhir/NamingSystem/iccbba-blood-di",
    "2.16.840.1.113883.6.18.1.34": "http://hl7.org/fhir/NamingSystem/iccbba-other-di",
    "2.16.840.1.113883.6.281": "http://www.genenames.org",
    "2.16.840.1.113883.6.280": "http://www.ncbi.nlm.nih.gov/refseq/",
    "2.16.840.1.113883.6.282": "http://varnomen.hgvs.org/",
    "2.16.840.1.113883.6.283": "http://www.lrg-sequence.org",
    "2.16.840.1.113883.6.284": "http://www.ncbi.nlm.nih.gov/projects/SNP",
    "2.16.840.1.113883.6.174": "http://www.omim.org",
    "2.16.840.1.113883.3.912": "http://cancer.sanger.ac.uk/cancergenome/projects/cosmic",
    "2.16.840.1.113883.3.913": "http://www.pharmgkb.org",
    "2.16.840.1.113883.3.1077": "http://clinicaltrials.gov",
    # national or commercial systems for which FHIR names no URI: known, and named by their OID
    "2.16.840.1.114222.4.5.232": "urn:oid:2.16.840.1.114222.4.5.232",
    "2.16.840.1.114222.4.5.274": "urn:oid:2.16.840.1.114222.4.5.274",
    "2.16.840.1.114222.4.5.277": "urn:oid:2.16.840.1.114222.4.5.277",
    "2.16.840.1.114222.4.5.314": "urn:oid:2.16.840.1.114222.4.5.314",
    "2.16.840.1.114222.4.5.315": "urn:oid:2.16.840.1.114222.4.5.315",
    "2.16.840.1.114222.4.5.327": "urn:oid:2.16.840.1.114222.4.5.327",
    "2.16.840.1.113883.6.92": "urn:oid:2.16.840.1.113883.6.92",
    "2.16.840.1.113883.6.93": "urn:oid:2.16.840.1.113883.6.93",
    "2.16.840.1.113883.6.254": "urn:oid:2.16.840.1.113883.6.254",
    "2.16.840.1.113883.6.7": "urn:oid:2.16.840.1.113883.6.7",
    "2.16.840.1.113883.6.26": "urn:oid:2.16.840.1.113883.6.26",
    "2.16.840.1.113883.6.27": "urn:oid:2.16.840.1.113883.6.27",
    "2.16.840.1.113883.6.68": "urn:oid:2.16.840.1.113883.6.68",
    "2.16.840.1.113883.6.85": "urn:oid:2.16.840.1.113883.6.85",
    "2.16.840.1.113883.6.162": "urn:oid:2.16.840.1.113883.6.162",
    "2.16.840.1.113883.6.163": "urn:oid:2.16.840.1.113883.6.163",
    "2.16.840.1.113883.6.177": "urn:oid:2.16.840.1.113883.6.177",
    "2.16.840.1.113883.6.208": "urn:oid:2.16.840.1.113883.6.208",
    "2.16.840.1.113883.6.243": "urn:oid:2.16.840.1.113883.6.243",
    "2.16.840.1.113883.6.253": "urn:oid:2.16.840.1.113883.6.253",
    "2.16.840.1.113883.6.255.1336": "urn:oid:2.16.840.1.113883.6.255.1336",
    "2.16.840.1.113883.6.314": "urn:oid:2.16.840.1.113883.6.314",
    "2.16.840.1.113883.6.121": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.11": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.316": "urn:ietf:bcp:47",
    "1.0.3166.1": "urn:iso:std:iso:3166",
    "1.0.3166.1.2.2": "urn:iso:std:iso:3166",
    "1.0.3166.1.2.3": "urn:iso:std:iso:3166",
    "1.0.3166.2": "urn:iso:std:iso:3166:-2",
    "2.16.840.1.113883.18.2": THO + "v2-0001",
    "2.16.840.1.113883.18.108": THO + "v2-0203",
    "2.16.840.1.113883.5.1": THO + "v3-AdministrativeGender",
    "2.16.840.1.113883.5.2": THO + "v3-MaritalStatus",
    "2.16.840.1.113883.5.4": THO + "v3-ActCode",
    "2.16.840.1.113883.5.6": THO + "v3-ActClass",
    "2.16.840.1.113883.5.7": THO + "v3-ActPriority",
    "2.16.840.1.113883.5.8": THO + "v3-ActReason",
    "2.16.840.1.113883.5.14": THO + "v3-ActStatus",
    "2.16.840.1.113883.5.25": THO + "v3-Confidentiality",
    "2.16.840.1.113883.5.30": THO + "v3-EntityDeterminer",
    "2.16.840.1.113883.5.33": THO + "v3-DocumentCompletion",
    "2.16.840.1.113883.5.37": THO + "v3-EncounterAdmissionSource",
    "2.16.840.1.113883.5.40": THO + "v3-EncounterSpecialCourtesy",
    "2.16.840.1.113883.5.41": THO + "v3-EntityClass",
    "2.16.840.1.113883.5.42": THO + "v3-EntityHandling",
    "2.16.840.1.113883.5.43": THO + "v3-EntityNamePartQualifier",
    "2.16.840.1.113883.5.44": THO + "v3-EntityNamePartType",
    "2.16.840.1.113883.5.45": THO + "v3-EntityNameUse",
    "2.16.840.1.113883.5.46": THO + "v3-EntityRisk",
    "2.16.840.1.113883.5.50": THO + "v3-Ethnicity",
    "2.16.840.1.113883.5.60": THO + "v3-LanguageAbilityMode",
    "2.16.840.1.113883.5.61": THO + "v3-LanguageAbilityProficiency",
    "2.16.840.1.113883.5.63": THO + "v3-LivingArrangement",
    "2.16.840.1.113883.5.79": THO + "v3-mediatypes",
    "2.16.840.1.113883.5.83": THO + "v3-ObservationInterpretation",
    "2.16.840.1.113883.5.84": THO + "v3-ObservationMethod",
    "2.16.840.1.113883.5.85": THO + "v3-orderableDrugForm",
    "2.16.840.1.113883.5.88": THO + "v3-ParticipationFunction",
    "2.16.840.1.113883.5.89": THO + "v3-ParticipationSignature",
    "2.16.840.1.113883.5.90": THO + "v3-ParticipationType",
    "2.16.840.1.113883.5.93": THO + "v3-PersonDisabilityType",
    "2.16.840.1.113883.5.104": THO + "v3-Race",
    "2.16.840.1.113883.5.110": THO + "v3-RoleClass",
    "2.16.840.1.113883.5.111": THO + "v3-RoleCode",
    "2.16.840.1.113883.5.112": THO + "v3-RouteOfAdministration",
    "2.16.840.1.113883.5.129": THO + "v3-SpecimenType",
    "2.16.840.1.113883.5.139": THO + "v3-TimingEvent",
    "2.16.840.1.113883.5.140": THO + "v3-TribalEntityUS",
    "2.16.840.1.113883.5.1001": THO + "v3-ActMood",
    "2.16.840.1.113883.5.1002": THO + "v3-ActRelationshipType",
    "2.16.840.1.113883.5.1008": THO + "v3-NullFlavor",
    "2.16.840.1.113883.5.1011": THO + "v3-TelecommunicationAddressUse",
    "2.16.840.1.113883.5.1022": THO + "v3-GTSAbbreviation",
    "2.16.840.1.113883.5.1052": THO + "v3-ActSite",
    "2.16.840.1.113883.5.1053": THO + "v3-ActUncertainty",
    "2.16.840.1.113883.5.1057": THO + "v3-ContextControl",
    "2.16.840.1.113883.5.1059": THO + "v3-EmployeeJobClass",
    "2.16.840.1.113883.5.1060": THO + "v3-EntityCode",
    "2.16.840.1.113883.5.1061": THO + "v3-EntityStatus",
    "2.16.840.1.113883.5.1063": THO + "v3-ObservationValue",
    "2.16.840.1.113883.5.1064": THO + "v3-ParticipationMode",
    "2.16.840.1.113883.5.1065": THO + "v3-ProcedureMethod",
    "2.16.840.1.113883.5.1068": THO + "v3-RoleStatus",
    "2.16.840.1.113883.5.1070": THO + "v3-substanceAdminSubstitution",
    "2.16.840.1.113883.5.1075": THO + "v3-PatientImportance",
    "2.16.840.1.113883.5.1076": THO + "v3-ReligiousAffiliation",
    "2.16.840.1.113883.5.1077": THO + "v3-EducationLevel",
    "2.16.840.1.113883.5.1113": THO + "v3-ExposureMode",
    "2.16.840.1.113883.5.1119": THO + "v3-AddressUse",
    "2.16.840.1.113883.5.1120": THO + "v3-EntityNameUseR2",
    "2.16.840.1.113883.5.1121": THO + "v3-EntityNamePartTypeR2",
    "2.16.840.1.113883.5.1122": THO + "v3-EntityNamePartQualifierR2",
    "2.16.840.1.113883.5.1124": THO + "v3-hl7Realm",
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
    "SNM3": THO + "SNM3",
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
    "HCPT": "http://nucc.org/provider-taxonomy",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://hl7.org/fhir/sid/mvx",
    "UCUM": "http://unitsofmeasure.org",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "CDCPHINVS": "urn:oid:2.16.840.1.114222.4.5.274",
    "PHINQUESTION": "urn:oid:2.16.840.1.114222.4.5.232",
    "NND": "urn:oid:2.16.840.1.114222.4.5.277",
    "CDCOCCUPATION2010": "urn:oid:2.16.840.1.114222.4.5.314",
    "CDCINDUSTRY2010": "urn:oid:2.16.840.1.114222.4.5.315",
    "FIPS5_2": "urn:oid:2.16.840.1.113883.6.92",
    "FIPS6_4": "urn:oid:2.16.840.1.113883.6.93",
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238",
    "UNII": "http://fdasis.nlm.nih.gov",
    "NUCC": "http://nucc.org/provider-taxonomy",
    "NPI": "http://hl7.org/fhir/sid/us-npi",
    "USSSA": "http://hl7.org/fhir/sid/us-ssn",
    "SSA": "http://hl7.org/fhir/sid/us-ssn",
    "FDAUNII": "http://fdasis.nlm.nih.gov",
    "NDFRT": "http://hl7.org/fhir/ndfrt",
    "WC": "http://www.whocc.no/atc",
    "MDC": "urn:iso:std:iso:11073:10101",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "CD2": "http://www.ada.org/cdt",
    "CDT": "http://www.ada.org/cdt",
    "CPTM": "http://www.ama-assn.org/go/cpt",
    "ICDO3": THO + "icd-o-3",
    "POS": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
    "UB04FL17": "http://www.nubc.org/patient-discharge",
    "NAICS": "urn:oid:2.16.840.1.113883.6.85",
    "MEDR": "urn:oid:2.16.840.1.113883.6.163",
    "MGPI": "urn:oid:2.16.840.1.113883.6.68",
    "ACTCODE": THO + "v3-ActCode",
    "NULLFL": THO + "v3-NullFlavor",
    "ISO4217": "urn:iso:std:iso:4217",
    "ISO3166_1": "urn:iso:std:iso:3166",
    "ISO3166_2": "urn:iso:std:iso:3166:-2",
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
