"""Thousands of like results in one message (monitors, waveforms) cost in proportion, not by their square."""

from __future__ import annotations

import time

from adapters.hl7v2.decode import decode
from hie.model import FeedContext

HEAD = b"MSH|^~\\&|MON|ICU|H|H|20260310||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||1^^^X^MR||A^B||19700101|F\rOBR|1|||8867-4^HR^LN\r"


def test_eight_thousand_like_results() -> None:
    raw = HEAD + b"".join(b"OBX|%d|NM|8867-4^HR^LN||%d|/min|||||F\r" % (n, n % 200) for n in range(1, 8001))
    begun = time.process_time()
    [record] = decode(raw, FeedContext())
    assert time.process_time() - begun < 10
    found = [r for r in record.resources if r["resourceType"] == "Observation"]
    assert len({r["id"] for r in found}) == len(found) == 8000
