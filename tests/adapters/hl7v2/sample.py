"""Short hand for decoder tests: a message from segment lines, and look-ups in its record."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.decode import decode
from hie.fhir.validate import issues
from hie.model import FeedContext, Record, Resource

PID = "PID|1||448812^^^NORTH^MR||Okafor^Grace||19790412|F"


def header(
    event: str = "ORU^R01", control: str = "1", processing: str = "P", stamp: str = "20240305101530-0500"
) -> str:
    return rf"MSH|^~\&|LAB|NORTH|HIE|REGION|{stamp}||{event}|{control}|{processing}|2.5.1"


def records(*lines: str, context: FeedContext | None = None) -> list[Record]:
    found = list(decode("\r".join(lines).encode(), context or FeedContext()))
    for one in found:
        assert issues(one.resources) == []
        assert not [w for w in one.warnings if w.code == "segment-failed"]
    return found


def record(*lines: str, context: FeedContext | None = None) -> Record:
    found = records(*lines, context=context)
    assert len(found) == 1
    return found[0]


def every(found: Record, kind: str) -> list[Resource]:
    return [r for r in found.resources if r["resourceType"] == kind]


def only(found: Record, kind: str) -> Any:
    made = every(found, kind)
    assert len(made) == 1, [r["resourceType"] for r in found.resources]
    return made[0]


def lost(found: Record) -> set[str]:
    return {u.where for u in found.unmapped}


def codes(found: Record) -> set[str]:
    return {w.code for w in found.warnings}
