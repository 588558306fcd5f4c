"""Invariant 7: a value that is changed changes a resource, or its place is listed as unmapped; the raw bytes stay."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hie import registry
from hie.model import FeedContext, Record
from hie.simulation import documents, messages
from hie.simulation.people import married, someone
from tests.node import Site

CHANCE = random.Random(70)
PERSON = married(someone(CHANCE).named(ssn="912-34-5678"), CHANCE)
SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")
SAMPLES = {
    "admission": messages.admission(PERSON, "T1", *SENDING, "A01", "TR-1", "V1"),
    "laboratory": messages.laboratory(PERSON, "T1", *SENDING, "TR-2", "77", CHANCE),
    "immunization": messages.immunization(PERSON, "T1", *SENDING, "TR-3", "78"),
    "reportable": messages.reportable(PERSON, "T1", *SENDING, "TR-4", "79"),
    "merge": messages.merge(PERSON, "T1", "T9", *SENDING, "TR-5"),
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# how the message is framed, routed and counted: header fields and the serial numbers of segments
FRAMING = {
    "MSH-1",
    "MSH-2",
    "MSH-5",
    "MSH-6",
    "MSH-9",
    "MSH-11",
    "MSH-12",
    "MSH-15",
    "MSH-16",
    "MSH-17",
    "MSH-18",
    "EVN-1",
}
SERIAL = re.compile(r"(PID|PV1|NK1|OBX|DG1|AL1|IN1|OBR|NTE|RXA)\[?\d*\]?-1\Z")
# what says again what is said elsewhere in the same message, or steers how a segment is read
SAID_ELSEWHERE = {
    "AL1-2.2": "the words of the code in AL1-2.1",
    "AL1-2.3": "the table that AL1-2 always has",
    "AL1-4.2": "the words of the code in AL1-4.1",
    "AL1-4.3": "the table that AL1-4 always has",
    "IN1-2.3": "no code system: a plan number of the payer in IN1-3, which is kept beside it",
    "ORC-1.1": "order control: what the OBR and RXA below say again in their status",
    "ORC-2.2": "OBR-2.2",
    "ORC-3.2": "OBR-3.2",
    "NTE-2.1": "whether the laboratory or the orderer remarks",
    "RXA-2.1": "a serial number",
    "RXA-9.2": "the words of the code in RXA-9.1",
    "RXA-9.3": "the table that RXA-9 always has",
    "RXA-21.1": "add, which is how every record begins",
}
Decode = Callable[[bytes, FeedContext], Iterator[Record]]


def places(raw: bytes) -> Iterator[tuple[str, int, int, int, str]]:
    """(place as `OBX[2]-5`, segment, field, component, value) of every populated component."""
    seen: dict[str, int] = {}
    for s, line in enumerate(raw.decode().rstrip("\r").split("\r")):
        fields = line.split("|")
        name = fields[0]
        seen[name] = seen.get(name, 0) + 1
        for f, value in enumerate(fields[1:], 1):
            number = f + 1 if name == "MSH" else f
            for c, component in enumerate(value.split("^")):
                if any(map(str.isalnum, component)) and (name, f) != ("MSH", 1):
                    yield f"{name}[{seen[name]}]-{number}", s, f, c, component


def changed(raw: bytes, segment: int, field: int, component: int) -> bytes:
    """The message with one component altered: another digit, another letter, nothing else."""
    lines = raw.decode().split("\r")
    fields = lines[segment].split("|")
    parts = fields[field].split("^")
    value = parts[component]
    for at in range(len(value) - 1, -1, -1):
        if value[at].isalnum():
            other = str((int(value[at]) + 1) % 10) if value[at].isdigit() else ("q" if value[at] not in "qQ" else "x")
            value = value[:at] + other + value[at + 1 :]
            break
    parts[component] = value
    fields[field] = "^".join(parts)
    lines[segment] = "|".join(fields)
    return "\r".join(lines).encode()


def understood(decode: Decode, raw: bytes) -> tuple[str, list[str]]:
    """(everything the resources and statements say, ids apart; places listed as unmapped or warned of)."""
    said: list[Any] = []
    listed: list[str] = []
    for record in decode(raw, FeedContext()):
        said += [record.resources, [(s.kind, tuple(s.survivor), tuple(s.prior)) for s in record.statements]]
        said += [record.control_id, record.sender, record.authored, record.occurred]
        listed += [u.where for u in record.unmapped] + [w.where for w in record.warnings]
    return _UUID.sub("id", orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()), listed


def vanished(decode: Decode, raw: bytes) -> list[str]:
    """Populated places that neither reach a resource nor are listed."""
    before, listed = understood(decode, raw)
    found = []
    for place, segment, field, component, _ in places(raw):
        plain = re.sub(r"\[\d+\]", "", place)
        if plain in FRAMING or SERIAL.match(place):
            continue
        after, listed_after = understood(decode, changed(raw, segment, field, component))
        silent = f"{plain}.{component + 1}" not in SAID_ELSEWHERE
        if silent and after == before and not any(_covers(where, place, plain) for where in (*listed, *listed_after)):
            found.append(f"{place}.{component + 1}")
    return found


def _covers(where: str, place: str, plain: str) -> bool:
    """`PID-5`, `OBX[2]-5.1`, `OBX[2]` and the like name the place or the whole segment it is in."""
    segment = place.partition("-")[0]
    if "-" not in where:
        return where in (segment, re.sub(r"\[\d+\]", "", segment))
    found = re.match(r"([A-Z0-9]{3})(\[\d+\])?-(\d+)", where)
    if found is None:
        return False
    field = place.rpartition("-")[2]
    return found[3] == field and (f"{found[1]}{found[2] or ''}" in (segment, plain.partition("-")[0]))


DECODE: Decode = registry.decoder("hl7v2", "decode")


@pytest.mark.invariant(7)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_populated_place_reaches_a_resource_or_is_listed(name: str) -> None:
    assert vanished(DECODE, SAMPLES[name]) == []


@pytest.mark.broken(7)
def test_a_decoder_that_loses_places_silently_is_caught() -> None:
    """Broken twice: one that keeps no list, one that forgets the notes."""

    def silent(raw: bytes, context: FeedContext) -> Iterator[Record]:
        for record in DECODE(raw, context):
            yield replace(record, unmapped=(), warnings=())

    def deaf(raw: bytes, context: FeedContext) -> Iterator[Record]:
        return DECODE(b"\r".join(line for line in raw.split(b"\r") if not line.startswith(b"NTE")), context)

    odd = SAMPLES["laboratory"] + b"ZZZ|1|something of our own\r"
    assert vanished(DECODE, odd) == []
    assert any("ZZZ" in place for place in vanished(silent, odd))
    assert any("NTE" in place for place in vanished(deaf, odd))


@pytest.mark.invariant(1, 7)
def test_the_raw_bytes_stay_as_they_came(site: Site) -> None:
    odd = SAMPLES["laboratory"].replace(b"TR-2", b"TR-9") + "ZZZ|1|ümlaut and \\T\\ and   spaces \r".encode("latin-1")
    for raw in (*SAMPLES.values(), odd):
        site.send(raw)
    document = documents.care_document(PERSON, "H1", 1)
    page = documents.fax(PERSON, "H1") + b"\x0c\xff\xfe odd bytes"
    receipts = {
        site.post("harbor", document, "application/xml").json()["message_id"]: document,
        site.post("harbor-fax", page, "text/plain").json()["message_id"]: page,
    }
    site.settled()
    kept = {id: raw for id, _, raw, _ in site.journal()}
    assert set(kept.values()) == {*SAMPLES.values(), odd, document, page}
    assert all(kept[id] == raw for id, raw in receipts.items())
