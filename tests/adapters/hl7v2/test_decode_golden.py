"""One invented message of every type against its reviewed output. HIE_GOLDEN=write rewrites the expectations."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adapters.hl7v2.decode import decode
from hie.fhir.validate import issues
from hie.model import FeedContext, Record

HERE = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in HERE.glob("*.hl7"))


def shown(record: Record) -> dict[str, object]:
    return {
        "event": record.event,
        "patient": record.patient,
        "processing": record.processing,
        "control_id": record.control_id,
        "authored": record.authored,
        "occurred": record.occurred,
        "resources": list(record.resources),
        "sources": [list(s) for s in record.sources],
        "warnings": [list(w) for w in record.warnings],
        "unmapped": [list(u) for u in record.unmapped],
        "statements": [[s.kind.value, s.survivor.key, s.prior.key] for s in record.statements],
        "deleted": [list(x) for x in record.deleted],
    }


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    raw = (HERE / f"{name}.hl7").read_bytes()
    records = list(decode(raw, FeedContext()))
    found = [shown(record) for record in records]
    expected = HERE / f"{name}.json"
    if os.environ.get("HIE_GOLDEN") == "write":
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(expected.read_text("utf-8"))
    assert [i for record in records for i in issues(record.resources)] == []
    assert [w for record in records for w in record.warnings if w.code in ("segment-failed", "element-removed")] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_gives_the_same_bytes(name: str) -> None:
    raw = (HERE / f"{name}.hl7").read_bytes()
    assert [shown(r) for r in decode(raw, FeedContext())] == [shown(r) for r in decode(raw, FeedContext())]


@pytest.mark.invariant(7)
@pytest.mark.parametrize("name", NAMES)
def test_every_segment_is_accounted_for(name: str) -> None:
    raw = (HERE / f"{name}.hl7").read_bytes()
    covered: set[str] = set()
    for record in decode(raw, FeedContext()):
        covered |= {s.where for s in record.sources} | {u.where.partition("-")[0] for u in record.unmapped}
    counts: dict[str, int] = {}
    for line in raw.decode().splitlines():
        segment = line[:3]
        counts[segment] = counts.get(segment, 0) + 1
        place = "MSH" if segment == "MSH" else f"{segment}[{counts[segment]}]"
        assert place in covered or segment in covered, place
