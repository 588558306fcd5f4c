"""No precision, offset or time that nobody sent; what FHIR cannot hold is kept as text and named."""

from __future__ import annotations

import pytest

from hie.model import FeedContext
from tests.adapters.ccda.document import codes, document, entry, one, read, section

DERIVED = {"url": "urn:hie:derived-offset", "valueBoolean": True}


def observed(time: str, context: FeedContext | None = None):  # type: ignore[no-untyped-def]
    body = (
        '<observation classCode="OBS" moodCode="EVN"><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        f'{time}<value xsi:type="PQ" value="170" unit="cm"/></observation>'
    )
    record = read(
        document(section("8716-3", entry(body)), author="", custodian=""),
        context or FeedContext(timezone="America/Chicago"),
    )
    return one(record, "Observation"), record


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2024", "2024"),
        ("202403", "2024-03"),
        ("20240305", "2024-03-05"),
        ("202403052359-0500", "2024-03-05T23:59:00-05:00"),
        ("20240305000000+0000", "2024-03-05T00:00:00+00:00"),
        ("20240305143015.123-0800", "2024-03-05T14:30:15.123-08:00"),
        ("202407041200", "2024-07-04T12:00:00-05:00"),
        ("202401041200", "2024-01-04T12:00:00-06:00"),
    ],
)
def test_a_time_is_as_precise_as_it_was_sent(sent: str, expected: str) -> None:
    made, record = observed(f'<effectiveTime value="{sent}"/>')
    assert made["effectiveDateTime"] == expected
    assert record.unmapped == ()


@pytest.mark.parametrize("sent", ["202403100230", "202411030130"])
def test_a_local_time_that_never_was_or_was_twice_is_a_doubt(sent: str) -> None:
    made, record = observed(f'<effectiveTime value="{sent}"/>')
    assert "time-dst-doubt" in codes(record)
    assert made["_effectiveDateTime"]["extension"] == [DERIVED]


def test_an_offset_that_was_sent_is_not_marked() -> None:
    made, _ = observed('<effectiveTime value="202403051015-0600"/>')
    assert "_effectiveDateTime" not in made


def test_an_odd_offset_is_kept_and_named() -> None:
    made, record = observed('<effectiveTime value="202403051015+0215"/>')
    assert made["effectiveDateTime"] == "2024-03-05T10:15:00+02:15"
    assert "offset-odd" in codes(record)


@pytest.mark.parametrize("sent", ["00010101000000", "00000000", "20240230", "2024-02-30", "Mar 5", "24030", "3/5/2024"])
def test_what_is_no_time_is_named_never_guessed(sent: str) -> None:
    made, record = observed(f'<effectiveTime value="{sent}"/>')
    assert "effectiveDateTime" not in made
    assert "time-invalid" in codes(record)
    assert [each.where.rpartition("/")[2] for each in record.unmapped] == ["@value"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2024-03-05", "2024-03-05"),
        ("2024-03-05T10:15:00-05:00", "2024-03-05T10:15:00-05:00"),
        ("2024-03-05T10:15:00.5Z", "2024-03-05T10:15:00.5Z"),
        ("2024-03-05 10:15", "2024-03-05T10:15:00-06:00"),
    ],
)
def test_the_form_of_xml_schema_is_understood_and_named(sent: str, expected: str) -> None:
    made, record = observed(f'<effectiveTime value="{sent}"/>')
    assert made["effectiveDateTime"] == expected
    assert codes(record) == ["time-form"]
    assert record.unmapped == ()


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ('<low value="20240301"/><high value="20240305"/>', {"start": "2024-03-01", "end": "2024-03-05"}),
        ('<low value="202403"/>', {"start": "2024-03"}),
        ('<high value="2024"/>', {"end": "2024"}),
        ('<low nullFlavor="UNK"/><high value="2024"/>', {"_start": "unknown", "end": "2024"}),
        ('<low value="2024"/><high nullFlavor="NA"/>', {"start": "2024", "_end": "not-applicable"}),
    ],
)
def test_an_interval_has_the_bounds_that_were_sent(time: str, expected: dict[str, str]) -> None:
    made, _ = observed(f"<effectiveTime>{time}</effectiveTime>")
    found = {
        key: value if isinstance(value, str) else value["extension"][0]["valueCode"]
        for key, value in made["effectivePeriod"].items()
    }
    assert found == expected


def test_a_time_without_a_zone_anywhere_stays_a_date_with_its_text() -> None:
    made, record = observed('<effectiveTime value="202403051015"/>', FeedContext())
    assert made["effectiveDateTime"] == "2024-03-05"
    assert made["_effectiveDateTime"]["extension"][0]["valueString"] == "202403051015"
    assert "time-without-zone" in codes(record)
