"""OIDs and names of table 0396 lead where the registries say, and nowhere else."""

from __future__ import annotations

import pytest

from hie.codes.systems import OID_TO_URI, V2_NAME_TO_URI, from_oid, from_v2_name, is_oid

THO = "http://terminology.hl7.org/CodeSystem/"


@pytest.mark.parametrize(
    ("oid", "uri"),
    [
        ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
        ("2.16.840.1.113883.6.209", "http://hl7.org/fhir/ndfrt"),
        ("2.16.840.1.113883.6.24", "urn:iso:std:iso:11073:10101"),
        ("1.2.840.10008.2.16.4", "http://dicom.nema.org/resources/ontology/DCM"),
        ("2.16.840.1.113883.5.85", THO + "v3-orderableDrugForm"),
        ("2.16.840.1.113883.5.88", THO + "v3-ParticipationFunction"),
        (
            "2.16.840.1.113883.6.92",
            "urn:oid:2.16.840.1.113883.6.92",
        ),  # FIPS 5-2: its 08 is no code of the postal service
        ("2.16.840.1.113883.12.69", THO + "v2-0069"),
        ("2.16.840.1.113883.3.9999.7", "urn:oid:2.16.840.1.113883.3.9999.7"),
    ],
)
def test_an_oid(oid: str, uri: str) -> None:
    assert from_oid(oid) == uri


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("LN", "http://loinc.org"),
        ("ln", "http://loinc.org"),
        ("HCPT", "http://nucc.org/provider-taxonomy"),  # provider taxonomy, not the procedures of HCPCS
        ("SNM3", THO + "SNM3"),  # SNOMED International: its T-28000 is no code of SNOMED CT
        ("WC", "http://www.whocc.no/atc"),
        ("ATC", "urn:hie:system:ATC"),  # in table 0396 the American Type Culture Collection
        ("MDC", "urn:iso:std:iso:11073:10101"),
        ("HL70069", THO + "v2-0069"),
        ("99LAB", "urn:hie:system:99LAB"),
    ],
)
def test_a_name_of_table_0396(name: str, uri: str) -> None:
    assert from_v2_name(name) == uri


def test_every_key_is_an_oid_and_every_value_a_uri() -> None:
    assert all(is_oid(oid) for oid in OID_TO_URI)
    assert all(
        uri.startswith(("http://", "https://", "urn:")) for uri in (*OID_TO_URI.values(), *V2_NAME_TO_URI.values())
    )
    assert all(name == name.upper() for name in V2_NAME_TO_URI)
