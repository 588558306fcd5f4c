"""What a patient is told: everything that happened to their records, nothing about anybody else's."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import Connection, Engine, insert

from hie.audit.accounting import Accounting, Party, View, account, other_eids
from hie.store.tables import disclosure, message

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
PARTIES = {
    "lee": Party("Dr Lee's clinic"),
    "north": Party("North Hospital"),
    "haven": Party("Haven Recovery", part2=True),
    "state": Party("the State Health Department"),
}
ADMISSION, RESULT = "20260503-1", "20260503-2"


def at(year: int, month: int, day: int, hour: int = 12) -> float:
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


@pytest.fixture
def put(engine: Engine) -> Callable[..., None]:
    with engine.begin() as connection:
        for id, event, format in (
            (ADMISSION, "ADT^A01", "hl7v2"),
            (RESULT, "ORU^R01", "hl7v2"),
            ("doc", "34133-9", "ccda"),
        ):
            connection.execute(
                insert(message).values(
                    id=id, feed="n", format=format, event=event, control_id="", received_at=0, processed_at=0,
                    sha256=b"", outcome="routed", reason="routed", configuration="c",
                )
            )  # fmt: skip
    ids = iter(range(1, 100))

    def add(**values: object) -> None:
        decision = values.pop("decision", {"released": {"Encounter": 1}, "withheld": {}, "rules": [], "reasons": []})
        row = {
            "delivery_id": next(ids), "kind": "push", "at": at(2026, 5, 3), "state": "delivered", "eid": "E1",
            "mpi_record": 1, "message_id": ADMISSION, "source": "north", "recipient": "lee", "purpose": "TREAT",
            "epoch": 1, "policy": "p", "decision": orjson.dumps(decision),
        } | values  # fmt: skip
        with engine.begin() as connection:
            connection.execute(insert(disclosure).values(**row))

    return add


@pytest.fixture
def told(reader: Engine) -> Callable[..., Accounting]:
    def tell(view: View = View.EVERYTHING, language: str = "en", zone: str = "UTC") -> Accounting:
        with reader.connect() as connection:
            return account(
                connection, {"E1"}, [1, 2], PARTIES, view=view, language=language, zone=ZoneInfo(zone), now=NOW
            )

    return tell


Put = Callable[..., None]
Told = Callable[..., Accounting]


def test_a_disclosure_is_a_plain_sentence(put: Put, told: Told) -> None:
    put()
    assert told().sentences == [
        "On 3 May 2026 your hospital stay notice from North Hospital went to Dr Lee's clinic for treatment."
    ]
    assert told(language="es").sentences == [
        "El 3 de mayo de 2026 se envió a Dr Lee's clinic su aviso de estancia hospitalaria, de North Hospital, para su tratamiento."
    ]


def test_what_was_held_back_is_said_with_the_reason(put: Put, told: Told) -> None:
    decision = {
        "released": {"Encounter": 1},
        "withheld": {"Condition": 2},
        "rules": ["regime"],
        "reasons": [
            {"verdict": "permit", "text": "Released because the region allows it."},
            {"verdict": "deny", "text": "Held back because the state's law needs your consent.", "rule": "regime"},
        ],
    }
    put(decision=decision, state="delivered-redacted")
    assert told().sentences[0].endswith("2 parts were held back: because the state's law needs your consent.")
    assert told(language="es").sentences[0].endswith("Se retuvieron 2 partes.")


@pytest.mark.invariant(3)
@pytest.mark.parametrize("state", ["unknown", "begun", "a-state-of-next-year"])
def test_an_unknown_outcome_may_have_been_received(put: Put, told: Told, state: str) -> None:
    put(state=state)
    assert "may have been received by Dr Lee's clinic" in told().sentences[0]
    assert not told().entries[0].received
    assert "es posible" in told(language="es").sentences[0]


def test_a_retried_delivery_is_told_once_as_it_ended(put: Put, told: Told) -> None:
    put(delivery_id=7, state="failed", at=at(2026, 5, 1))
    put(delivery_id=7, state="unknown", at=at(2026, 5, 2))
    put(delivery_id=7, state="delivered", at=at(2026, 5, 3))
    put(delivery_id=8, state="unknown", at=at(2026, 5, 4))
    put(delivery_id=8, state="failed", at=at(2026, 5, 5))
    put(delivery_id=9, state="failed", at=at(2026, 5, 6))
    found = told()
    assert [e.received for e in found.entries] == [True, False]
    assert (found.disclosures, found.not_received) == (2, 1)


def test_repeats_are_told_once_with_their_number(put: Put, told: Told) -> None:
    for day in (9, 3, 5):
        put(message_id=RESULT, at=at(2026, 5, day))
    put(message_id=RESULT, at=at(2026, 5, 4), recipient="state", purpose="PUBHLTH")
    found = told()
    assert found.sentences == [
        "Between 3 May 2026 and 9 May 2026 your test results from North Hospital went 3 times to Dr Lee's clinic for treatment.",
        "On 4 May 2026 your test results from North Hospital went to the State Health Department for public health.",
    ]
    assert sum(len(e.disclosures) for e in found.entries) == found.disclosures == 4


def test_a_pull_is_a_look(put: Put, told: Told) -> None:
    put(delivery_id=None, kind="read", message_id=None, mpi_record=None, source="")
    assert told().sentences == ["On 3 May 2026 your health record was looked up by Dr Lee's clinic for treatment."]


def test_six_years_without_treatment_payment_operations(put: Put, told: Told) -> None:
    for purpose in ("TREAT", "ETREAT", "HPAYMT", "ELIGDTRM", "HOPERAT", "HQUALIMP", "PATRQT"):
        put(purpose=purpose)
    for purpose in ("PUBHLTH", "HRESCH", "BTG", "X-LOCAL"):
        put(purpose=purpose)
    put(purpose="HRESCH", recipient="state", at=at(2020, 5, 31))
    put(purpose="HRESCH", recipient="state", at=at(2020, 6, 1, 1))
    found = told(View.SIX_YEARS)
    assert sorted(e.purpose for e in found.entries) == ["BTG", "HRESCH", "HRESCH", "PUBHLTH", "X-LOCAL"]
    assert found.disclosures == 5


def test_three_years_of_substance_use_programmes(put: Put, told: Told) -> None:
    put()
    put(source="haven")
    put(decision={"released": {}, "withheld": {"Condition": 1}, "rules": ["regime-part2"], "reasons": []})
    put(source="haven", at=at(2023, 5, 31))
    found = told(View.PART_2)
    assert found.disclosures == 2
    assert all(e.part2 for e in found.entries)


def test_nobody_is_told_of_anothers_disclosures(put: Put, told: Told) -> None:
    """Registration 9 was linked to this person by mistake; the link was undone."""
    put(eid="E1", mpi_record=9, recipient="state")
    put(eid="E7", mpi_record=2)
    assert [e.recipient for e in told().entries] == ["lee"]


def test_past_ids_are_found_by_registrations(put: Put, reader: Engine) -> None:
    put(eid="E7", mpi_record=2)
    put(eid="E8", mpi_record=9)
    with reader.connect() as connection:
        assert other_eids(connection, [1, 2]) == {"E7"}


def test_days_are_those_of_the_region(put: Put, told: Told) -> None:
    put(at=at(2026, 5, 4, 2))
    assert told(zone="America/New_York").sentences[0].startswith("On 3 May 2026")
    assert told().sentences[0].startswith("On 4 May 2026")


def test_nothing_to_tell_is_said(told: Told) -> None:
    assert told().sentences == ["Nobody received your records in this period."]


def test_a_29_february_has_a_day_six_years_before(reader: Engine) -> None:
    with reader.connect() as connection:
        now = datetime(2028, 2, 29, tzinfo=UTC).timestamp()
        found = account(connection, {"E1"}, [1], {}, view=View.SIX_YEARS, now=now)
    assert found.since == datetime(2022, 3, 1, tzinfo=UTC).timestamp()


def test_ten_thousand_disclosures_take_less_than_a_second(engine: Engine, put: Put, told: Told) -> None:
    put()

    def fill(connection: Connection) -> None:
        decision = orjson.dumps({"released": {"Observation": 4}, "withheld": {}, "rules": ["default"], "reasons": []})
        rows = [
            {
                "delivery_id": 1000 + i, "kind": "push", "at": NOW - i * 3600.0, "state": "delivered", "eid": "E1",
                "mpi_record": 1, "message_id": RESULT, "source": "north", "recipient": f"clinic-{i % 40}",
                "purpose": "TREAT", "epoch": 1, "policy": "p", "decision": decision,
            }
            for i in range(10_000)
        ]  # fmt: skip
        connection.execute(insert(disclosure), rows)

    with engine.begin() as connection:
        fill(connection)
    begin = time.process_time()
    found = told()
    assert found.disclosures == 10_001
    assert time.process_time() - begin < 1.0
