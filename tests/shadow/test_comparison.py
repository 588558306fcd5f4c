"""Pairs and differences, on messages written for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hie.delivery.shadow import Output
from hie.shadow import fhir, hl7v2
from hie.shadow.pairing import Paired, Sent, pair


def adt(
    control_id: str = "1", mrn: str = "77", phone: str = "5550100", at: str = "20260102030405", extra: str = ""
) -> bytes:
    return (
        f"MSH|^~\\&|A|B|C|D|{at}||ADT^A08^ADT_A01|{control_id}|P|2.5\rEVN|A08|20260102\r"
        f"PID|1||{mrn}^^^NORTH^MR||Okafor^Ada||19700101|F|||||{phone}\r{extra}"
    ).encode()


def output(payload: bytes, number: int = 1) -> Output:
    return Output(number, f"20260102-{number:08d}", "1", "ADT^A08", 1.0, "accepted", payload)


def paired(ours: list[bytes], theirs: list[bytes], ignored: frozenset[str] = frozenset()) -> Paired:
    return pair(
        [output(raw, n) for n, raw in enumerate(ours, 1)],
        [Sent(2.0, f"t{n}", raw) for n, raw in enumerate(theirs, 1)],
        ignored,
    )


def test_the_same_bytes_are_the_same() -> None:
    found = paired([adt()], [adt()])
    assert [dict(p.differences) for p in found.pairs] == [{}]
    assert (found.ours_alone, found.theirs_alone, found.unreadable) == ([], [], [])


def test_the_time_of_writing_does_not_count() -> None:
    assert not paired([adt()], [adt(at="20270101000000")]).pairs[0].differences


@pytest.mark.parametrize(
    ("theirs", "place"),
    [
        (adt(phone="5550199"), "PID-13 differs"),
        (adt(phone=""), "PID-13 only here"),
        (adt(extra="ZPI|1\r"), "ZPI only there"),
        (adt().replace(b"MSH|^~\\&|A|B|C|D|", b"MSH|^~\\&|A|B|C|E|"), "MSH-6 differs"),
    ],
)
def test_a_difference_is_told_by_its_place(theirs: bytes, place: str) -> None:
    assert dict(paired([adt()], [theirs]).pairs[0].differences) == {place: 1}


def test_places_can_be_left_out() -> None:
    assert not paired([adt()], [adt(phone="1", extra="ZPI|1\r")], frozenset({"PID-13", "ZPI"})).pairs[0].differences


def test_an_engine_that_numbers_anew_is_recognised_by_patient_and_event() -> None:
    found = paired([adt("1"), adt("2", mrn="88")], [adt("900", mrn="88"), adt("901")])
    assert [(p.ours.delivery_id, p.theirs.name, dict(p.differences)) for p in found.pairs] == [
        (2, "t1", {"MSH-10 differs": 1}),
        (1, "t2", {"MSH-10 differs": 1}),
    ]


def test_a_message_sent_twice_is_paired_twice_and_no_more() -> None:
    found = paired([adt(), adt()], [adt(), adt(), adt()])
    assert [p.ours.delivery_id for p in found.pairs] == [1, 2]
    assert [control_id for _, control_id in found.theirs_alone] == ["1"]


def test_what_only_one_side_has_stands_alone() -> None:
    found = paired([adt("1", "1")], [adt("2", "2"), b"\x00nothing"])
    assert [o.delivery_id for o in found.ours_alone] == [1]
    assert [control_id for _, control_id in found.theirs_alone] == ["2"]
    assert [s.name for s in found.unreadable] == ["t2"]


def test_other_delimiters_are_read_as_sent() -> None:
    message = hl7v2.read(b"MSH#*!\\&#A#B#C#D#2026##ADT*A01#7#P#2.5\nPID#1##5*x!6*y\n")
    assert message is not None
    assert (message.event, message.control_id) == ("ADT*A01", "7")
    assert message.fingerprint[1:3] == ("5", "6")


def bundle(value: float = 5.4, id: str = "o1", **more: Any) -> bytes:
    patient = {"resourceType": "Patient", "id": f"p-{id}", "identifier": [{"system": "urn:x", "value": "77"}]}
    observation = {"resourceType": "Observation", "id": id, "valueQuantity": {"value": value}, **more}
    entries = [{"fullUrl": f"urn:{id}", "resource": r} for r in (patient, observation)]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def test_bundles_are_compared_by_their_facts_not_by_their_ids() -> None:
    assert not paired([bundle()], [bundle(id="other")]).pairs[0].differences
    assert dict(paired([bundle()], [bundle(5.5, status="final")]).pairs[0].differences) == {
        "Observation.valueQuantity.value only here": 1,
        "Observation.valueQuantity.value only there": 1,
        "Observation.status only there": 1,
    }


@pytest.mark.parametrize("raw", [b"", b"MSH", b"{", b"[]", b"{}", b"\xff\xfe"])
def test_what_cannot_be_read_is_said_to_be(raw: bytes) -> None:
    assert hl7v2.read(raw) is None
    assert fhir.read(raw) is None
