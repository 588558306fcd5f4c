"""A decimal arrives at a subscriber with the digits it was sent with (FHIR R4, decimal: the precision is significant)."""

from __future__ import annotations

import copy
import pickle

import orjson
import pytest

from adapters.fhir.bundle import encode
from hie.fhir import digits
from hie.fhir.validate import valid
from hie.model import Record, SubscriberContext, View
from hie.record import body


@pytest.mark.parametrize(
    "text", ["5.00", "0.0", "-0.10", "1.50E3", "1e-7", "12345678901234567890", "0.12345678901234567890"]
)
def test_a_number_is_written_as_it_came(text: str) -> None:
    assert digits.dumps(digits.loads(text)) == text.encode()
    assert digits.loads(text) == float(text)
    assert f"{digits.loads(text)}" == text


def test_a_number_that_loses_nothing_stays_plain() -> None:
    assert type(digits.loads("7.4")) is float
    assert type(digits.loads("5")) is int


def test_it_survives_copies_between_processes() -> None:
    value = {"value": digits.Written("5.00")}
    assert digits.dumps(pickle.loads(pickle.dumps(value))) == b'{"value":5.00}'
    assert digits.dumps(copy.deepcopy(value)) == b'{"value":5.00}'


def test_it_is_kept_through_store_and_encoder() -> None:
    resource = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "glucose"},
        "valueQuantity": {"value": digits.Written("5.00"), "unit": "mmol/L"},
    }
    assert valid([resource])
    packed = body.pack(Record(0, "Bundle", None, (resource,)), {})
    unpacked = body.unpack(packed)
    view = View("m", "Bundle", "", None, tuple(unpacked["resources"]), (), b"")
    assert b'"value":5.00' in encode(view, SubscriberContext("s", "k"))


def test_what_is_no_number_is_still_refused() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        digits.dumps({"a": object()})
