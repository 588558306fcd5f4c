"""Where a patient lies survives translation: ward, room and bed stay in their own components."""

from __future__ import annotations

import pytest

from adapters.hl7v2.decode import decode
from adapters.hl7v2.rendered import encode
from hie.model import FeedContext, SubscriberContext, View

HEAD = b"MSH|^~\\&|A|NORTH|H|H|20260310120000-0500||ADT^A01^ADT_A01|1|P|2.5.1\rPID|1||1^^^X^MR||A^B||19700101|F\r"


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (b"2N^201^A", "2N^201^A"),
        (b"2N^201", "2N^201"),
        (b"2N", "2N"),
        (b"^^7", "^^7"),
        (b"ICU^3^1^^^^NORTH^2", "ICU^3^1^^^^NORTH^2"),
    ],
)
def test_each_part_in_its_place(sent: bytes, left: str) -> None:
    [record] = decode(HEAD + b"PV1|1|I|" + sent + b"\r", FeedContext(timezone="America/Chicago"))
    view = View(
        "m", record.event, "E1", record.patient, record.resources, record.sources, b"", authored=record.authored
    )
    made = encode(view, SubscriberContext("s", "k", "", "")).decode()
    [visit] = [line for line in made.split("\r") if line.startswith("PV1")]
    assert visit.split("|")[3] == left
