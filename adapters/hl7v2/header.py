"""MSH, SFT, EVN, MSA -> MessageHeader. Sources: HL7 v2.8.2 section 2.14.9 (MSH), 3.4.1 (EVN); FHIR R4 MessageHeader."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei, hd_identifier
from adapters.hl7v2.parties import organization
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import TEXTS, put_instant, put_time, time_of
from adapters.hl7v2.visit import planned
from hie.model import Resource

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
EVENTS = THO + "v2-0003"
INSTALLED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Device.version.installDate"
"""R4's Device.version has no date; the standard extension carries R5's."""
_RESPONSES = {
    "AA": "ok",
    "CA": "ok",
    "AE": "transient-error",
    "CE": "transient-error",
    "AR": "fatal-error",
    "CR": "fatal-error",
}


def msh(d: Draft, s: Segment) -> None:
    header = d.add("MessageHeader", d.scope, d.control_id)
    d.now["header"] = header
    d.owner = header
    parts = [d.text(p) for p in d.parts(s.get(9).partition(d.message.repetition)[0])]
    parts += [""] * (3 - len(parts))
    if parts[1]:
        coding = {"system": EVENTS, "code": parts[1]}
    else:
        coding = {"system": THO + "v2-0076", "code": parts[0] or parts[2]}
    shown = "^".join(p for p in parts[:3] if p)
    if not coding["code"]:
        coding = {"system": ABSENT.replace("/fhir/StructureDefinition", "/CodeSystem"), "code": "unknown"}
        coding["system"] = THO + "data-absent-reason"
    elif shown != coding["code"]:
        coding["display"] = shown
    header["eventCoding"] = coding
    _destination(d, s, header)
    if sender := _facility(d, s, 4):
        header["sender"] = sender
    header["source"] = _endpoint(d, s, 3, 24)
    if language := d.first(s.get(19)):
        header["language"] = language
        d.rest(s, 19, 0, d.parts(s.get(19).partition(d.message.repetition)[0]), 1)
    if processing := d.first(s.get(11)):
        coded = d.coded("0103", processing)
        header["meta"] = {"tag": [{**({"system": coded[0]} if coded else {}), "code": processing}]}
        if (mode := s.get(11).split(d.message.component)[1:2]) and mode[0]:
            header["meta"]["tag"].append({"system": THO + "v2-0207", "code": d.text(mode[0])})
    _profiles(d, s, header)
    d.source(s, header)
    fill(d, s, header)
    _time(d, s)


def _profiles(d: Draft, s: Segment, header: Resource) -> None:
    """MSH-17 country and MSH-21 message profiles: tags of the message."""
    tags = []
    for rep, part in d.repeats(s.get(21)) if s.get(21) else ():
        if found := ei(d, s, 21, part, rep):
            tag = {"code": found["value"]}
            if "system" in found:
                tag["system"] = found["system"]
            if name := found.get("assigner", {}).get("display"):
                tag["display"] = name
            tags.append(tag)
    if country := d.first(s.get(17)):
        tags.append({"system": "urn:iso:std:iso:3166", "code": country})
    if tags:
        header.setdefault("meta", {}).setdefault("tag", []).extend(tags)


def _time(d: Draft, s: Segment) -> None:
    raw = s.get(7)
    if not raw:
        return
    time = time_of(d, raw)
    if d.authored is None:  # read ahead in decode: the record's own time
        if time.value:  # Provenance.recorded is an instant; its occurred[x] takes what there is
            d.occurred = time.value
            d.warn(time.warning or "time-not-instant", s, 7, "MSH-7 is not precise enough for an instant")
        else:
            d.warn("time-invalid", s, 7, "not a time stamp, or an impossible date")
            d.lose(s, 7)


def _endpoint(d: Draft, s: Segment, application: int, address: int) -> dict[str, Any]:
    """Name and endpoint of a sending or receiving application: its network address, else its universal id."""
    made: dict[str, Any] = {}
    identifier, name = hd_identifier(d, s.get(application)) if s.get(application) else (None, "")
    if name:
        made["name"] = name
    network = d.first(s.get(address))
    d.rest(s, address, 0, d.parts(s.get(address)), 1)
    if len(network.split()) == 1:
        made["endpoint"] = network
    elif network:
        d.lose(s, address)
    if identifier and "endpoint" not in made and len(identifier["value"].split()) == 1:
        made["endpoint"] = identifier["value"]
        identifier = None
    if identifier and application == 5:  # the address is another one, or the id none: the system itself, by its number
        made["target"] = {"type": "Device", "identifier": identifier}
    elif identifier:
        d.lose(s, application, 0, 2)
    if "endpoint" not in made:
        made["_endpoint"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    return made


def _destination(d: Draft, s: Segment, header: Resource) -> None:
    if not (s.get(5) or s.get(6) or s.get(23) or s.get(25)):
        return
    made = _endpoint(d, s, 5, 25)
    receiver = organization(d, s, 23, s.get(23)) if s.get(23) else None
    facility = _facility(d, s, 6)
    if receiver is None:
        receiver = facility
        facility = None
    if receiver is not None:
        made["receiver"] = receiver
    header["destination"] = [made]
    if facility is not None:  # MSH-23 names another organisation than the facility of MSH-6
        absent = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        header["destination"].append({"_endpoint": absent, "receiver": facility})


def _facility(d: Draft, s: Segment, n: int) -> dict[str, Any] | None:
    """MSH-4 or MSH-6: an Organization if it has a name, else a logical reference."""
    raw = s.get(n)
    if not raw:
        return None
    raw = raw.partition(d.message.repetition)[0]
    identifier, name = hd_identifier(d, raw)
    if name:
        seed = (identifier.get("system", ""), identifier["value"]) if identifier else (d.scope, name)
        resource = d.add("Organization", *seed)
        resource["name"] = name
        if identifier:
            resource["identifier"] = [identifier]
        d.source(s, resource)
        return d.ref(resource)
    return {"type": "Organization", "identifier": identifier} if identifier else None


def sft(d: Draft, s: Segment) -> None:
    header = d.now.get("header")
    if header is None:
        return
    vendor, version, name, binary = (d.first(s.get(n)) for n in (1, 2, 3, 4))
    first = "software" not in header["source"] and "version" not in header["source"]
    if first:
        fill(d, s, header)
    else:
        fill(d, s)
        for n in (2, 3):  # they are on the device
            d.lost.pop(d.where(s, n), None)
    d.source(s, header)
    if not (vendor or binary or (not first and (version or name))):
        for n in (5, 6):
            if s.get(n):
                d.lose(s, n)
        return
    program = d.add("Device", d.scope, vendor, name, version, binary)
    parts = d.parts(s.get(1))
    d.rest(s, 1, 0, [*parts[:1], "", *parts[2:]] if parts[1:2] in (["L"], ["D"]) else parts, 1)
    if vendor:
        program["manufacturer"] = vendor
    if name:
        program["deviceName"] = [{"name": name, "type": "model-name"}]
    versions = [{"value": version}] if version else []
    if binary:
        # SFT-4 tells one build of a program from another: an identifier more than a version
        program["identifier"] = [{"value": binary}]
    if versions:
        program["version"] = versions
    if (installed := s.get(6)) and not versions:
        d.lose(s, 6)
    elif installed:
        held: dict[str, Any] = {}
        if put_time(d, s, 6, installed, held, "value"):
            program["version"][0]["extension"] = [{"url": INSTALLED, "valueDateTime": held["value"]}]
    if notes := d.first(s.get(5)):
        program["note"] = [{"text": notes}]
    d.source(s, program)


def evn(d: Draft, s: Segment) -> None:
    header = d.now.get("header")
    fill(d, s, header)
    _when(d, s, header)
    if s.get(3):
        d.later.append(lambda: planned(d, s))
    if (place := s.get(7)) and d.first(place) != d.first(
        d.message.segments[0].get(4)
    ):  # the sender's own name says no more
        d.lose(s, 7)
    d.source(s, header)


def _when(d: Draft, s: Segment, header: Resource | None) -> None:
    """EVN-6, else EVN-2, is when it happened. What else was recorded at another time stays at the header's own time: one
    value there, an instant where it is one, else as it was sent."""
    read = [(n, raw, time_of(d, raw)) for n in (6, 2) if (raw := s.get(n))]
    for n, _, time in read:
        if not time.value:
            d.warn("time-invalid", s, n, TEXTS["time-invalid"])
            d.lose(s, n)
    read = [one for one in read if one[2].value]
    if not read:
        return
    others = [(s, *one) for one in read[1:]]
    msh = d.message.segments[0]
    if d.authored is None and d.occurred:  # MSH-7 without an offset is no instant of the record
        others.insert(0, (msh, 7, msh.get(7), time_of(d, msh.get(7))))
    first = read[0]
    d.occurred = first[2].value
    d.now["occurred"] = first[1]
    if first[2].warning:
        d.warn(first[2].warning, s, first[0], TEXTS[first[2].warning])
        others.append((s, *first))
    told = {d.first(first[1])} if first[2].instant else set()
    for segment, n, raw, time in others:
        if header is None or d.first(raw) in told or time.value == d.authored:
            continue
        told.add(d.first(raw))
        meta = header.setdefault("meta", {})
        if "lastUpdated" not in meta and "_lastUpdated" not in meta:
            put_instant(d, segment, n, raw, meta, "lastUpdated")
        elif n != first[0]:  # of that one at least the date stands where it happened
            d.lose(segment, n)


def msa(d: Draft, s: Segment) -> None:
    header = d.now.get("header")
    if header is not None and s.get(2):
        code = d.first(s.get(1))
        header["response"] = {"identifier": d.first(s.get(2)), "code": _RESPONSES.get(code, "ok")}
        if code not in _RESPONSES:
            d.lose(s, 1)
    fill(d, s, header)
    d.source(s, header)
