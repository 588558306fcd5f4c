"""The tables: every row compiles, names R4 elements, and maps required codes to codes that R4 has."""

from __future__ import annotations

import re

import pytest

from adapters.hl7v2.codes import table_of
from adapters.hl7v2.rules import builtin, rows, rules_for
from hie.errors import ConfigurationError
from hie.fhir.validate import types


def test_every_row_compiles_and_is_unique() -> None:
    builtin()
    seen = set()
    for row in rows():
        key = (row.segment, row.field, row.kind, row.path)
        assert key not in seen, key
        seen.add(key)
        assert row.name
        assert row.how


def test_table_driven_rows_name_elements_of_r4() -> None:
    for row in rows():
        if row.how in ("python", "structure"):
            continue
        kind = row.kind
        for step in row.path.replace("[0]", "").replace("[]", "").split("."):
            element = types()[kind].elements.get(step)
            assert element is not None, (row.segment, row.field, row.kind, row.path)
            kind = element.kind


@pytest.mark.parametrize(
    ("table", "kind", "element"),
    [
        ("0001", "Patient", "gender"), ("0085", "Observation", "status"), ("0123", "DiagnosticReport", "status"),
        ("0038s", "ServiceRequest", "status"), ("0119s", "ServiceRequest", "status"), ("0038m", "MedicationRequest", "status"),
        ("0119m", "MedicationRequest", "status"), ("0485", "ServiceRequest", "priority"), ("0322", "Immunization", "status"),
        ("0271", "DocumentReference", "docStatus"), ("0127", "AllergyIntolerance", "category"), ("0436", "AllergyIntolerance", "type"),
        ("0200", "HumanName", "use"), ("0278", "Appointment", "status"), ("0017", "ChargeItem", "status"),
    ],
)  # fmt: skip
def test_required_codes_exist(table: str, kind: str, element: str) -> None:
    allowed = types()[kind].elements[element].codes
    mapped = {code for _, code in table_of(table).values()} - {"-"}
    assert mapped
    if allowed is not None:
        assert mapped <= allowed


def test_places_are_written_alike() -> None:
    for row in rows():
        assert re.fullmatch(r"[A-Z][A-Z0-9]{2}", row.segment)


def test_a_wrong_override_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="no conversion"):
        rules_for({"fields": {"ZPI-2": "Patient.name[] nonsense"}})
