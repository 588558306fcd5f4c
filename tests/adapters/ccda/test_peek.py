"""Keys before the commit."""

from __future__ import annotations

import pytest

from adapters.ccda.peek import peek
from hie.model import Keys
from tests.adapters.ccda.document import document, one, read, section


def test_keys_of_a_document() -> None:
    assert peek(document()) == Keys(
        format="ccda",
        control_id=b"2.16.840.1.113883.19.9^doc-1",
        event="34133-9",
        ordering=("urn:oid:2.16.840.1.113883.19.5||MRN-77",),
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_keys_in_other_encodings(encoding: str) -> None:
    assert peek(document().decode().encode(encoding)) == peek(document())


def test_the_patient_id_is_no_clinician_s_and_no_null() -> None:
    raw = document(section("8716-3")).replace(
        b'<id root="2.16.840.1.113883.19.5" extension="MRN-77"/>', b'<id nullFlavor="UNK"/>'
    )
    assert peek(raw).ordering == ("http://hl7.org/fhir/sid/us-ssn||987-65-4320",)


def test_no_patient_no_key() -> None:
    assert peek(document(patient="")).ordering == ()


def test_a_document_in_an_envelope() -> None:
    raw = b"<Envelope><Body>" + document()[38:] + b"</Body></Envelope>"
    assert peek(raw).event == "34133-9"
    assert one(read(raw), "Composition")["identifier"]["value"] == "doc-1"
